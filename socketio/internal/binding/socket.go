package binding

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Socket is what authorization has of one stay. A binding's socket embeds it, and sets
// the first three fields.
type Socket struct {
	Logger     *slog.Logger
	Authorizer *socketio.Authorizer // nil in a public namespace
	Handshake  *verifier.Handshake
	Pass       *socketio.Pass // nil for a guest, and where it authenticates by event
	Stay       *engine.Stay   // set before Admitted

	Current atomic.Pointer[socketio.Session] // the session, also once it has ended
	Guest   atomic.Bool                      // whether it was accepted without a session
	guard   atomic.Pointer[socketio.Guard]

	delivery sync.Mutex // held by Deliver
}

var _ socketio.Liveness = (*Socket)(nil)

//lint:ignore U1000 Handler has it, and sockets that embed a Socket
func (s *Socket) socket() *Socket { return s }

// Guard returns the guard, nil before Attach and in a public namespace.
func (s *Socket) Guard() *socketio.Guard { return s.guard.Load() }

// Attach begins to guard the stay. It opens the gate of a client that has a pass, or is a guest,
// before it returns. It does nothing in a public namespace.
func (s *Socket) Attach(h Handler) {
	if s.Authorizer != nil {
		s.guard.Store(s.Authorizer.Attach(h, s.Handshake, s.Pass))
	}
}

// ID is the client's name for the stay.
func (s *Socket) ID() string { return s.Stay.ID() }

// Authenticate hands an attempt to the guard.
func (s *Socket) Authenticate(data any) { s.Guard().Authenticate(data) }

// Emit sends an event whatever the gate ([socketio.Socket]).
func (s *Socket) Emit(event string, ack func(), args ...any) {
	var acknowledged func([]json.RawMessage)
	if ack != nil {
		acknowledged = func([]json.RawMessage) { ack() }
	}
	s.Report(event, s.Stay.Emit(event, acknowledged, args...))
}

// Alive asks the client for a sign of life ([socketio.Liveness]).
func (s *Socket) Alive(ctx context.Context) bool {
	return !s.Stay.Over() && s.Stay.Session().Alive(ctx)
}

// Report logs that an event was not sent.
func (s *Socket) Report(event string, err error) {
	if err != nil {
		s.Logger.Error("socketio: "+event+" was not sent", "error", err)
	}
}

// End ends the stay in one step, behind the event ([socketio.Socket.Close]). A handshake
// that was good when it was decided, and is no longer, is refused like any other: its
// client never connects.
func (s *Socket) End(reason string, cause error, event string, args ...any) {
	r := &engine.Refusal{Hold: true}
	if u := Refusal(cause); u != nil {
		r.Retryable = u.Retryable
		if s.Pass != nil && s.Stay.Refuse(reason, &engine.Refusal{Error: u, Retryable: u.Retryable, Hold: true}) {
			return
		}
	}
	if event != "" {
		err := s.Stay.EmitAndLeave(reason, r, event, args...)
		if err == nil {
			return
		}
		s.Report(event, err)
	}
	s.Stay.Leave(reason, r)
}

// Refusal is the refusal among the causes of an end, nil if there is none.
func Refusal(cause error) *verifier.UnauthorizedError {
	var u *verifier.UnauthorizedError
	if errors.As(cause, &u) {
		return u
	}
	return nil
}

// Permits asks the rules about an event. A refusal is its acknowledgement, if the client
// wants one, or else "unauthorized".
func (s *Socket) Permits(p *engine.Packet) bool {
	g := s.Guard()
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

// JoinRoom calls enter if the rules, or a room token, allow the stay to join the room.
// Otherwise the client is told, and the error says why not. Call it once Attach has
// returned.
func (s *Socket) JoinRoom(room, token string, enter func()) error {
	if s.Authorizer == nil {
		enter()
		return nil
	}
	g := s.Guard()
	if g == nil {
		return errNotAttached
	}
	err := g.Join(context.Background(), room, token, enter)
	if err != nil {
		g.JoinRefused(room, err)
	}
	return err
}

var errNotAttached = errors.New("socketio: the socket is not guarded yet")

// LeftRoom tells the guard that the stay is no longer in a room, "" for any.
func (s *Socket) LeftRoom(room string) {
	if g := s.Guard(); g != nil {
		g.Left(room)
	}
}

// Deliver sends an event of a broadcast, as [engine.Stay.Send] and SendVolatile do. A
// binding chooses the receivers earlier, and they may have left the room since. So in is
// asked whether the stay is still in one of the broadcast's rooms.
func (s *Socket) Deliver(e *engine.Event, ack any, volatile bool, in func() bool) bool {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	switch {
	case !in():
		return false
	case volatile:
		return s.Stay.SendVolatile(e, ack)
	}
	return s.Stay.Send(e, ack)
}

// ExitRoom calls exit, which takes the stay out of a room. What is sent after it returns
// arrives behind the last broadcast of the room.
func (s *Socket) ExitRoom(exit func()) {
	exit()
	s.delivery.Lock() // behind a Deliver that found the stay in the room
	defer s.delivery.Unlock()
}
