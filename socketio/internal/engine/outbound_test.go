package engine

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestVolatile: an event that may be lost goes out only if nothing else waits for the
// client, and never after the end.
func TestVolatile(t *testing.T) {
	news := NewEvent(root, []byte(`["news"]`), nil)
	check := func(w *world, when string, want bool) {
		w.Helper()
		synctest.Wait()
		if got := w.last.Writable(); got != want {
			w.Errorf("%s: writable: %v", when, got)
		}
		if got := w.root.SendVolatile(news, nil); got != want {
			w.Errorf("%s: sent: %v", when, got)
		}
	}
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		check(w, "an idle websocket", true)
		check(w, "a websocket that takes nothing", false)
		ws.read(`42["news"]`)
		check(w, "a websocket that has taken everything", true)
		ws.read(`42["news"]`)
		w.last.End("over", &Refusal{Error: "no", Hold: true})
		ws.read(`44"no"`)
		check(w, "a websocket behind the end", false)
	})
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		get := func() (rawclient.Reply, error) { return c.Get(w.Context()) }
		check(w, "no poll", false)
		poll := w.async(get)
		check(w, "a poll", true)
		if r := <-poll; !slices.Equal(r.Packets, []string{`42["news"]`}) {
			t.Errorf("got %v", r)
		}
		w.last.End("over", &Refusal{Error: "no", Hold: true})
		w.poll(c, `44"no"`)
		poll = w.async(get)
		check(w, "a poll behind the end", false)
		if r := <-poll; !slices.Equal(r.Packets, []string{"41"}) {
			t.Errorf("got %v", r)
		}
		w.poll(c, "1")
	})
}

// recorded is a connection that keeps what was read.
type recorded struct {
	net.Conn
	read []byte
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read = append(r.read, b[:n]...)
	return n, err
}

// tapped is a client of a crowd whose bytes are recorded.
type tapped struct {
	t    *testing.T
	conn *websocket.Conn
	wire *recorded
	stay *Stay
}

// tap connects a client of Engine.IO 3 on the network of the operating system.
func tap(t *testing.T, config Config, compression bool) *tapped {
	t.Helper()
	crowd, c := newCrowd(t, 0, config), &tapped{t: t}
	dialer := websocket.Dialer{EnableCompression: compression, NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		c.wire = &recorded{Conn: conn}
		return c.wire, err
	}}
	conn, response, err := dialer.Dial("ws"+strings.TrimPrefix(crowd.web.URL, "http")+"/socket.io/?EIO=3&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	crowd.conns = append(crowd.conns, conn)
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	for range 2 { // OPEN, and the root
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	c.conn, c.stay = conn, <-crowd.entered
	return c
}

// read reads a message, and returns the beginning of its first frame.
func (c *tapped) read(kind int, want string) []byte {
	c.t.Helper()
	before := len(c.wire.read)
	got, b, err := c.conn.ReadMessage()
	if err != nil || got != kind || string(b) != want {
		c.t.Fatalf("got %d %.50q, %v, expected %d %.50q", got, b, err, kind, want)
	}
	return c.wire.read[before:]
}

// TestFrames: a message that goes out alone is one frame with the shortest form of its
// length (RFC 6455, section 5.2), and its attachments follow.
func TestFrames(t *testing.T) {
	c := tap(t, Config{}, false)
	for size, header := range map[int][]byte{
		100: {0x81, 100}, 125: {0x81, 125}, 126: {0x81, 126, 0, 126}, 127: {0x81, 126, 0, 127}, 10_000: {0x81, 126, 0x27, 0x10},
		70_000: {0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70},
	} {
		text := strings.Repeat("x", size-len(`42["e",""]`))
		c.stay.Send(event(text), nil)
		if frame := c.read(websocket.TextMessage, `42["e","`+text+`"]`); !bytes.HasPrefix(frame, header) || len(frame) != len(header)+size {
			t.Errorf("%d bytes begin with %x, expected %x", size, frame[:8], header)
		}
	}
	c.stay.Send(NewEvent(root, []byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{[]byte("attached")}), nil)
	c.read(websocket.TextMessage, `451-["e",{"_placeholder":true,"num":0}]`)
	c.read(websocket.BinaryMessage, "\x04attached")
}

// TestCompressFrom: messages of this size and longer are compressed, if the client agrees.
func TestCompressFrom(t *testing.T) {
	const from = 100
	for _, test := range []struct {
		from       int
		agreed     bool
		size       int
		compressed bool
	}{
		{from, true, from - 1, false}, {from, true, from, true}, {from, true, from + 1, true},
		{from, false, from + 1, false}, {0, true, from, false},
	} {
		c := tap(t, Config{CompressFrom: test.from}, test.agreed)
		text := strings.Repeat("x", test.size-len(`42["e",""]`))
		c.stay.Send(event(text), nil)
		const rsv1 = 0x40 // of a compressed message: RFC 7692, section 6
		if got := c.read(websocket.TextMessage, `42["e","`+text+`"]`)[0]&rsv1 != 0; got != test.compressed {
			t.Errorf("%+v: compressed: %v", test, got)
		}
	}
}
