package socketio

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The bounds for functions that ignore their context: how long one may still run after
// the context's end, and how many may hang before the server refuses tokens without a
// look.
const (
	checkGrace = time.Second
	maxHanging = 1000
)

var errHanging = &verifier.UnauthorizedError{
	Code: verifier.CodeUnknown, Message: "the server is busy, try again later", Reason: ErrTimeout, Retryable: true,
	Err: errors.New("too many calls of the authenticator and User have not returned, though their context ended"),
}

// verdict is the result of a check: a pass or a refusal.
type verdict struct {
	pass *Pass
	err  *verifier.UnauthorizedError
}

// check authenticates the handshake and maps the user. It returns soon after ctx ends,
// even if a function of the application does not.
func (a *Authorizer) check(ctx context.Context, h *verifier.Handshake) (*Pass, *verifier.UnauthorizedError) {
	if unreadable, ok := h.Auth.(*verifier.UnauthorizedError); ok && unreadable != nil {
		return nil, a.shown(unreadable)
	}
	if a.hanging.Load() >= maxHanging {
		return nil, a.shown(errHanging)
	}
	v, returned := bounded(a, ctx, func() verdict {
		p, err := a.decide(ctx, h)
		return verdict{p, err}
	})
	switch {
	case !returned:
		a.logger.Error("socketio: the authenticator or User ignores its context", "remote", h.RemoteAddr, "hanging", a.hanging.Load())
		return nil, a.shown(outOfTime(context.Cause(ctx)))
	case v == verdict{}: // runtime.Goexit
		return nil, serverError(errors.New("the authenticator or User ended its goroutine"))
	}
	return v.pass, v.err
}

// bounded calls f in a separate goroutine and returns its result. If f has not returned
// a grace period after ctx ended, bounded returns false, and counts f as hanging.
func bounded[T any](a *Authorizer, ctx context.Context, f func() T) (v T, returned bool) {
	done := make(chan T, 1)
	var abandoned atomic.Bool // set by the first of f and the caller
	go func() {
		var v T
		defer func() {
			if done <- v; abandoned.Swap(true) {
				a.hanging.Add(-1)
			}
		}()
		v = f()
	}()
	select {
	case v := <-done:
		return v, true
	case <-ctx.Done():
	}
	grace := time.NewTimer(checkGrace)
	defer grace.Stop()
	select {
	case v := <-done:
		return v, true
	case <-grace.C:
	}
	a.hanging.Add(1)
	if abandoned.Swap(true) { // it has returned at the last moment
		a.hanging.Add(-1)
		return <-done, true
	}
	return v, false
}

// decide is check without a time limit. It recovers the panics of the application's
// functions.
func (a *Authorizer) decide(ctx context.Context, h *verifier.Handshake) (*Pass, *verifier.UnauthorizedError) {
	address := ""
	if a.failures != nil {
		if err := a.guarded("ClientAddress", func() { address = a.clientAddress(h) }); err != nil {
			return nil, a.shown(err)
		}
		if !a.failures.allow(address) {
			return nil, a.shown(errTooManyFailures)
		}
	}
	p := &Pass{rules: &a.sessionRules, received: time.Now()}
	var err error
	refusal := a.guarded("the authenticator", func() { err = a.authenticate(ctx, h, p) })
	switch {
	case refusal != nil:
	case err == nil:
		return p, nil
	default:
		refusal = refusalOf(err)
	}
	if ctx.Err() != nil && errors.Is(refusal, context.DeadlineExceeded) && errors.Is(refusal, verifier.ErrRejected) {
		refusal = outOfTime(refusal)
	}
	if a.failures != nil {
		a.failures.failed(address, refusal.Reason)
	}
	return nil, a.shown(refusal)
}

// authenticate fills in the pass: the token of the handshake, and the user value.
func (a *Authorizer) authenticate(ctx context.Context, h *verifier.Handshake, p *Pass) (err error) {
	if p.token, err = a.auth.Authenticate(ctx, h); err != nil {
		if panic := (*verifier.PanicError)(nil); errors.As(err, &panic) && panic != nil {
			a.logger.Error("socketio: a function of the authenticator panicked", "panic", panic.Value, "stack", string(panic.Stack))
		}
		return err
	}
	if p.token == nil {
		return errors.New("socketio: the authenticator returned neither a token nor an error")
	}
	// Before User: the application need not look up the user of a revoked token.
	if refused := a.registry.refuses(p.token); refused != nil {
		return refused
	}
	if a.user != nil {
		p.user, err = a.user(ctx, p.token, h)
	}
	return err
}

// shown returns a refusal in the words that the client may see.
func (a *Authorizer) shown(err *verifier.UnauthorizedError) *verifier.UnauthorizedError {
	if a.neutral {
		return neutral(err)
	}
	return err
}

func unobserved(*Pass, *verifier.UnauthorizedError) {}

// verifying calls Verifying of the observers, and returns the function that calls what
// they returned.
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
