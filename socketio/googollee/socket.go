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
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// socket is one stay of a client's in one namespace: what was decided about it,
// its guard, its session, its rooms and what the application knows of it. It is
// the view of it that authorization has ([socketio.Socket]).
type socket struct {
	namespace *Namespace
	handshake *verifier.Handshake
	pass      *socketio.Pass // nil for a guest, and where it authenticates by event
	stay      *engine.Stay   // set by begin
	arrived   time.Time
	conn      Conn

	guarding atomic.Pointer[socketio.Guard]   // nil in a public namespace
	current  atomic.Pointer[socketio.Session] // the session, also once it has ended
	let      atomic.Bool                      // whether it was let in as a guest
	welcomed atomic.Bool                      // whether OnAuthenticated has returned and it may stay

	connected chan struct{} // closed when OnConnect has returned, where it is due

	mu       sync.Mutex // guards the rest
	over     bool       // no handler begins any more
	running  int        // handlers that begin the socket: OnConnect and OnAuthenticated
	greeted  bool       // whether one has run
	farewell func()     // runs when none does

	id    string              // its ID while it is in the namespace; guarded by the namespace's mutex
	rooms map[string]struct{} // the same
}

func newSocket(n *Namespace, h *verifier.Handshake) *socket {
	s := &socket{namespace: n, handshake: h, arrived: time.Now(), connected: make(chan struct{})}
	s.conn.socket = s
	return s
}

// begin guards the socket and answers its client.
func (s *socket) begin(st *engine.Stay) {
	s.stay = st
	n := s.namespace
	n.add(s)
	if n.auth != nil {
		s.guarding.Store(n.auth.Attach(s, s.handshake, s.pass))
		if s.pass != nil && s.guard().Session() == nil {
			close(s.connected)
			return // what was good is no longer: Close follows, and refuses it
		}
	}
	if n.onConnect == nil || n.auth != nil && !s.let.Load() || !s.start() {
		close(s.connected)
	} else {
		n.server.tasks.Go(func() {
			defer s.finish()
			defer close(s.connected)
			if err := s.protect("OnConnect", func() error { return n.onConnect(&s.conn) }); err != nil {
				s.disconnect()
			}
		})
	}
	st.Accept("", "")
}

func (s *socket) guard() *socketio.Guard { return s.guarding.Load() }

// ID is the client's name for the stay.
func (s *socket) ID() string { return s.stay.ID() }

// Emit sends an event whatever the gate.
func (s *socket) Emit(event string, ack func(), args ...any) {
	var acknowledged func([]json.RawMessage)
	if ack != nil {
		acknowledged = func([]json.RawMessage) { ack() }
	}
	if err := s.stay.Emit(event, acknowledged, args...); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
	}
}

// Open opens the gate, behind the event.
func (s *socket) Open(event string) {
	if event == "" {
		gate := engine.Open
		if s.pass == nil {
			gate = engine.Guest
			s.let.Store(true)
		}
		s.stay.SetGate(gate)
		return
	}
	if err := s.stay.EmitAndSetGate(engine.Open, event); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
	}
}

// serverDisconnect is the reason where the application disconnected the socket.
const serverDisconnect = "server disconnect"

// Close ends the socket at once, behind the event. The reason that OnDisconnect
// is given is the word that the client was given too.
func (s *socket) Close(cause error, event string, args ...any) {
	reason := serverDisconnect
	r := &engine.Refusal{Hold: true}
	var u *verifier.UnauthorizedError
	if errors.As(cause, &u) && u != nil {
		reason, r.Retryable = string(u.Reason), u.Retryable
		// A handshake that was good when it was decided, and is no longer, is
		// refused like any other: its client never connects.
		if s.pass != nil && s.stay.Refuse(reason, &engine.Refusal{Error: u, Retryable: u.Retryable, Hold: true}) {
			return
		}
	}
	if event == "" {
		s.stay.Leave(reason, r)
		return
	}
	if err := s.stay.EmitAndLeave(reason, r, event, args...); err != nil {
		s.namespace.server.logger.Error("googollee: "+event+" was not sent", "error", err)
		s.stay.Leave(reason, r)
	}
}

