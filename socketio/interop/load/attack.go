package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
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
	{"silent-connection", func(c client) error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			return err
		}
		return cutOff(conn)
	}, 500},
	{"silent-websocket", func(c client) error { return c.misbehave(func(io.Writer) error { return nil }) }, 500},
	{"half-frame", func(c client) error {
		return c.misbehave(func(w io.Writer) error {
			_, err := w.Write(append(frameHeader(1000), `42["authenticate"`...))
			return err
		})
	}, 500},
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
	{"namespaces", flood(func(i int) string { return fmt.Sprintf("40/namespace%d,", i) }), 20},
	{"acknowledgements", flood(func(i int) string { return fmt.Sprintf("43%d[%d]", i, i) }), 20},
	{"events", flood(func(i int) string { return fmt.Sprintf(`42["event",%d]`, i) }), 20},
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

// pause is how long an attacker takes before it comes again.
const pause = time.Second

// attack measures honest logins: alone, and while attackers keep coming.
func attack(args []string, out io.Writer) error {
	f := flags("attack")
	during := f.Duration("for", 5*time.Second, "how long each attack lasts")
	rate := f.Int("rate", 50, "honest logins a second")
	timeout := f.Duration("timeout", 2*time.Second, "within which a socket is to authenticate")
	only := list(f, "servers", "gosio,zishang", "servers: gosio, zishang")
	which := list(f, "attacks", "", "none, silent-connection, silent-websocket, half-frame, huge-frames (of 64 MB), namespaces, acknowledgements and events (10,000 of each)")
	if err := f.Parse(args); err != nil {
		return err
	}
	m, err := newMinter("HS256")
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 14, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "server\tattack\tattackers\tlongest\tlogins\tp50\tp99\tin use at most MiB\tleft KiB\tgoroutines left")
	for _, kind := range only() {
		for _, a := range append([]attacker{{name: "none"}}, attackers...) {
			if !wanted(which(), a.name) {
				continue
			}
			err := attackOne(table, m, kind, a, *during, *timeout, *rate)
			_ = table.Flush() // what there is so far
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind, a.name, err)
			}
		}
	}
	return nil
}

func attackOne(out io.Writer, m *minter, kind string, a attacker, during, timeout time.Duration, rate int) error {
	p, err := start(m.verify, kind, "event", "-timeout", timeout.String())
	if err != nil {
		return err
	}
	defer p.stop()
	c := client{url: p.url, eio: 3, in: "event"}
	token := m.token("alice", time.Hour)
	if _, err := p.run(c, 200, 20, false, func(int) string { return token }); err != nil {
		return err
	}
	before, err := p.ask("rest")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards what follows
	var failed error
	var longest time.Duration
	var latency []time.Duration
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
		}
	}
	var attacks atomic.Int64
	for i := range a.width {
		wg.Go(func() {
			// Evenly, that it is the server which is measured: the clients all
			// have one processor.
			time.Sleep(pause * time.Duration(i) / time.Duration(a.width))
			bad := c
			if kind == "zishang" {
				bad.eio = 4
			}
			for ctx.Err() == nil {
				began := time.Now()
				if err := a.do(bad); err != nil {
					note(fmt.Errorf("an attacker: %w", err))
					return
				}
				attacks.Add(1)
				mu.Lock()
				longest = max(longest, time.Since(began))
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	var most int64
	wg.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(200 * time.Millisecond)
			r, err := p.ask("size")
			if err != nil {
				note(err)
				return
			}
			most = max(most, r.inUse())
		}
	})
	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		wg.Go(func() {
			began := time.Now()
			s, err := c.open(token, false)
			took := time.Since(began)
			if err != nil {
				note(fmt.Errorf("an honest login: %w", err))
				return
			}
			s.leave()
			mu.Lock()
			defer mu.Unlock()
			latency = append(latency, took)
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	after, err := p.rested(15*time.Second, 200*time.Millisecond)
	if err != nil {
		return err
	}
	slices.Sort(latency)
	r := result{latency: latency}
	fmt.Fprintf(out, "%s\t%s\t%d\t%v\t%d\t%v\t%v\t%.1f\t%d\t%d\n", kind, a.name, attacks.Load(), longest.Round(10*time.Millisecond), len(latency),
		r.percentile(.5).Round(100*time.Microsecond), r.percentile(.99).Round(100*time.Microsecond), float64(most)/(1<<20), (after.inUse()-before.inUse())>>10, after.Goroutines-before.Goroutines)
	return after.leftBehind(before)
}
