package googollee

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// library is the server as the engine sees it.
type library Server

var _ engine.Library = (*library)(nil)

// errTokenTooLong is what a client is told whose token did not fit into the
// message that it may send.
var errTokenTooLong = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "jwt malformed", Reason: verifier.ErrTokenTooLong,
}

// Decide asks the guard of the namespace. What it decides about becomes a socket,
// which keeps the handshake and the pass.
func (l *library) Decide(ctx context.Context, a *engine.Arrival) engine.Verdict {
	s := (*Server)(l)
	n := s.namespace(a.Namespace)
	if n == nil {
		if a.Namespace == "/" && (a.Session == nil || a.Session.Protocol() == 3) {
			return engine.Admit(engine.Pending, nil) // clients 1.x and 2.x are always in the root
		}
		return engine.Unknown()
	}
	so := newSocket(n, handshake(a))
	if n.auth == nil {
		return engine.Admit(engine.Open, so)
	}
	var err error
	if so.pass, err = n.auth.Admit(ctx, so.handshake); err != nil {
		u := verifier.AsUnauthorized(err)
		return engine.Refuse(&engine.Refusal{Error: u, Retryable: u.Retryable, Tell: u.Nonce != "", Hold: true})
	}
	return engine.Admit(engine.Pending, so) // the guard opens it
}

// handshake is what a client presents to a namespace: the connection's request,
// with the query and the payload of its CONNECT packet.
func handshake(a *engine.Arrival) *verifier.Handshake {
	h := verifier.HandshakeFromRequest(a.Request)
	h.Namespace = a.Namespace
	maps.Copy(h.Query, a.Query)
	switch {
	case a.TooLarge:
		h.Auth = errTokenTooLong
	case a.Auth != nil:
		_ = json.Unmarshal(a.Auth, &h.Auth) // the engine has checked that it is JSON
	}
	return h
}

// Admitted begins a socket.
func (l *library) Admitted(st *engine.Stay) {
	so, _ := st.Value().(*socket)
	if so == nil { // a root that is neither guarded nor public
		st.Accept("", "")
		return
	}
	so.begin(st)
}

// Authenticate hands an "authenticate" event to the guard.
func (l *library) Authenticate(st *engine.Stay, args []json.RawMessage, tooLarge bool) {
	so, _ := st.Value().(*socket)
	if so == nil || so.guard() == nil {
		return
	}
	var data any
	switch {
	case tooLarge:
		data = errTokenTooLong
	case len(args) > 0 && json.Unmarshal(args[0], &data) != nil:
		data = nil // refused like an event without an argument
	}
	so.guard().Authenticate(data)
}

// Packet calls the application's handler of an event, or of an acknowledgement.
func (l *library) Packet(st *engine.Stay, p *engine.Packet) {
	so, _ := st.Value().(*socket)
	switch {
	case so == nil:
	case p.Ack != nil:
		so.acknowledged(p)
	case !p.IsAck:
		so.handle(p)
	}
}

// Left ends a socket, and Done tells the application, when the last event that
// came before has been handled.
func (l *library) Left(st *engine.Stay, _ string) {
	if so, _ := st.Value().(*socket); so != nil {
		so.left()
	}
}

func (l *library) Done(st *engine.Stay, reason string) {
	if so, _ := st.Value().(*socket); so != nil {
		so.done(reason)
	}
}

// Closed has nothing to do: a connection is nothing but its sockets.
func (l *library) Closed(*engine.Session, string) {}

var _ socketio.Socket = (*socket)(nil)
