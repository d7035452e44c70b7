package zishang

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// expiring accepts everybody, with a token until then.
func expiring(until time.Time) func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
	return func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
		return &verifier.Token{Issuer: "i", Subject: "ada", ExpiresAt: until}, nil
	}
}

// TestHandlersAfterEnd: no handler and no acknowledgement that is queued when a session
// ends hears the client.
func TestHandlersAfterEnd(t *testing.T) {
	var late atomic.Int32
	busy, proceed, done := make(chan *socketio.Session), make(chan struct{}), make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		guard(t, io, "/", byName())
		OnAuthenticated(io.IO(), func(s *socket.Socket, session *socketio.Session) error {
			hear := func() {
				if session.Context().Err() != nil {
					late.Add(1)
				}
			}
			s.EmitWithAck("ask")(func(_ []any, err error) {
				if err == nil {
					hear()
				}
			})
			_ = s.Once("disconnect", func(...any) { close(done) })
			_ = s.On("say", func(...any) { hear() })
			return s.Once("wait", func(...any) { busy <- session; <-proceed })
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	ask := f.next()
	f.send(`42["wait"]`)
	session := <-busy
	f.send(slices.Repeat([]string{`42["say"]`}, 9)...)
	f.send(fmt.Sprintf("43%s[]", ask[2:strings.Index(ask, "[")]), "40/public,") // which is answered when those are queued
	f.expect("40/public,")
	session.End(errBadToken)
	close(proceed)
	f.expect(`421073741824["unauthorized"`, "41")
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestClockAfterEnd: a handler hears nothing once the clock says that the session is
// over, also where nobody listens to any event.
func TestClockAfterEnd(t *testing.T) {
	var step, late atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
	auth := socketio.AuthenticatorFunc(expiring(time.Now().Add(time.Hour)))
	for range 20 {
		step.Store(0)
		web := serve(t, nil, func(io *Server) {
			OnAuthenticated(guard(t, io, "/", auth, socketio.WithClock(clock)), func(s *socket.Socket, _ *socketio.Session) error {
				return s.On("say", func(...any) { late.Add(1) })
			})
		})
		f := upgrade(t, web)
		f.send(`40{"token":"ada"}`)
		f.expect("40")
		step.Store(int64(2 * time.Hour))
		f.send(`42["say"]`)
		f.expect(`421073741824["unauthorized"`, "41")
	}
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestGuestEndsEarly: of a guest that the server ends while its handlers of "connection"
// run, those hear nothing.
func TestGuestEndsEarly(t *testing.T) {
	var late atomic.Int64
	arrived, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		_ = guard(t, io, "/", byName(), socketio.Optional(), socketio.DisconnectNow()).On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			arrived <- struct{}{}
			<-proceed
			s.OnAny(func(...any) { late.Add(1) })
			_ = s.On("say", func(...any) { late.Add(1) })
			_ = s.On("disconnect", func(...any) { done <- struct{}{} })
		})
	})
	for range 20 {
		f := upgrade(t, web)
		f.send("40")
		f.expect("40")
		<-arrived
		f.send(`42["say"]`, `42["authenticate",{"token":"bad"}]`)
		f.expect(`421073741824["unauthorized"`, "41")
		proceed <- struct{}{}
		<-done
	}
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestGuestsEventsComeFirst: what a client sent as a guest is handled before it
// authenticates, also if a middleware of the socket's takes its time.
func TestGuestsEventsComeFirst(t *testing.T) {
	inMiddleware, attempted := make(chan struct{}), make(chan struct{})
	authenticated, handled := make(chan struct{}), make(chan string, 9)
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		n := guard(t, io, "/", byName(), socketio.Optional())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("say", func(args ...any) { handled <- fmt.Sprint(args[0], " by a guest: ", SessionOf(s) == nil) })
			s.Use(func(_ []any, next func(error)) {
				if SessionOf(s) == nil {
					close(inMiddleware)
					<-attempted
					s.Enqueue(func() { // behind the attempt, if it may overtake the event
						select {
						case <-authenticated:
						case <-time.After(50 * time.Millisecond):
						}
					})
				}
				next(nil)
			})
		})
		OnAuthenticated(n, func(*socket.Socket, *socketio.Session) error {
			close(authenticated)
			return nil
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.send(`42["say","early"]`)
	<-inMiddleware
	f.send(`42["authenticate",{"token":"alice"}]`, "40/public,") // which is answered when the attempt is queued
	f.expect("40/public,")
	close(attempted)
	f.expect(`42["authenticated"]`)
	f.send(`42["say","late"]`)
	for _, want := range []string{"early by a guest: true", "late by a guest: false"} {
		if got := <-handled; got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	}
}

// TestListenersAddedAfterEnd: what a handler listens with after it has ended the session
// hears no event that was queued before, while a function of OnFailure still runs.
func TestListenersAddedAfterEnd(t *testing.T) {
	inMiddleware, queued, told, done := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	var late atomic.Int32
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		n := guard(t, io, "/", byName(), socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { <-told }))
		OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
			s.Use(func(event []any, next func(error)) {
				if event[0] == "end" {
					close(inMiddleware)
					<-queued
				}
				next(nil)
			})
			return s.On("end", func(...any) {
				session.End(errBadToken)
				hear := func(...any) { late.Add(1) }
				s.OnAny(hear)
				_ = s.On("say", hear)
				_ = s.On("error", hear)
				s.Enqueue(func() { s.Enqueue(func() { s.Enqueue(func() { close(done) }) }) })
			})
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	f.send(`42["end"]`)
	<-inMiddleware
	f.send(slices.Repeat([]string{`42["say"]`, `42["error"]`}, 9)...)
	f.send("40/public,") // which is answered when those are queued
	f.expect("40/public,")
	close(queued)
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
	close(told)
	f.expect(`421073741824["unauthorized"`, "41")
}

