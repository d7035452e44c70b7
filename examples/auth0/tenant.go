package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

const (
	audienceOfOwn = "https://api.example.com"
	clientID      = "hWuhyfpQzBx0R3kZ" // of the page, at the tenant
)

// tenant stands in for Auth0: an issuer over HTTPS whose keys and outages are
// ours to arrange.
type tenant struct {
	*verifiertest.Issuer
	key *verifiertest.Key
}

func newTenant() *tenant {
	key := verifiertest.NewKey(verifier.RS256, "current")
	return &tenant{verifiertest.ServeTLS(key), key}
}

func (t *tenant) domain() string {
	return strings.TrimSuffix(strings.TrimPrefix(t.URL(), "https://"), "/")
}

func (t *tenant) token() string { return t.Token(claims) }

var claims = verifiertest.Claims{"sub": "auth0|ada", "aud": audienceOfOwn, "scope": "openid"}

// forged is a token as anybody can make one: it says that the tenant issued it.
func forged(domain string) string {
	return verifiertest.NewKey(verifier.RS256, "forged").Mint(nil, verifiertest.Claims{"iss": "https://" + domain + "/"})
}

// demonstrate shows what happens to tokens, of a rotated key, and of an outage.
func (t *tenant) demonstrate(ctx context.Context, url string, out io.Writer) error {
	r := trial.Report{Out: out}
	expect := func(what, token, want string) {
		got, err := trial.Handshake(ctx, url, token)
		r.Expect(what, want, got, err)
	}
	expect("an access token", t.token(), trial.Authenticated)
	expect("an expired one", t.Token(verifiertest.Claims{"sub": "auth0|ada", "aud": audienceOfOwn, "exp": time.Now().Add(-time.Minute).Unix()}), string(verifier.ErrTokenExpired))
	expect("an ID token, which is for the client", t.Token(verifiertest.Claims{"sub": "auth0|ada", "aud": clientID, "nonce": "n"}), string(verifier.ErrAudienceMismatch))
	expect("one for another API", t.Token(verifiertest.Claims{"sub": "auth0|ada", "aud": "https://mail.example.com"}), string(verifier.ErrAudienceMismatch))
	expect("one of another tenant", t.TokenBy(t.key, nil, verifiertest.Claims{"iss": "https://other.eu.auth0.com/", "aud": audienceOfOwn}), string(verifier.ErrIssuerMismatch))
	expect("one with a forged signature", t.TokenBy(verifiertest.NewKey(verifier.RS256, "current"), nil, claims), string(verifier.ErrSignatureInvalid))

	t.Rotate(verifiertest.NewKey(verifier.RS256, "next"))
	expect("one by a key that was rotated in just now", t.token(), trial.Authenticated)

	t.Break(verifiertest.Down())
	expect("one by a known key while the tenant is down", t.token(), trial.Authenticated)
	expect("one by an unknown key while the tenant is down", t.TokenBy(verifiertest.NewKey(verifier.RS256, "later"), nil, claims), string(verifier.ErrKeysUnavailable)+" (retry)")
	t.Break(nil)
	return r.Err()
}