// disconnect ends the socket for the application.
func (s *socket) disconnect() { s.stay.Leave(serverDisconnect, nil) }

// Authenticated runs the application's handler of a new session.
func (s *socket) Authenticated(session *socketio.Session) error {
	s.current.Store(session)
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

// start notes that a handler that begins the socket runs, unless the socket is
// over; finish notes that it has returned. OnDisconnect waits for them.
func (s *socket) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.running++
	s.greeted = true
	return true
}

func (s *socket) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.running == 0 && s.farewell != nil {
		s.namespace.server.tasks.Go(s.farewell)
	}
}

// handle calls the handler of an event with what the client sent.
func (s *socket) handle(p *engine.Packet) {
	h := s.namespace.handler(p.Event)
	if h == nil || !s.mayHandle(h.open) || !p.Passes() || !s.permits(p) {
		return
	}
	logger := s.namespace.server.logger
	args, err := decode(p.Text(), p.Attachments, h.types)
	if err != nil {
		logger.Debug("googollee: the arguments of an event do not fit its handler", "namespace", s.namespace.name, "event", p.Event, "error", err)
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
	if a, ok := p.Ack.(*broadcastAck); ok {
		a.acknowledged(p)
		return
	}
	f := p.Ack.(reflect.Value)
	_ = s.protect("an acknowledgement", func() error {
		args, err := decode(p.Text(), p.Attachments, slices.Collect(f.Type().Ins()))
		if err != nil {
			s.namespace.server.logger.Debug("googollee: an acknowledgement does not fit its function", "namespace", s.namespace.name, "error", err)
			return nil
		}
		f.Call(args)
		return nil
	})
}

// permits asks the rules about an event. A refusal is its acknowledgement, if the client
// wants one.
func (s *socket) permits(p *engine.Packet) bool {
	g := s.guard()
	if g == nil {
		return true
	}
	if !p.WantsAck {
		return g.Permit(p.Event, nil)
	}
	return g.Permit(p.Event, func(answer any) {
		if data, err := json.Marshal([]any{answer}); err == nil {
			p.Acknowledge(data, nil)
		}
	})
}

// join puts the socket into a room, if the rules or a room token allow it. The client
// is told if they do not.
func (s *socket) join(room, token string) error {
	enter := func() { s.namespace.joinRoom(room, s) }
	if s.namespace.auth == nil {
		enter()
		return nil
	}
	g := s.guard()
	if g == nil {
		<-s.connected // it is being guarded
		g = s.guard()
	}
	err := g.Join(context.Background(), room, token, enter)
	if err != nil {
		g.JoinRefused(room, err)
	}
	return err
}

// LeaveRoom takes the socket out of a room, for the guard ([socketio.RoomLeaver]).
func (s *socket) LeaveRoom(room string) { s.namespace.leaveRoom(room, s) }

// leftRooms tells the guard that the socket is no longer in a room, "" for any.
func (s *socket) leftRooms(room string) {
	if g := s.guard(); g != nil {
		g.Left(room)
	}
}

// mayHandle reports whether an event may be handed to the application: one that
// is open to sockets without a session, or one of a session's, and not before
// the handler that begins the socket has returned. It may be asked of a socket
// that is over, for what its client sent before it left.
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

// left ends the socket for authorization and for broadcasts.
func (s *socket) left() {
	s.namespace.remove(s)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	if g := s.guard(); g != nil {
		g.Closed()
		tasks := &s.namespace.server.tasks
		tasks.Add(1)
		g.Notified(tasks.Done) // Shutdown waits for the functions of OnFailure too
	}
}

// done ends it for the application, when no handler that begins it runs.
func (s *socket) done(reason string) {
	n := s.namespace
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.greeted || n.onDisconnect == nil {
		return
	}
	s.farewell = func() {
		_ = s.protect("OnDisconnect", func() error { n.onDisconnect(&s.conn, reason); return nil })
	}
	if s.running == 0 {
		n.server.tasks.Go(s.farewell)
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