// TestGuestsEventsAreAGuests: what a guest sent is handled without a session or not at
// all, also behind a handler that is busy until the client has authenticated.
func TestGuestsEventsAreAGuests(t *testing.T) {
	busy, proceed, authenticated := make(chan struct{}), make(chan struct{}), make(chan struct{})
	handled := make(chan string, 500)
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		n := guard(t, io, "/", byName(), socketio.Optional())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("wait", func(...any) { close(busy); <-proceed })
			_ = s.On("say", func(args ...any) {
				select { // so that some are left when the client has authenticated
				case <-authenticated:
				case <-time.After(time.Millisecond):
				}
				handled <- fmt.Sprint(args[0], ", a guest: ", SessionOf(s) == nil)
			})
		})
		OnAuthenticated(n, func(*socket.Socket, *socketio.Session) error { close(authenticated); return nil })
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.send(`42["wait"]`)
	<-busy
	f.send(slices.Repeat([]string{`42["say","early"]`}, 300)...)
	f.send(`42["authenticate",{"token":"alice"}]`, "40/public,") // which is answered when the attempt is queued
	close(proceed)
	for f.next() != `42["authenticated"]` {
	}
	f.send(`42["say","late"]`)
	for {
		switch got := <-handled; got {
		case "early, a guest: true":
		case "late, a guest: false":
			return
		default:
			t.Fatalf("handled %s", got)
		}
	}
}

// TestEndInMiddleware: an event that is in a middleware of the socket's when the session
// ends reaches no handler, also if only the clock says that it is over.
func TestEndInMiddleware(t *testing.T) {
	var step atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
	for name, end := range map[string]func(*socketio.Session){
		"the server ends it": func(s *socketio.Session) { s.End(errBadToken) },
		"the clock is set":   func(*socketio.Session) { step.Store(int64(2 * time.Hour)) },
	} {
		step.Store(0)
		inMiddleware, proceed, done := make(chan *socketio.Session), make(chan struct{}), make(chan struct{})
		var late atomic.Int32
		web := serve(t, nil, func(io *Server) {
			auth := socketio.AuthenticatorFunc(expiring(time.Now().Add(time.Hour)))
			onFailure := socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { <-done })
			OnAuthenticated(guard(t, io, "/", auth, onFailure, socketio.WithClock(clock)), func(s *socket.Socket, session *socketio.Session) error {
				s.Use(func(_ []any, next func(error)) {
					inMiddleware <- session
					<-proceed
					next(nil)
					s.Enqueue(func() { close(done) })
				})
				return s.On("say", func(...any) { late.Add(1) })
			})
		})
		f := upgrade(t, web)
		f.send(`40{"token":"ada"}`)
		f.expect("40")
		f.send(`42["say"]`)
		end(<-inMiddleware)
		close(proceed)
		<-done
		if n := late.Load(); n > 0 {
			t.Errorf("%s: %d were heard after the end", name, n)
		}
		f.expect(`421073741824["unauthorized"`, "41")
	}
}

// TestGuestEndsInMiddleware: the same of a guest that the server ends.
func TestGuestEndsInMiddleware(t *testing.T) {
	inMiddleware, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var late atomic.Int32
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		onFailure := socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { <-done })
		_ = guard(t, io, "/", byName(), socketio.Optional(), socketio.DisconnectNow(), onFailure).On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			s.Use(func(_ []any, next func(error)) {
				close(inMiddleware)
				<-proceed
				next(nil)
				s.Enqueue(func() { close(done) })
			})
			_ = s.On("say", func(...any) { late.Add(1) })
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.send(`42["say"]`)
	<-inMiddleware
	f.send(append(slices.Repeat([]string{`42["say"]`}, maxQueue), "40/public,")...) // which is answered when those are queued
	f.expect("40/public,")
	f.send(`42["authenticate",{"token":"bad"}]`) // for which there is no room behind them
	f.expect(`421073741824["unauthorized"`, "41")
	close(proceed)
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("%d were heard after the end", n)
	}
}

// TestDisconnectWhileDeciding: a socket that leaves while a rule is asked about its event
// leaves nothing else: the client's other namespaces stay.
func TestDisconnectWhileDeciding(t *testing.T) {
	var server *Server
	leave := func(_ context.Context, _ *socketio.Session, action socketio.Action, event string) error {
		if action == socketio.ActionEvent {
			server.IO().Of("/", nil).DisconnectSockets(false)
		}
		return nil
	}
	web := serve(t, nil, func(s *Server) {
		server = s
		guard(t, s, "/", byName(), socketio.WithDecider(socketio.DeciderFunc(leave)))
		other := public(t, s, "/other")
		_ = other.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("hello", func(...any) { _ = s.Emit("hello") })
		})
	})
	f := upgrade(t, web)
	f.send("40/other,")
	f.expect("40/other,")
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	f.send(`42["say"]`)
	f.expect("41")
	f.send(`42/other,["hello"]`)
	f.expect(`42/other,["hello"]`)
}
