package socketio

import (
	"context"
	"errors"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Observer is told what an [Authorizer] decides and what becomes of its
// sessions, for metrics and traces: packages promsocketio and otelsocketio have
// one each. Its functions, any of which may be nil, are called from many
// goroutines at once, for one socket in order and one at a time, and under no lock:
// one that blocks or calls back into this package holds up its own socket at most.
// What is handed to them must not be changed. A handshake is without its credentials
// once the socket has authenticated ([Session.Handshake]).
type Observer struct {
	// Verifying is called when a handshake is about to be decided on, or, where
	// h.InBand is set, the token of an "authenticate" event. A token that is to
	// renew a session comes with the one it would replace; otherwise old is
	// nil. The verification runs in the context that is returned, which must be
	// made of ctx, and decided is called at its end: with the token that was
	// accepted, with the refusal, or for a guest with neither. For a token by
	// event that is after Began or Renewed, which are a part of it.
	Verifying func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (_ context.Context, decided func(*verifier.Token, *verifier.UnauthorizedError))

	// Began, Renewed and Ended are called for each session in the order in
	// which that happens, with the token that it has from then on, or had. The
	// cause of its end is [ErrDisconnected] or an [*verifier.UnauthorizedError].
	Began   func(h *verifier.Handshake, t *verifier.Token)
	Renewed func(h *verifier.Handshake, t *verifier.Token)
	Ended   func(h *verifier.Handshake, t *verifier.Token, lasted time.Duration, cause error)

	// Dropped is called when a socket that has no session is disconnected by
	// authorization, [ErrTimeout] and [ErrTooManyPending] above all. A refused
	// handshake makes no socket, and is known from Verifying.
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

func unobserved(*Pass, *verifier.UnauthorizedError) {}

// verifying tells the observers that a verification begins, and returns what
// tells them how it ended.
func (a *Authorizer) verifying(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*Pass, *verifier.UnauthorizedError)) {
	if len(a.observers) == 0 {
		return ctx, unobserved
	}
	var all []func(*verifier.Token, *verifier.UnauthorizedError)
	for _, o := range a.observers {
		if o.Verifying == nil {
			continue
		}
		a.guarded("an Observer", func() {
			within, decided := o.Verifying(ctx, h, old)
			if within != nil {
				ctx = within
			}
			if decided != nil {
				all = append(all, decided)
			}
		})
	}
	return ctx, func(p *Pass, err *verifier.UnauthorizedError) {
		var t *verifier.Token
		if err == nil && p != nil {
			t = p.token
		}
		for _, decided := range all {
			a.guarded("an Observer", func() { decided(t, err) })
		}
	}
}
