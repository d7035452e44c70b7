package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// inProtocol is a client in the root namespace.
func (w *world) inProtocol(eio, transport string) (*rawclient.Session, *socket) {
	w.Helper()
	c := w.client()
	c.EIO = eio
	if transport == "polling" {
		if eio == "3" {
			w.poll(c, "0", "40")
			synctest.Wait() // for the server to note that it has written
			return c, nil
		}
		w.poll(c, "0")
		w.post(c, 200, "40")
		synctest.Wait()
		w.poll(c, `40{"sid":"`+w.root.ID()+`"}`)
		synctest.Wait()
		return c, nil
	}
	ws := w.dial(c)
	if err := c.ReadOpen(ws.Websocket); err != nil {
		w.Fatal(err)
	}
	if eio == "4" {
		ws.write("40")
	}
	synctest.Wait()
	if _, err := ws.Read(); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
	return c, ws
}

// answer behaves as a client does that sends nothing on its own, until its connection ends.
func (w *world) answer(c *rawclient.Session, ws *socket) {
	if ws != nil {
		for {
			p, err := ws.Read() // which answers the websocket's own pings
			if err != nil {
				return
			}
			if p == "2" {
				_ = ws.Write("3")
			}
		}
	}
	for {
		r, err := c.Get(w.Context())
		if err != nil || r.Status != 200 || slices.Contains(r.Packets, "1") {
			return
		}
		if slices.Contains(r.Packets, "2") {
			_, _ = c.Post(w.Context(), "3")
		}
	}
}

// asked asks for a sign of life, for two seconds at most.
func (w *world) asked() (alive bool, took time.Duration) {
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	return w.last.Alive(ctx), time.Since(began)
}

func everyWay(t *testing.T, test func(w *world, c *rawclient.Session, ws *socket)) {
	for _, eio := range []string{"3", "4"} {
		for _, transport := range []string{"polling", "websocket"} {
			t.Run(transport+" "+eio, func(t *testing.T) {
				inWorld(t, nil, func(w *world) {
					c, ws := w.inProtocol(eio, transport)
					test(w, c, ws)
				})
			})
		}
	}
}

// TestAlive: a client that is there answers at once, whenever it is asked, and stays.
func TestAlive(t *testing.T) {
	everyWay(t, func(w *world, c *rawclient.Session, ws *socket) {
		go w.answer(c, ws)
		for range 3 {
			time.Sleep(7 * time.Second)
			for range 2 {
				if alive, took := w.asked(); !alive || took > 0 {
					w.Errorf("a client that is there: %v after %v", alive, took)
				}
			}
		}
		w.last.End("over", nil)
		if alive, took := w.asked(); alive || took > 0 {
			w.Errorf("a session that has ended: %v after %v", alive, took)
		}
	})
}

// TestAliveVanished: a client whose machine has vanished gives no sign of life, however
// often it is asked, and the session's end ends the wait.
func TestAliveVanished(t *testing.T) {
	everyWay(t, func(w *world, c *rawclient.Session, ws *socket) {
		if ws != nil {
			go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
		}
		began := time.Now()
		for range 3 {
			if alive, took := w.asked(); alive || took != 2*time.Second {
				w.Errorf("a client that is gone: %v after %v", alive, took)
			}
		}
		ctx, cancel := context.WithCancel(w.Context())
		time.AfterFunc(time.Second, func() { w.last.End("over", nil) })
		if w.last.Alive(ctx) {
			w.Error("a session that ends meanwhile is alive")
		}
		if took := time.Since(began); took != 7*time.Second {
			w.Errorf("the end was noticed after %v", took)
		}
		cancel()
	})
}

// TestAliveDeadline: a client that is gone times out however often it is asked.
func TestAliveDeadline(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.inProtocol("4", "websocket")
		go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
		began := time.Now()
		for !w.root.Over() && time.Since(began) < time.Minute {
			w.asked()
		}
		if took := time.Since(began); took > 45*time.Second {
			w.Errorf("the connection ended after %v", took)
		}
	})
}

// TestAliveUnknown: a client that reads too slowly, or that waits itself, cannot be asked.
func TestAliveUnknown(t *testing.T) {
	t.Run("reads slowly", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.inProtocol("4", "websocket")
			w.root.Send(NewEvent(root, []byte(`["news"]`), nil), nil) // nobody reads it
			synctest.Wait()
			if alive, took := w.asked(); !alive || took > 0 {
				t.Errorf("got %v after %v", alive, took)
			}
			ws.read(`42["news"]`)
		})
	})
	t.Run("waits for the library", func(t *testing.T) {
		var release chan struct{}
		inWorld(t, func(_ *world, c *Config, h *hooks) {
			release = make(chan struct{})
			c.MaxInbound = 1
			h.Packet = func(*Stay, *Packet) bool { <-release; return true }
		}, func(w *world) {
			_, ws := w.inProtocol("3", "websocket")
			go func() {
				for range 3 {
					_ = ws.Write(`42["say"]`)
				}
			}()
			synctest.Wait()
			if alive, took := w.asked(); !alive || took > 0 {
				t.Errorf("got %v after %v", alive, took)
			}
			close(release)
			synctest.Wait()
		})
	})
}

// jam holds up direct writes, which write nothing. Each is announced, and ends when goOn is
// closed.
type jam struct{ tried, goOn chan struct{} }

func (j jam) Control(func(uintptr)) error    { return nil }
func (j jam) Read(func(uintptr) bool) error  { return nil }
func (j jam) Write(func(uintptr) bool) error { j.tried <- struct{}{}; <-j.goOn; return nil }

// fill writes to a connection until it takes nothing more.
func fill(t *testing.T, conn net.Conn) {
	t.Helper()
	for n := 1; n > 0; {
		_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		var err error
		if n, err = conn.Write(make([]byte, 64<<10)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// TestAliveDuringWrite: a client that turns out to take nothing after it was asked for a
// sign of life counts as alive: it has yet to take what was sent before the question.
func TestAliveDuringWrite(t *testing.T) {
	c := newCrowd(t, 1, Config{})
	s := c.stays[0].session
	j := jam{tried: make(chan struct{}, 9), goOn: make(chan struct{})}
	s.mu.Lock()
	out := s.link.ws.out
	s.mu.Unlock()
	out.mu.Lock()
	fill(t, out.Conn)
	out.direct = directWriter{j}
	out.mu.Unlock()
	c.stays[0].Send(event("hello"), nil)
	<-j.tried
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	alive := make(chan bool)
	go func() { alive <- s.Alive(ctx) }()
	for asked := false; !asked; runtime.Gosched() {
		s.mu.Lock()
		asked = s.heard != nil
		s.mu.Unlock()
	}
	close(j.goOn)
	if !<-alive {
		t.Error("the client counts as gone")
	}
}
