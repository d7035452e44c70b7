package googollee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	gosio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// socket is a connection's presence in one namespace. It is the view of it that
// authorization has ([socketio.Socket]), and joins the three that know it: the
// engine's session below, go-socket.io's connection above, and the guard beside.
type socket struct {
	session   *engine.Session
	namespace *Namespace
	guarding  atomic.Pointer[socketio.Guard] // nil in a public namespace

	guest bool        // whether it came without a pass; set by attach
	let   atomic.Bool // whether it was let in as a guest

	conn      *Conn         // set before bound is closed
	bound     chan struct{} // closed when go-socket.io has connected the socket
	connected chan struct{} // closed when OnConnect has returned, where it is due
	gone      chan struct{} // closed when the socket is gone

	greeting sync.Mutex // held while a handler that begins or ends the socket runs
	greeted  bool       // guarded by greeting: whether one that begins it has run

	current  atomic.Pointer[socketio.Session] // the session, also once it has ended
	welcomed atomic.Bool                      // whether OnAuthenticated has returned and it may stay
}

var _ socketio.Socket = (*socket)(nil)

func newSocket(session *engine.Session, n *Namespace) *socket {
	return &socket{
		session: session, namespace: n,
		bound: make(chan struct{}), connected: make(chan struct{}), gone: make(chan struct{}),
	}
}

// attach has the socket guarded.
func (s *socket) attach(h *verifier.Handshake, pass *socketio.Pass) {
	s.guest = pass == nil
	s.guarding.Store(s.namespace.auth.Attach(s, h, pass))
}

func (s *socket) guard() *socketio.Guard { return s.guarding.Load() }

// ID is go-socket.io's name for the connection, the same in every namespace.
func (s *socket) ID() string { return s.session.ID() }

// Emit sends an event whatever the gate.
func (s *socket) Emit(event string, ack func(), args ...any) {
	var acknowledged func([]json.RawMessage)
	if ack != nil {
		acknowledged = func([]json.RawMessage) { ack() }
	}
	if err := s.session.Emit(s.namespace.name, event, acknowledged, args...); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
	}
}

// Open opens the gate, behind the event.
func (s *socket) Open(event string) {
	if event == "" {
		gate := engine.Open
		if s.guest {
			gate = engine.Guest
			s.let.Store(true)
		}
		s.session.SetGate(s.namespace.name, gate)
		return
	}
	if err := s.session.EmitAndSetGate(s.namespace.name, engine.Open, event); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
	}
}

// Close ends the socket at once, behind the event. The reason that OnDisconnect
// is given is the word that the client was given too.
func (s *socket) Close(cause error, event string, args ...any) {
	reason, retryable := serverDisconnect, false
	var u *verifier.UnauthorizedError
	if errors.As(cause, &u) {
		reason, retryable = string(u.Reason), u.Retryable
	}
	if event == "" {
		s.disconnect(reason, retryable)
		return
	}
	if err := s.session.EmitAndLeave(s.namespace.name, reason, &engine.Refusal{Retryable: retryable}, event, args...); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
		s.disconnect(reason, retryable)
	}
}

// serverDisconnect is the reason where the application disconnected the socket.
const serverDisconnect = "server disconnect"

// disconnect ends the namespace, and with the root the whole connection. A
// client that may retry is left to its own reconnection.
func (s *socket) disconnect(reason string, retryable bool) {
	if s.namespace.name == "/" {
		s.session.End(reason, &engine.Refusal{Retryable: retryable})
	} else {
		s.session.DisconnectNamespace(s.namespace.name, reason, nil)
	}
}

// bind takes note that go-socket.io has connected the socket, in whose connect
// handler nothing may block or emit.
func (s *socket) bind(c gosio.Conn) {
	s.conn = &Conn{Conn: c, socket: s}
	n := s.namespace
	if n.onConnect == nil || n.auth != nil && !s.let.Load() {
		close(s.connected)
	} else {
		s.greeting.Lock() // before anybody who waits for bound can
		n.server.tasks.Go(func() {
			defer s.greeting.Unlock()
			defer close(s.connected)
			if s.isGone() {
				return
			}
			s.greeted = true
			if err := s.protect("OnConnect", func() error { return n.onConnect(s.conn) }); err != nil {
				s.disconnect(serverDisconnect, false)
			}
		})
	}
	close(s.bound)
}

