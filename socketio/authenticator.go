package socketio

import (
	"context"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Authenticator decides about a handshake. A *[verifier.Verifier] is one.
//
// An [*verifier.UnauthorizedError] is passed to the client as it is; of any
// other error the client learns only that the server rejected it. Authenticate
// should return soon after ctx ends; it is called from many goroutines at once.
type Authenticator interface {
	Authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error)
}

// AuthenticatorFunc makes a function an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	return f(ctx, h)
}

var _ Authenticator = (*verifier.Verifier)(nil)
