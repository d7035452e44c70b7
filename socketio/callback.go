package socketio

import (
	"fmt"
	"runtime/debug"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// guarded calls f and converts its panic to a refusal. The caller holds no lock.
func (a *Authorizer) guarded(who string, f func()) (refusal *verifier.UnauthorizedError) {
	defer func() {
		if r := recover(); r != nil {
			refusal = a.panicked(who, r)
		}
	}()
	f()
	return nil
}

// panicked logs a panic of a function of the application and returns the refusal for it.
// It ignores a logger that panics as well.
func (a *Authorizer) panicked(who string, r any) (refusal *verifier.UnauthorizedError) {
	defer func() { _ = recover() }()
	refusal = serverError(fmt.Errorf("%s panicked: %v", who, r))
	a.logger.Error("socketio: "+who+" panicked", "panic", r, "stack", string(debug.Stack()))
	return refusal
}