// Authenticated runs the application's handler of a new session.
func (s *socket) Authenticated(session *socketio.Session) error {
	s.current.Store(session)
	select {
	case <-s.bound:
	case <-s.gone:
		return socketio.ErrDisconnected
	}
	s.greeting.Lock()
	defer s.greeting.Unlock()
	if s.isGone() {
		return socketio.ErrDisconnected
	}
	s.greeted = true
	f := s.namespace.onAuthenticated
	if f == nil {
		s.welcomed.Store(true)
		return nil
	}
	if err := f(s.conn, session); err != nil {
		return err
	}
	s.welcomed.Store(true)
	return nil
}

// handle calls the handler of an event with what the client sent.
func (s *socket) handle(event string, h *engine.Handling, f reflect.Value, types []reflect.Type) {
	logger := s.namespace.server.logger
	args, err := decode(h.Text, h.Attachments, types)
	if err != nil {
		logger.Debug("googollee: the arguments of an event do not fit its handler", "namespace", s.namespace.name, "event", event, "error", err)
		return
	}
	_ = s.protect("the handler of "+event, func() error {
		results := f.Call(append([]reflect.Value{reflect.ValueOf(s.conn)}, args...))
		if len(results) == 0 || !h.WantsAck() {
			return nil
		}
		values := make([]any, len(results))
		for i, r := range results {
			values[i] = r.Interface()
		}
		data, attachments, err := encode(parser.Ack, values)
		if err != nil {
			logger.Error("googollee: an event was not acknowledged", "namespace", s.namespace.name, "event", event, "error", err)
			return nil
		}
		h.Acknowledge(data, attachments)
		return nil
	})
}

// acknowledged calls the function that waits for a client's acknowledgement.
func (s *socket) acknowledged(h *engine.Handling) {
	if !s.mayHandle(true) || !h.Passes() {
		return
	}
	f := h.Ack.(reflect.Value)
	_ = s.protect("an acknowledgement", func() error {
		args, err := decode(h.Text, h.Attachments, slices.Collect(f.Type().Ins()))
		if err != nil {
			s.namespace.server.logger.Debug("googollee: an acknowledgement does not fit its function", "namespace", s.namespace.name, "error", err)
			return nil
		}
		f.Call(args)
		return nil
	})
}

// mayHandle reports whether an event may be handed to the application: one that
// is open to sockets without a session, or one of a session's, and not before
// the handler that begins the socket has returned. It may be asked of a socket
// that is gone already, for what its client sent before it left.
func (s *socket) mayHandle(open bool) bool {
	var session *socketio.Session
	if g := s.guard(); g != nil {
		session = g.Session()
	}
	if session == nil {
		session = s.current.Load()
	}
	switch {
	case session != nil:
		return session.Wait() || s.welcomed.Load() && errors.Is(context.Cause(session.Context()), socketio.ErrDisconnected)
	case open:
		<-s.connected
		return true
	}
	return false
}

// closed ends the socket for authorization and for broadcasts.
func (s *socket) closed() {
	close(s.gone)
	if g := s.guard(); g != nil {
		g.Closed()
	}
	s.namespace.remove(s)
	if s.isBound() {
		s.conn.closed()
	}
}

// done ends it for the application.
func (s *socket) done(reason string) {
	n := s.namespace
	n.server.tasks.Go(func() {
		s.greeting.Lock()
		defer s.greeting.Unlock()
		if s.greeted && n.onDisconnect != nil {
			_ = s.protect("OnDisconnect", func() error { n.onDisconnect(s.conn, reason); return nil })
		}
	})
}

func (s *socket) isBound() bool {
	select {
	case <-s.bound:
		return true
	default:
		return false
	}
}

func (s *socket) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// protect calls a handler of the application's and makes an error of its panic.
func (s *socket) protect(who string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.namespace.server.logger.Error("googollee: "+who+" panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("googollee: %s panicked: %v", who, r)
		}
	}()
	return f()
}
