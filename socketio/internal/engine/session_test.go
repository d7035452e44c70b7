package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

func isClose(err error, code int) bool { return websocket.IsCloseError(err, code) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"PingInterval is -1ns":       {PingInterval: -1},
		"MaxMessage is -1":           {MaxMessage: -1},
		"MaxAttachments is 1000":     {MaxAttachments: 10000},
		"MaxUnauthenticated is 2000": {MaxUnauthenticated: 2000, MaxMessage: 1000},
		"NoPolling and NoWebsocket":  {NoPolling: true, NoWebsocket: true},
	} {
		if _, err := New(c, testLibrary{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, expected one with %q", err, want)
		}
	}
	for _, c := range []Config{{NoPolling: true}, {NoWebsocket: true}, {MaxAttachments: 9999}, {MaxUnauthenticated: 1000, MaxMessage: 1000}} {
		if _, err := New(c, testLibrary{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := New(Config{}, nil); err == nil || !strings.Contains(err.Error(), "the library is nil") {
		t.Errorf("got the error %v without a library", err)
	}
}

// TestSessionID: an id is all that a polling client shows of itself.
func TestSessionID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := newSession(&Server{}, dialects["3"], httptest.NewRequest("GET", "/", nil), nil).ID()
		// Base 32: five bits a letter.
		if len(id)*5 < 128 || seen[id] || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Fatalf("the id %q: expected 128 random bits in base 32", id)
		}
		seen[id] = true
	}
}

func TestHijack(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		w.forget()
		for _, sid := range []string{
			c.SID[:len(c.SID)-1], c.SID + "A", strings.ToLower(c.SID), " " + c.SID, "1", "AAAAAAAAAAAAAAAAAAAAAAAAAA", c.SID[1:],
		} {
			thief := w.client()
			thief.SID = sid
			w.post(thief, http.StatusBadRequest, `42["say",1]`)
			if r, err := thief.Get(w.Context()); err != nil || r.Status != http.StatusBadRequest {
				t.Errorf("%q: a poll was answered %v, %v", sid, r.Status, err)
			}
			if _, res, err := thief.Dial(w.Context()); err == nil || res.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: an upgrade got %v", sid, err)
			}
			w.want()
		}
		w.post(c, http.StatusOK, `42["say",1]`)
		w.want(`said 2["say",1] 0`)
	})
}

func TestDeadlines(t *testing.T) {
	tests := []struct {
		name   string
		begin  func(w *world)
		after  time.Duration
		reason string
	}{
		{"a handshake that is not followed up", func(w *world) { w.polling() }, 10 * time.Second, "handshake timeout"},
		{"a poll, and then nothing", func(w *world) {
			c := w.polling()
			w.post(c, http.StatusOK, "2")
			w.poll(c, "3")
		}, 45 * time.Second, "ping timeout"},
		{"a poll that hangs", func(w *world) {
			c := w.polling()
			w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		}, 45 * time.Second, "ping timeout"},
		{"an upgrade without a second poll", func(w *world) { w.upgrade(w.polling()) }, 45 * time.Second, "ping timeout"},
		{"a websocket that is silent", func(w *world) { w.websocket() }, 45 * time.Second, "ping timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				test.begin(w)
				w.forget()
				time.Sleep(test.after - time.Millisecond)
				w.want()
				time.Sleep(time.Second)
				w.want("left /: "+test.reason, "done /: "+test.reason, "closed: "+test.reason)
				time.Sleep(20 * time.Second) // for close frames that nobody answers
				synctest.Wait()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

func TestPingsKeepAlive(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		for range 10 {
			time.Sleep(25 * time.Second)
			ws.write("2")
			ws.read("3")
		}
		w.want()
		ws.Conn.Close()
		w.want("left /: transport close", "done /: transport close", "closed: transport close")
	})
}

// TestHalfOpen: the places for handshakes come back, whether these succeed or fail.
func TestHalfOpen(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes = 2
		h.Decide = func(_ context.Context, a *Arrival) Verdict {
			switch a.Request.Header.Get("X-Do") {
			case "refuse":
				return Refuse(nil)
			case "panic":
				panic("in the hook")
			}
			return Admit(Open, nil)
		}
	}, func(w *world) {
		for _, do := range []string{"refuse", "panic", "refuse", "panic"} {
			c := w.client()
			c.Header = http.Header{"X-Do": {do}}
			if r, err := c.Get(w.Context()); err != nil || !strings.Contains(r.Body, "UnauthorizedError") {
				t.Fatalf("%s: %v %v", do, r, err)
			}
		}
		a := w.polling()
		w.polling()
		c := w.client()
		r, err := c.Get(w.Context())
		if err != nil || r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "1" {
			t.Fatalf("a third handshake was answered %v, %v", r, err)
		}
		w.post(a, http.StatusOK, "2")
		b := w.polling() // a's place
		if r, _ := c.Get(w.Context()); r.Status != http.StatusServiceUnavailable {
			t.Fatalf("a fourth handshake was answered %v", r)
		}
		w.post(b, http.StatusOK, "1")
		_, ws := w.websocket()
		w.websocket()
		w.websocket() // they need a place for a moment only
		ws.Conn.Close()
	})
}

