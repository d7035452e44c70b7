package socketio

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsA4A5MayInherit: who inherits the state of an ended session is decided as
// for a renewal, and the registry knows of the old token.
func TestFaultsA4A5MayInherit(t *testing.T) {
	token := func(claims string) *verifier.Token {
		v, err := verifier.NewOpaque(verifier.IntrospectorFunc(func(_ context.Context, _ string) ([]byte, error) {
			return []byte(claims), nil
		}), verifier.IgnoreConfirmation())
		if err != nil {
			t.Fatal(err)
		}
		found, err := v.Authenticate(t.Context(), &verifier.Handshake{Auth: map[string]any{"token": "t"}})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	org := SameIdentity(func(old, renewed *verifier.Token) bool {
		var a, b struct {
			Org string `json:"org"`
		}
		return old.Claims(&a) == nil && renewed.Claims(&b) == nil && a.Org == b.Org
	})
	const ada = `{"active":true,"iss":"i","sub":"ada","org":"red","sid":"s1","jti":"j1","iat":1000000000}`
	tests := []struct {
		name    string
		old     string
		options []Option
		revoked Revocation
		token   string
		want    error
	}{
		{"the same user", ada, nil, Revocation{}, `{"active":true,"iss":"i","sub":"ada","jti":"j2"}`, nil},
		{"another user", ada, nil, Revocation{}, `{"active":true,"iss":"i","sub":"bob"}`, ErrIdentityMismatch},
		{"another issuer", ada, nil, Revocation{}, `{"active":true,"iss":"j","sub":"ada"}`, ErrIdentityMismatch},
		{"another key", ada, nil, Revocation{}, `{"active":true,"iss":"i","sub":"ada","cnf":{"jkt":"k"}}`, ErrIdentityMismatch},
		{"another certificate", `{"active":true,"iss":"i","sub":"ada","cnf":{"x5t#S256":"c"}}`, nil, Revocation{}, `{"active":true,"iss":"i","sub":"ada","cnf":{"x5t#S256":"d"}}`, ErrIdentityMismatch},
		{"the same tenant", ada, []Option{org}, Revocation{}, `{"active":true,"iss":"i","sub":"ada","org":"red"}`, nil},
		{"another tenant", ada, []Option{org}, Revocation{}, `{"active":true,"iss":"i","sub":"ada","org":"blue"}`, ErrIdentityMismatch},
		{"no subject", `{"active":true,"iss":"i"}`, nil, Revocation{}, `{"active":true,"iss":"i"}`, ErrIdentityMismatch},
		{"the user was revoked", ada, nil, Revocation{Subject: "ada"}, `{"active":true,"iss":"i","sub":"ada"}`, ErrTokenRevoked},
		{"the issuer's session was revoked", ada, nil, Revocation{SessionID: "s1"}, `{"active":true,"iss":"i","sub":"ada","sid":"s2"}`, ErrTokenRevoked},
		{"the token was revoked", ada, nil, Revocation{TokenID: "j1"}, `{"active":true,"iss":"i","sub":"ada","jti":"j2"}`, ErrTokenRevoked},
		{"older tokens were revoked", ada, nil, Revocation{Subject: "ada", IssuedBefore: time.Unix(1_000_000_001, 0)}, `{"active":true,"iss":"i","sub":"ada","iat":1000000002}`, ErrTokenRevoked},
		{"even older tokens were revoked", ada, nil, Revocation{Subject: "ada", IssuedBefore: time.Unix(1_000_000_000, 0)}, `{"active":true,"iss":"i","sub":"ada","iat":1000000002}`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := New(AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) { return nil, nil }), test.options...)
			if err != nil {
				t.Fatal(err)
			}
			old := token(test.old)
			recorded, err := verifier.TokenFromRecord(old.Record())
			if err != nil {
				t.Fatal(err)
			}
			if test.revoked != (Revocation{}) {
				if err := a.Registry().Revoke(t.Context(), test.revoked); err != nil {
					t.Fatal(err)
				}
			}
			for name, old := range map[string]*verifier.Token{"the token": old, "its record": recorded} {
				if err := a.MayInherit(old, token(test.token)); test.want == nil && err != nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("%s: got %v, want %v", name, err, test.want)
				}
			}
		})
	}
}
