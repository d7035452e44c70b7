package interop

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// keyRows are the forms that the original's secret could have.
func keyRows() []behaviour {
	const payload = `{"sub":"alice"}`
	loaded := func(load func() (*keys.Set, error)) func(testing.TB) verifier.KeyProvider {
		return func(t testing.TB) verifier.KeyProvider {
			t.Helper()
			set, err := load()
			if err != nil {
				t.Fatal(err)
			}
			return set
		}
	}
	bytes := loaded(func() (*keys.Set, error) { return keys.Secret([]byte(secret)) })
	base64url := loaded(func() (*keys.Set, error) {
		return keys.Base64Secret(base64.RawURLEncoding.EncodeToString([]byte(secret)))
	})
	rotated := loaded(func() (*keys.Set, error) {
		current, err := keys.Secret([]byte("the secret that follows it, of more than 32 bytes"))
		if err != nil {
			return nil, err
		}
		previous, err := keys.Secret([]byte(secret))
		if err != nil {
			return nil, err
		}
		return keys.Join(current, previous)
	})

	// tenants is the secret function: it sees the handshake, the unverified
	// header and the unverified claims.
	tenants := func(t testing.TB) verifier.KeyProvider {
		t.Helper()
		real := secretKey(t)
		return verifier.KeyProviderFunc(func(ctx context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			var claims struct{ Tenant string }
			if err := u.Claims(&claims); err != nil {
				return nil, err
			}
			if u.Header.KeyID != "7" || claims.Tenant != u.Handshake.Header.Get("X-Tenant") {
				return nil, nil
			}
			return real.Keys(ctx, u)
		})
	}
	ofTenant := sign(`{"alg":"HS256","kid":"7"}`, `{"sub":"alice","tenant":"blue"}`, secret)
	arrives := func(tenant string) jsclient.Options {
		o := withQuery(ofTenant)
		o.Header = map[string]string{"X-Tenant": tenant}
		return o
	}
	noKey := refusal{"invalid_secret", "secret or public key must be provided", "key_not_found", false}

	rows := []behaviour{
		{
			name: "keys/a function that sees the handshake, the header and the claims", guards: root(byHandshake().with(tenants)),
			script: script{opens(arrives("blue")), connects(), asks("whoami", 0, `["alice"]`)}, calls: calls("alice"),
		},
		{
			name: "keys/a function that answers nothing", guards: root(byHandshake().with(tenants)),
			script: script{opens(arrives("red")), refused(noKey)}, calls: []string{"failure key_not_found"},
		},
		{
			name: "keys/a function that sees the handshake of an event", guards: root(byEvent().with(tenants)),
			script: script{
				opens(withHeader("X-Tenant", "blue")), connects(), authenticates(ofTenant), sees("authenticated", "[]"),
				asks("whoami", 0, `["alice"]`),
			},
			calls: calls("alice"),
		},
	}
	for _, form := range []struct {
		name     string
		provider func(testing.TB) verifier.KeyProvider
		token    string
	}{
		{"a secret", bytes, alice},
		{"a base64 secret", base64url, alice},
		{"the previous secret", rotated, alice},
		{"PEM, RS256", pemKeys, signWith(rsaKey, "RS256", payload)},
		{"PEM, PS256", pemKeys, signWith(rsaKey, "PS256", payload)},
		{"PEM, ES256", pemKeys, signWith(p256Key, "ES256", payload)},
		{"PEM, EdDSA", pemKeys, signWith(edKey, "EdDSA", payload)},
	} {
		rows = append(rows, behaviour{
			name: "keys/" + form.name, guards: root(byEvent().with(form.provider)),
			script: script{opens(atOnce(form.token)), connects(), sees("authenticated", "[]"), asks("whoami", 0, `["alice"]`)},
			calls:  calls("alice"),
		})
	}
	return rows
}