func TestPanicsInHooks(t *testing.T) {
	boom := func() { panic("in the hook") }
	tests := []struct {
		name   string
		change func(h *hooks)
		send   []string
		ends   bool
	}{
		{"Decide", func(h *hooks) {
			h.Decide = func(_ context.Context, a *Arrival) Verdict {
				if a.Namespace != root {
					boom()
				}
				return Admit(Open, nil)
			}
		}, []string{"40/open"}, true},
		{"Admitted", func(h *hooks) { h.Admitted = func(*Stay) { boom() } }, nil, true},
		{"Authenticate", func(h *hooks) { h.Authenticate = func(*Stay, []json.RawMessage, bool) { boom() } }, []string{`42["authenticate"]`}, true},
		{"Packet", func(h *hooks) { h.Packet = func(*Stay, *Packet) bool { boom(); return true } }, []string{`42["say"]`}, true},
		{"Left", func(h *hooks) { h.Left = func(*Stay, string) { boom() } }, []string{"40/open", "41/open"}, true},
		{"Done", func(h *hooks) { h.Done = func(*Stay, string) { boom() } }, []string{"40/open", "41/open"}, true},
		{"Closed", func(h *hooks) { h.Closed = func(*Session, string) { boom() } }, []string{"1"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(_ *world, _ *Config, h *hooks) { test.change(h) }, func(w *world) {
				ws := w.dial(w.client())
				for _, p := range test.send {
					_ = ws.Write(p)
					synctest.Wait()
				}
				_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
				for {
					if _, err := ws.Read(); err != nil {
						break
					}
				}
				ws.Conn.Close()
				synctest.Wait()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

func TestSessionContext(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		s := w.last
		ctx := s.Context()
		if ctx.Err() != nil || s.Request() == nil || s.Value() != nil || w.session(s.ID(), dialects["3"]) != s || w.session(s.ID(), dialects["4"]) != nil {
			t.Error("a live session is not what it should be")
		}
		s.End("the reason", nil)
		<-s.Done()
		if cause := context.Cause(ctx); cause == nil || cause.Error() != "the reason" {
			t.Errorf("the cause is %v", cause)
		}
		ws.readEnd(websocket.CloseNormalClosure)
		synctest.Wait()
		if w.session(s.ID(), dialects["3"]) != nil {
			t.Error("a session that is gone is still found")
		}
		if cause := context.Cause(s.Context()); cause.Error() != "the reason" {
			t.Errorf("the cause is %v afterwards", cause)
		}
	})
}

func TestShutdown(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		_, ws := w.websocket()
		stuck, busy := w.websocket()
		busy.write(`42["hang"]`)
		w.forget()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- w.Shutdown(ctx, nil) }()
		synctest.Wait()
		if r, err := w.client().Get(w.Context()); err != nil || r.Status != http.StatusServiceUnavailable {
			t.Errorf("a handshake was answered %v, %v", r, err)
		}
		if r := <-waiting; len(r.Packets) != 1 || r.Packets[0] != "1" {
			t.Errorf("the poll brought %v", r)
		}
		ws.readEnd(websocket.CloseNormalClosure)
		busy.readEnd(websocket.CloseNormalClosure)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.post(stuck, http.StatusBadRequest, "2")
	})
}

func TestShutdownOutOfTime(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		h.Closed = func(*Session, string) { <-release }
	}, func(w *world) {
		release = make(chan struct{})
		_, ws := w.websocket()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		down := make(chan error, 1)
		go func() { down <- w.Shutdown(ctx, nil) }()
		ws.readEnd(websocket.CloseNormalClosure)
		if err := <-down; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(release)
	})
}
