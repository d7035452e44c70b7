package googollee

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/binding"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// socket is one stay of a client in one namespace: its guard, its session, its rooms, and
// the Conn of the application.
type socket struct {
	binding.Socket
	namespace *Namespace
	arrived   time.Time
	conn      Conn

	welcomed atomic.Bool // whether OnAuthenticated has returned and it may stay

	attached  chan struct{} // closed when the guard, if any, is there
	connected chan struct{} // closed when OnConnect has returned, where it is due

	mu      sync.Mutex // guards the rest
	over    bool       // no handler begins any more
	running int        // calls of OnConnect and OnAuthenticated in progress
	greeted bool       // whether one of them has run
	onLeft  func()     // calls OnDisconnect when running is 0

	id    string              // its ID while it is in the namespace; guarded by the namespace's mutex
	rooms map[string]struct{} // the same
}

func newSocket(n *Namespace, h *verifier.Handshake) *socket {
	s := &socket{namespace: n, arrived: time.Now(), attached: make(chan struct{}), connected: make(chan struct{})}
	s.Logger, s.Authorizer, s.Handshake = n.server.logger, n.auth, h
	s.conn.socket = s
	return s
}

// Admitted guards the socket and answers its client.
func (s *socket) Admitted() {
	n := s.namespace
	n.add(s)
	s.Attach(s)
	close(s.attached)
	if s.Pass != nil && s.Guard().Session() == nil {
		close(s.connected)
		return // the token is no longer good: Close follows, and refuses the client
	}
	// OnAuthenticated waits for connected: whatever it does, its client connects first.
	if n.onConnect == nil || n.auth != nil && !s.Guest.Load() || !s.start() {
		s.Stay.Accept("", "")
		close(s.connected)
		return
	}
	n.server.library.Tasks.Go(func() {
		defer s.finish()
		defer close(s.connected)
		if err := s.protect("OnConnect", func() error { return n.onConnect(&s.conn) }); err != nil {
			s.disconnect()
		}
	})
	s.Stay.Accept("", "")
}

// Open opens the gate, behind the event.
func (s *socket) Open(event string) {
	if event == "" {
		gate := engine.Open
		if s.Pass == nil {
			gate = engine.Guest
			s.Guest.Store(true)
		}
		s.Stay.SetGate(gate)
		return
	}
	s.Report(event, s.Stay.EmitAndSetGate(engine.Open, event))
}

// serverDisconnect is the reason where the application disconnected the socket.
const serverDisconnect = "server disconnect"

// Close ends the socket at once, behind the event. OnDisconnect receives the reason that
// the client received.
func (s *socket) Close(cause error, event string, args ...any) {
	reason := serverDisconnect
	if u := binding.Refusal(cause); u != nil {
		reason = string(u.Reason)
	}
	s.End(reason, cause, event, args...)
}

// disconnect ends the socket for the application.
func (s *socket) disconnect() { s.Stay.Leave(serverDisconnect, nil) }

// Authenticated runs the application's handler of a new session.
func (s *socket) Authenticated(session *socketio.Session) error {
	s.Current.Store(session)
	<-s.connected // a guest that authenticates: OnConnect comes first
	if !s.start() {
		return socketio.ErrDisconnected
	}
	defer s.finish()
	if f := s.namespace.onAuthenticated; f != nil {
		if err := f(&s.conn, session); err != nil {
			return err
		}
	}
	s.welcomed.Store(true)
	return nil
}

// start counts a call of OnConnect or OnAuthenticated, and reports false if the socket is
// over. finish follows when the call has returned. OnDisconnect and Shutdown wait for it.
func (s *socket) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.running++
	s.namespace.server.library.Tasks.Add()
	s.greeted = true
	return true
}

func (s *socket) finish() {
	defer s.namespace.server.library.Tasks.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.running == 0 && s.onLeft != nil {
		s.namespace.server.library.Tasks.Go(s.onLeft)
	}
}

// Packet calls the application's handler of an event, or of an acknowledgement.
func (s *socket) Packet(p *engine.Packet) {
	switch {
	case p.Ack != nil:
		s.acknowledged(p)
	case !p.IsAck:
		s.handle(p)
	}
}

