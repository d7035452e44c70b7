package main

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// An attacker opens a connection and does one bad thing with it. It then waits to
// be cut off.
type attacker struct {
	name string
	do   func(c client) error
	// width is how many there are at a time: fewer of those that are loud.
	width int
}

var attackers = []attacker{
	{"silent-connection", raw(""), 500},
	{"half-request", raw("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"), 500},
	{"half-body", raw("POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n40"), 500},
	{"http2-preface", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 500},
	{"silent-websocket", func(c client) error { return c.misbehave(func(io.Writer) error { return nil }) }, 500},
	{"half-frame", func(c client) error {
		return c.misbehave(func(w io.Writer) error {
			_, err := w.Write(append(frameHeader(1000), `42["authenticate"`...))
			return err
		})
	}, 500},
	{"slow-frame", func(c client) error { return c.misbehave(slowly) }, 500},
	{"polls-unread", unread, 200},
	{"huge-frames", func(c client) error {
		return c.misbehave(func(w io.Writer) error {
			const size = 64 << 20
			if _, err := w.Write(frameHeader(size)); err != nil {
				return err
			}
			for some := make([]byte, 64<<10); ; {
				if _, err := w.Write(some); err != nil {
					return err
				}
			}
		})
	}, 20},
	{"compression-bomb", func(c client) error {
		return c.misbehave(func(w io.Writer) error { _, err := w.Write(bomb()); return err })
	}, 20},
	{"namespaces", flood(func(i int) string { return fmt.Sprintf("40/namespace%d,", i) }), 20},
	{"acknowledgements", flood(func(i int) string { return fmt.Sprintf("43%d[%d]", i, i) }), 20},
	{"events", flood(func(i int) string { return fmt.Sprintf(`42["event",%d]`, i) }), 20},
	{"disconnects", flood(func(i int) string { return fmt.Sprintf("41/namespace%d,", i) }), 20},
	{"binary-events", flood(func(int) string { return `451-["event",{"_placeholder":true,"num":0}]` }), 20},
	{"pings", flood(func(int) string { return "2" }), 20},
	{"pongs", flood(func(int) string { return "3" }), 20},
	{"noops", flood(func(int) string { return "6" }), 20},
	{"empty-frames", flood(func(int) string { return "" }), 20},
	{"websocket-pings", floodFrames([]byte{0x89, 0x80, 0, 0, 0, 0}), 20},
	{"websocket-pongs", floodFrames([]byte{0x8a, 0x80, 0, 0, 0, 0}), 20},
	{"binary-frames", floodFrames([]byte{0x82, 0x83, 0, 0, 0, 0, 4, 1, 2}), 20},
	{"fragments", floodFrames([]byte{0x00, 0x80, 0, 0, 0, 0}), 20},
}

// nextAddress spreads connections over a hundred loopback addresses.
var nextAddress atomic.Int64

// raw opens a connection from one of many addresses, writes this, and waits.
func raw(text string) func(c client) error {
	return func(c client) error {
		conn, err := dialFrom(int(nextAddress.Add(1)%100)*perAddress)(context.Background(), "tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(conn, text); err != nil {
			_ = conn.Close()
			return nil // it was cut off
		}
		return cutOff(conn)
	}
}

// slowly writes one byte of a frame every 100 ms.
func slowly(w io.Writer) error {
	if _, err := w.Write(frameHeader(1000)); err != nil {
		return err
	}
	for {
		if _, err := w.Write([]byte("4")); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// unread opens a session by polling and never asks for anything again: it has nothing
// to be cut off from but the session, whose end the figures of the server show.
func unread(c client) error {
	res, err := polls.Get(fmt.Sprintf("%s/socket.io/?EIO=%d&transport=polling", c.url, c.eio))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("a handshake was answered %s", res.Status)
	}
	return nil
}

// bomb is a compressed text frame of a few KB that inflates to 64 MB. A server without
// compression takes it for a violation of the protocol.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // fails for no known level
	_, _ = io.WriteString(w, `42["authenticate",{"token":"`)
	for range 1024 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 64<<10))
	}
	_ = w.Flush()
	text := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	header := frameHeader(uint64(len(text)))
	header[0] = 0xc1 // text, compressed
	return append(header, text...)
})

// floodFrames sends ten thousand of a frame.
func floodFrames(frame []byte) func(client) error {
	return func(c client) error {
		return c.misbehave(func(w io.Writer) error {
			if frame[0] == 0 { // a message for the fragments
				if _, err := w.Write([]byte{0x01, 0x80, 0, 0, 0, 0}); err != nil {
					return err
				}
			}
			piece := bytes.Repeat(frame, 1000)
			for range 10 {
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// frameHeader begins a text frame from a client, whose mask changes nothing.
func frameHeader(size uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, size), 0, 0, 0, 0)
}

// misbehave opens a websocket, writes below it, and waits to be cut off.
func (c client) misbehave(write func(io.Writer) error) error {
	d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512, HandshakeTimeout: patience}
	ws, _, err := d.Dial(fmt.Sprintf("ws%s/socket.io/?EIO=%d&transport=websocket", strings.TrimPrefix(c.url, "http"), c.eio), nil)
	if err != nil {
		return err
	}
	if err := write(ws.NetConn()); err != nil {
		_ = ws.Close()
		return nil // it was cut off
	}
	return cutOff(ws.NetConn())
}

// flood sends ten thousand packets, of pieces that were made before: the honest clients
// have one processor with the attackers, and it is the server which is measured.
func flood(packet func(i int) string) func(client) error {
	pieces := sync.OnceValue(func() (pieces [][]byte) {
		var all []byte
		for i := range 10000 {
			if all = append(all, textFrame(packet(i))...); len(all) > 32<<10 || i == 9999 {
				pieces, all = append(pieces, all), nil
			}
		}
		return pieces
	})
	return func(c client) error {
		return c.misbehave(func(w io.Writer) error {
			if c.eio == 4 {
				if _, err := w.Write(textFrame("40")); err != nil {
					return err
				}
			}
			for _, piece := range pieces() {
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func textFrame(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// errPatience says that a server kept a connection that it should not.
var errPatience = errors.New("was not cut off")

// cutOff waits until the server ends a connection.
func cutOff(conn net.Conn) error {
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return errPatience
	}
	return nil
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
