package zishang

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestLeavesEarly: of a client that leaves while its handlers of "connection" run, no
// event is handled.
func TestLeavesEarly(t *testing.T) {
	arrived, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var late atomic.Int64
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		_ = public(t, io, "/").On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			close(arrived)
			<-proceed
			_ = s.On("say", func(...any) { late.Add(1) })
			_ = s.On("disconnect", func(...any) { close(done) })
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	<-arrived
	f.send(`42["say"]`, "41", "40/public,") // which is answered when the end is known
	f.expect("40/public,")
	close(proceed)
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestRefusedByAnother: what a client sends while another middleware refuses it costs it
// that namespace, and not the connection.
func TestRefusedByAnother(t *testing.T) {
	proceed := make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		_ = public(t, io, "/public").On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("ask", func(args ...any) { args[0].(socket.Ack)([]any{"here"}, nil) })
		})
		guard(t, io, "/", byName(), socketio.ByEvent())
		io.IO().Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			go func() {
				<-proceed
				next(socket.NewExtendedError("no room", nil))
			}()
		})
	})
	for range 10 {
		f := upgrade(t, web)
		f.send("40/public,")
		f.expect("40/public,")
		f.send("40")
		f.expect("40")
		f.send(`42["authenticate",{"token":"alice"}]`)
		f.expect(`42["authenticated"]`)
		f.send(slices.Repeat([]string{`42["say"]`}, 20)...)
		f.send("40/nowhere,")
		f.expect("44/nowhere,")
		proceed <- struct{}{}
		f.expect(`421073741824["unauthorized",{"message":"no room"`, "41")
		f.send(`42/public,1["ask"]`)
		f.expect(`43/public,1["here"]`)
	}
}

// TestClockWhileQueued: what waits in the queue when the clock says that the session is
// over is for no listener of any event, and for no acknowledgement.
func TestClockWhileQueued(t *testing.T) {
	var step, late atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
	busy, proceed := make(chan struct{}), make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		auth := socketio.AuthenticatorFunc(expiring(time.Now().Add(time.Hour)))
		OnAuthenticated(guard(t, io, "/", auth, socketio.WithClock(clock)), func(s *socket.Socket, _ *socketio.Session) error {
			hear := func(...any) {
				if step.Load() > 0 {
					late.Add(1)
				}
			}
			s.OnAny(hear)
			s.EmitWithAck("ask")(func([]any, error) { hear() })
			return s.Once("wait", func(...any) { close(busy); <-proceed })
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"ada"}`)
	f.expect("40")
	ask := f.next()
	f.send(`42["wait"]`)
	<-busy
	f.send(`42["say"]`, "43"+ask[2:strings.Index(ask, "[")]+"[]", "40/public,") // which is answered when those are queued
	f.expect("40/public,")
	step.Store(int64(2 * time.Hour))
	close(proceed)
	f.send(`42["say"]`)
	f.expect(`421073741824["unauthorized"`, "41")
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestGuestsRecoverNothing: a guest that presents a session's private id gets a session
// that is new.
func TestGuestsRecoverNothing(t *testing.T) {
	c := newComeback(t, spelled(t), socketio.Optional())
	f, again := c.enters(t, map[string]any{}, "ada", false)
	<-c.sessions
	c.leaves(f)
	f = upgrade(t, c.web)
	payload, _ := json.Marshal(again)
	f.send("40" + string(payload))
	if got := f.next(); !strings.HasPrefix(got, "40{") || strings.Contains(got, again["pid"].(string)) {
		t.Fatalf("got %s, want a new session", got)
	}
	// The session is there for its owner.
	if _, heard := c.enters(t, again, "ada", false); heard != nil {
		t.Errorf("the owner got %v", heard)
	}
}
