package socketio_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestRenewalKeepsTheKey: the key a token is bound to (RFC 7800) is part of whose
// it is. A renewal may neither change nor drop it, nor bind what was not bound.
func TestRenewalKeepsTheKey(t *testing.T) {
	const mismatch = "emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"
	// A token is named by its confirmation: "jkt=a" is bound to the key a.
	bound := socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		raw, err := verifier.DefaultExtractor().Extract(ctx, h)
		if err != nil {
			return nil, err
		}
		claims := verifiertest.Claims{"iss": "issuer", "sub": "alice"}
		switch raw {
		case "jkt=a", "jkt=b":
			claims["cnf"] = map[string]any{"jkt": raw[4:]}
		case "x5t=a", "x5t=b":
			claims["cnf"] = map[string]any{"x5t#S256": raw[4:]}
		}
		return verifiertest.VerifiedToken(claims), nil
	})
	for _, test := range []struct{ first, then, want string }{
		{"jkt=a", "jkt=a", renewed},
		{"jkt=a", "jkt=b", mismatch},
		{"jkt=a", "x5t=a", mismatch},
		{"jkt=a", "bearer", mismatch},
		{"bearer", "jkt=a", mismatch},
		{"bearer", "bearer", renewed},
		{"x5t=a", "x5t=a", renewed},
		{"x5t=a", "x5t=b", mismatch},
		{"x5t=a", "bearer", mismatch},
	} {
		t.Run(test.first+" then "+test.then, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, err := socketio.New(bound, socketio.WithLogger(slog.New(slog.DiscardHandler)))
				if err != nil {
					t.Fatal(err)
				}
				g, s := join(t, a, test.first)
				defer g.Closed()
				g.Authenticate(token(test.then))
				synctest.Wait()
				s.want(t, test.want)
			})
		})
	}
}
