// Package binding is what the bindings to server libraries have in common: how the
// engine's questions reach the authorizer of a namespace, and the authorizer's decisions
// the engine.
//
// A binding makes a [Library] for its server, and for each stay a socket that embeds a
// [Socket]. The engine owns transports, packets and gates; what is left to
// the binding is to call its library's handlers.
package binding

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/tasks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Library is a server library as the engine sees it ([engine.Library]).
type Library struct {
	// Enter makes the handler of a client that asks to enter a namespace, with a
	// [Socket] that names the namespace's authorizer. Nil says that the
	// namespace does not exist; an error refuses the client.
	Enter func(a *engine.Arrival, h *verifier.Handshake) (Handler, error)

	// Tasks are the goroutines of the application's that Shutdown waits for.
	Tasks tasks.Group
}

var (
	_ engine.Library = (*Library)(nil)
	_ engine.Taker   = (*Library)(nil)
)

// Handler is a binding's part of one stay. It embeds a [Socket]; the other methods are
// those of [engine.Library].
type Handler interface {
	socketio.Socket
	socket() *Socket
	Admitted()
	Authenticate(data any)
	Packet(p *engine.Packet)
	Left(reason string)
	Done(reason string)
}

// errTokenTooLong is what a client is told whose token did not fit into the message that
// it may send.
var errTokenTooLong = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "jwt malformed", Reason: verifier.ErrTokenTooLong,
}

// Decide asks the authorizer of the namespace.
func (l *Library) Decide(ctx context.Context, a *engine.Arrival) engine.Verdict {
	h, err := l.Enter(a, handshake(a))
	switch {
	case err != nil:
		return refuse(err)
	case h != nil:
	case a.Namespace == "/" && (a.Session == nil || a.Session.Protocol() == 3):
		return engine.Bare() // clients 1.x and 2.x are always in the root
	default:
		return engine.Unknown()
	}
	s := h.socket()
	if s.Authorizer == nil {
		return engine.Admit(engine.Open, h)
	}
	if s.Pass, err = s.Authorizer.Admit(ctx, s.Handshake); err != nil {
		return refuse(err)
	}
	return engine.Admit(engine.Pending, h) // the guard opens it
}

func refuse(err error) engine.Verdict {
	u := verifier.AsUnauthorized(err)
	return engine.Refuse(&engine.Refusal{Error: u, Retryable: u.Retryable, Tell: u.Nonce != "", Hold: true})
}

// Misconfigured refuses a socket because of a mistake in the program.
func Misconfigured(err error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{Message: "internal server error", Code: "internal_error", Reason: socketio.ErrServer, Err: err}
}

// handshake is what a client presents to a namespace: the connection's request, with
// the query and the payload of its CONNECT packet.
func handshake(a *engine.Arrival) *verifier.Handshake {
	h := verifier.HandshakeFromRequest(a.Request)
	h.Namespace = a.Namespace
	maps.Copy(h.Query, a.Query)
	switch {
	case a.TooLarge:
		h.Auth = errTokenTooLong
	case a.Auth != nil:
		_ = json.Unmarshal(a.Auth, &h.Auth) // the engine has checked that it is an object
	}
	return h
}

// Admitted begins a socket.
func (l *Library) Admitted(st *engine.Stay) {
	h, _ := st.Value().(Handler)
	if h == nil { // a root that is not declared
		st.Accept("", "")
		return
	}
	h.socket().Stay = st
	h.Admitted()
}

// Authenticate hands an "authenticate" event to the guard.
func (l *Library) Authenticate(st *engine.Stay, args []json.RawMessage, tooLarge bool) {
	h, _ := st.Value().(Handler)
	if h == nil || h.socket().Guard() == nil {
		return
	}
	var data any
	switch {
	case tooLarge:
		data = errTokenTooLong
	case len(args) > 0 && json.Unmarshal(args[0], &data) != nil:
		data = nil // refused like an event without an argument
	}
	h.Authenticate(data)
}

// Packet hands on an event or an acknowledgement.
func (l *Library) Packet(st *engine.Stay, p *engine.Packet) {
	if h, _ := st.Value().(Handler); h != nil {
		h.Packet(p)
	}
}

// Take hands on what a handler takes without waiting ([engine.Taker]).
func (l *Library) Take(st *engine.Stay, p *engine.Packet) bool {
	h, ok := st.Value().(interface{ Take(*engine.Packet) bool })
	return ok && h.Take(p)
}

// Left ends a socket for authorization. Shutdown waits for the functions of OnFailure.
func (l *Library) Left(st *engine.Stay, reason string) {
	h, _ := st.Value().(Handler)
	if h == nil {
		return
	}
	g := h.socket().Guard()
	if g != nil {
		l.Tasks.Add()
		defer g.Notified(l.Tasks.Done)
	}
	h.Left(reason)
}

// Done ends a socket, when the last packet that came before has been handled.
func (l *Library) Done(st *engine.Stay, reason string) {
	if h, _ := st.Value().(Handler); h != nil {
		h.Done(reason)
	}
}

// Closed does nothing: a connection consists only of its sockets.
func (l *Library) Closed(*engine.Session, string) {}

// Wait waits until no task runs, or ctx ends.
func (l *Library) Wait(ctx context.Context) error {
	if err := l.Tasks.Wait(ctx); err != nil {
		return fmt.Errorf("handlers are still running: %w", err)
	}
	return nil
}

// Close calls shutdown with a limit of twenty seconds, in which every client has been
// told or cut off.
func Close(shutdown func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return shutdown(ctx)
}

// aroundToken is what surrounds a token in its message, in bytes: names, and a proof of
// possession.
const aroundToken = 2 << 10

// CheckTokenLimit reports an authenticator that reads longer tokens than fit into the
// first message of a client. option is what sets the limit.
func CheckTokenLimit(auth socketio.Authenticator, limit int, option string) error {
	v, ok := auth.(interface{ TokenLimit() int })
	if !ok || v.TokenLimit()+aroundToken <= limit {
		return nil
	}
	return fmt.Errorf("the authenticator reads tokens of up to %d bytes, but %s is %d: expected at least %d",
		v.TokenLimit(), option, limit, v.TokenLimit()+aroundToken)
}
