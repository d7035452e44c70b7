package zishang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// library is the server as the engine sees it.
type library Server

var _ engine.Library = (*library)(nil)

// errTokenTooLong is what a client is told whose token did not fit into the message
// that it may send.
var errTokenTooLong = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "jwt malformed", Reason: verifier.ErrTokenTooLong,
}

// Decide asks the authorizer of the namespace.
func (l *library) Decide(ctx context.Context, a *engine.Arrival) engine.Verdict {
	s := (*Server)(l)
	d := s.declaration(a.Namespace)
	if d == nil {
		if a.Namespace == "/" && (a.Session == nil || a.Session.Protocol() == 3) {
			return engine.Admit(engine.Pending, nil) // clients 1.x and 2.x are always in the root
		}
		return engine.Unknown()
	}
	g := newGuarded(s, d, a)
	if err := s.recoverable(d); err != nil {
		s.logger.Error("zishang: every socket is refused", "namespace", a.Namespace, "error", err)
		return refuse(misconfigured(err))
	}
	if d.authorizer == nil {
		return engine.Admit(engine.Open, g)
	}
	var err error
	if g.pass, err = d.authorizer.Admit(ctx, g.handshake); err != nil {
		return refuse(verifier.AsUnauthorized(err))
	}
	return engine.Admit(engine.Pending, g) // the guard opens it
}

func refuse(u *verifier.UnauthorizedError) engine.Verdict {
	return engine.Refuse(&engine.Refusal{Error: u, Retryable: u.Retryable, Tell: u.Nonce != "", Hold: true})
}

// misconfigured refuses a socket for what is to be changed in the program.
func misconfigured(err error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{Message: "internal server error", Code: "internal_error", Reason: socketio.ErrServer, Err: err}
}

// handshake is what a client presents to a namespace: the connection's request, with
// the query and the payload of its CONNECT packet.
func handshake(a *engine.Arrival) (h *verifier.Handshake, auth map[string]any) {
	h = verifier.HandshakeFromRequest(a.Request)
	h.Namespace = a.Namespace
	maps.Copy(h.Query, a.Query)
	switch {
	case a.TooLarge:
		h.Auth = errTokenTooLong
	case a.Auth != nil:
		_ = json.Unmarshal(a.Auth, &h.Auth) // the engine has checked that it is an object
		auth, _ = h.Auth.(map[string]any)
	}
	return h, auth
}

// Admitted guards a socket, and has the library make one of its own.
func (l *library) Admitted(st *engine.Stay) {
	g, _ := st.Value().(*guarded)
	if g == nil { // a root that is not declared
		st.Accept("", "")
		return
	}
	g.stay = st
	g.attach()
	g.join(connID(st))
}

// connID returns the id of a connection for the library, which names the sockets of
// clients 1.x and 2.x by it. A client's second stay in a namespace must not have the
// name of its first: what is broadcast to the rooms of one would reach the other.
func connID(st *engine.Stay) string {
	s := st.Session()
	if s.Protocol() != 3 || st.Namespace() == "/" {
		return s.ID()
	}
	visits, _ := s.Value().(map[string]int)
	if visits == nil {
		visits = make(map[string]int)
		s.SetValue(visits)
	}
	visits[st.Namespace()]++
	if n := visits[st.Namespace()]; n > 1 {
		return fmt.Sprint(s.ID(), ".", n)
	}
	return s.ID()
}

// Authenticate hands an "authenticate" event to the guard.
func (l *library) Authenticate(st *engine.Stay, args []json.RawMessage, tooLarge bool) {
	g, _ := st.Value().(*guarded)
	if g == nil || g.guard.Load() == nil {
		return
	}
	var data any
	switch {
	case tooLarge:
		data = errTokenTooLong
	case len(args) > 0 && json.Unmarshal(args[0], &data) != nil:
		data = nil // refused like an event without an argument
	}
	g.authenticate(data)
}

// Packet hands a packet to the library.
func (l *library) Packet(st *engine.Stay, p *engine.Packet) {
	if g, _ := st.Value().(*guarded); g != nil {
		g.packet(p)
	}
}

// Left ends a socket, and Done has the library forget it, when it has all that came
// before.
func (l *library) Left(st *engine.Stay, reason string) {
	if g, _ := st.Value().(*guarded); g != nil {
		g.over(reason)
	}
}

func (l *library) Done(st *engine.Stay, reason string) {
	if g, _ := st.Value().(*guarded); g != nil {
		g.done(reason)
	}
}

// Closed has nothing to do: a connection is nothing but its sockets.
func (l *library) Closed(*engine.Session, string) {}

var errOther = errors.New("zishang: another middleware refused the socket")
