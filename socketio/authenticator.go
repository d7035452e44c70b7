package socketio

import (
	"context"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Authenticator decides about a handshake. A *[verifier.Verifier] is one.
//
// The client gets the code, message and reason of an [*verifier.UnauthorizedError]. If the
// error is another one, it learns only that the server refused it. Authenticate should return soon after ctx
// ends, and must be safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error)
}

// AuthenticatorFunc turns a function into an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	return f(ctx, h)
}

var _ Authenticator = (*verifier.Verifier)(nil)