// handle calls the handler of an event with what the client sent.
func (s *socket) handle(p *engine.Packet) {
	h := s.namespace.handler(p.Event)
	if h == nil || p.Guest && !h.open || !s.mayHandle(h.open) || !p.Passes() || !s.Permits(p) {
		return
	}
	logger := s.namespace.server.logger
	args, err := decode(p, h.args)
	if err != nil {
		logger.Debug("googollee: the arguments of an event do not fit its handler", "namespace", s.namespace.name, "event", p.Event, "error", err)
		s.failed(fmt.Errorf("googollee: the arguments of %q do not fit its handler: %w", p.Event, err))
		return
	}
	_ = s.protect("the handler of "+p.Event, func() error {
		results := h.f.Call(append([]reflect.Value{reflect.ValueOf(&s.conn)}, args...))
		if len(results) == 0 || !p.WantsAck {
			return nil
		}
		values := make([]any, len(results))
		for i, r := range results {
			values[i] = r.Interface()
		}
		data, attachments, err := encode(parser.Ack, values)
		if err != nil {
			logger.Error("googollee: an event was not acknowledged", "namespace", s.namespace.name, "event", p.Event, "error", err)
			s.failed(fmt.Errorf("googollee: the results of the handler of %q cannot be encoded: %w", p.Event, err))
			return nil
		}
		p.Acknowledge(data, attachments)
		return nil
	})
}

// acknowledged calls the function that waits for a client's acknowledgement.
func (s *socket) acknowledged(p *engine.Packet) {
	if !s.mayHandle(true) || !p.Passes() {
		return
	}
	f := p.Ack.(reflect.Value)
	_ = s.protect("an acknowledgement", func() error {
		args, err := decode(p, parametersOf(f.Type(), 0))
		if err != nil {
			s.namespace.server.logger.Debug("googollee: an acknowledgement does not fit its function", "namespace", s.namespace.name, "error", err)
			s.failed(fmt.Errorf("googollee: an acknowledgement does not fit its function: %w", err))
			return nil
		}
		f.Call(args)
		return nil
	})
}

// join puts the socket into a room, if the rules or a room token allow it. The client
// is told if they do not.
func (s *socket) join(room, token string) error {
	<-s.attached
	return s.JoinRoom(room, token, func() { s.namespace.joinRoom(room, s) })
}

// LeaveRoom takes the socket out of a room, for the guard ([socketio.RoomLeaver]).
func (s *socket) LeaveRoom(room string) { s.namespace.leaveRoom(room, s) }

// mayHandle reports whether the application may have an event: one that is open to
// sockets without a session, or one of a socket with a session. It waits for OnConnect or
// OnAuthenticated. A socket that is over may have events that its client sent before it
// left.
func (s *socket) mayHandle(open bool) bool {
	session := s.session()
	switch {
	case session != nil:
		return session.Wait() || s.welcomed.Load() && errors.Is(context.Cause(session.Context()), socketio.ErrDisconnected)
	case open:
		<-s.connected
		return true
	}
	return false
}

// session returns the session that the guard has, or had.
func (s *socket) session() *socketio.Session {
	if g := s.Guard(); g != nil {
		if session := g.Session(); session != nil {
			return session
		}
	}
	return s.Current.Load()
}

// Left ends the socket for authorization and for broadcasts.
func (s *socket) Left(string) {
	s.namespace.remove(s)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	if g := s.Guard(); g != nil {
		g.Closed()
	}
}

// Done ends the socket for the application, once OnConnect and OnAuthenticated have
// returned.
func (s *socket) Done(reason string) {
	n := s.namespace
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.greeted || n.onDisconnect == nil {
		return
	}
	s.onLeft = func() {
		_ = s.protect("OnDisconnect", func() error { n.onDisconnect(&s.conn, reason); return nil })
	}
	if s.running == 0 {
		n.server.library.Tasks.Go(s.onLeft)
	}
}

// protect calls a handler of the application's and makes an error of its panic.
func (s *socket) protect(who string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.namespace.server.logger.Error("googollee: "+who+" panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("googollee: %s panicked: %v", who, r)
			s.failed(err)
		}
	}()
	return f()
}

// failed tells the application of an event that failed.
func (s *socket) failed(err error) {
	defer func() {
		if r := recover(); r != nil {
			s.namespace.server.logger.Error("googollee: OnError panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	if f := s.namespace.onError; f != nil {
		f(&s.conn, err)
	}
}
