package socketio

import (
	"context"
	"errors"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Observer receives the decisions of an [Authorizer] and the events of its sessions, for
// metrics and traces. Packages promsocketio and otelsocketio contain one each. Any of
// its functions may be nil. They are called from many goroutines at once, except for one
// socket in order and one at a time, and under no lock: a function that blocks, or that
// calls this package, delays only its own socket. Do not change the arguments. A
// handshake contains no credentials once the socket has authenticated
// ([Session.Handshake]).
type Observer struct {
	// Verifying is called before a handshake is decided, or the token of an "authenticate"
	// event (h.InBand is set). old is the token that the new one would replace; it is nil
	// unless the token renews a session. The verification runs in the context that Verifying
	// returns, which must be derived from ctx. decided is called at its end, with the
	// accepted token or the refusal; for a guest both are nil. For a token by event that is
	// after Began or Renewed.
	Verifying func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (_ context.Context, decided func(*verifier.Token, *verifier.UnauthorizedError))

	// Began, Renewed and Ended are called in this order for each session, with the token in
	// force from then on, or until then. The cause of the end is [ErrDisconnected] or an
	// [*verifier.UnauthorizedError].
	Began   func(h *verifier.Handshake, t *verifier.Token)
	Renewed func(h *verifier.Handshake, t *verifier.Token)
	Ended   func(h *verifier.Handshake, t *verifier.Token, lasted time.Duration, cause error)

	// Dropped is called when authorization disconnects a socket without a session, mostly
	// for [ErrTimeout] or [ErrTooManyPending]. A refused handshake makes no socket;
	// Verifying reports it.
	Dropped func(h *verifier.Handshake, err *verifier.UnauthorizedError)
}

// Observe adds an observer.
func Observe(o Observer) Option {
	return func(c *config) error {
		if o.Verifying == nil && o.Began == nil && o.Renewed == nil && o.Ended == nil && o.Dropped == nil {
			return errors.New("socketio: Observe: the observer has no function")
		}
		c.observers = append(c.observers, o)
		return nil
	}
}
