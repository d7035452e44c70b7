package introspection

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// posted asks for a token, and returns what the endpoint was sent.
func posted(t *testing.T, options ...Option) (form url.Values, header http.Header) {
	t.Helper()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
		header = r.Header
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"active":true}`)), Request: r}, nil
	})
	c, err := New("https://login.example/introspect", append(options, HTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Introspect(t.Context(), "opaque"); err != nil {
		t.Fatal(err)
	}
	if form.Get("token") != "opaque" || form.Get("token_type_hint") != "access_token" {
		t.Errorf("the endpoint was sent %v", form)
	}
	return form, header
}

func TestClientSecretPost(t *testing.T) {
	form, header := posted(t, ClientSecretPost("chat:1", "sécret &"))
	if form.Get("client_id") != "chat:1" || form.Get("client_secret") != "sécret &" || header.Get("Authorization") != "" {
		t.Errorf("the endpoint was sent %v, %v", form, header)
	}
}

// TestPrivateKeyJWT: the assertion is what RFC 7523 §3 asks for, by the algorithm of
// the key, and another one each time.
func TestPrivateKeyJWT(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	at := newClock()
	for algorithm, key := range map[verifier.Algorithm]crypto.Signer{
		verifier.RS256: must(rsa.GenerateKey(rand.Reader, 2048)),
		verifier.ES256: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		verifier.ES384: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		verifier.ES512: must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		verifier.EdDSA: ed,
	} {
		public := must(verifier.NewKey(key.Public(), verifier.KeyOptions{Algorithms: []verifier.Algorithm{algorithm}}))
		v := must(verifier.New(verifier.KeyProviderFunc(func(_ context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			if u.Header.KeyID != "k1" || u.Header.Type != "JWT" {
				t.Errorf("the header is %v", u.Header)
			}
			return []*verifier.Key{public}, nil
		}), verifier.WithClock(at.now), verifier.Issuer("chat"), verifier.Subject("chat"), verifier.Audience("https://login.example/"),
			verifier.MaxLifetime(time.Minute), verifier.RequireClaims("jti", "iat")))
		ids := map[string]bool{}
		for range 3 {
			form, header := posted(t, PrivateKeyJWT("chat", "https://login.example/", key, "k1"), WithClock(at.now))
			if form.Get("client_id") != "chat" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || header.Get("Authorization") != "" {
				t.Errorf("%s: the endpoint was sent %v", algorithm, form)
			}
			token, err := v.Verify(t.Context(), form.Get("client_assertion"))
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			ids[token.ID] = true
		}
		if len(ids) != 3 {
			t.Errorf("%s: an assertion was used twice", algorithm)
		}
	}
	for name, option := range map[string]Option{
		"no client":    PrivateKeyJWT("", "a", ed, ""),
		"no audience":  PrivateKeyJWT("c", "", ed, ""),
		"no key":       PrivateKeyJWT("c", "a", nil, ""),
		"a nil key":    PrivateKeyJWT("c", "a", (*rsa.PrivateKey)(nil), ""),
		"a weak key":   PrivateKeyJWT("c", "a", must(rsa.GenerateKey(rand.Reader, 1024)), ""),
		"an old curve": PrivateKeyJWT("c", "a", must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), ""),
		"no secret":    ClientSecretPost("c", ""),
	} {
		if _, err := New("https://login.example/introspect", option); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New("https://login.example/introspect", ClientSecretPost("c", "s"), PrivateKeyJWT("c", "a", ed, "")); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("two ways: %v", err)
	}
}

// TestSignedAnswers: only an answer that the issuer signed, for this client, lately
// and as such, counts (RFC 9701 §5, §8).
func TestSignedAnswers(t *testing.T) {
	at := newClock()
	key, stranger := verifiertest.NewKey(verifier.ES256, "k1"), verifiertest.NewKey(verifier.ES256, "k1")
	issuer := verifiertest.NewIssuer("https://login.example/", key)
	header := verifiertest.Claims{"typ": "token-introspection+jwt"}
	answer := func(others verifiertest.Claims) verifiertest.Claims {
		claims := verifiertest.Claims{"iss": "https://login.example/", "aud": "chat", "iat": at.now().Unix(),
			"token_introspection": verifiertest.Claims{"active": true, "sub": "ada", "aud": "https://chat.example"}}
		for name, value := range others {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		return claims
	}
	const jwt = "application/token-introspection+jwt"
	good := key.Mint(header, answer(nil))
	for name, row := range map[string]struct {
		kind, body string
		says       string // "" if the token is active
	}{
		"good":                            {jwt, good, ""},
		"with parameters":                 {jwt + "; charset=utf-8", good, ""},
		"plain JSON":                      {"application/json", `{"active":true}`, "expected " + jwt},
		"plain JSON, as if signed":        {jwt, `{"active":true}`, "signed answer is refused"},
		"by an unauthenticated client":    {jwt, stranger.Mint(header, answer(nil)), "invalid signature"},
		"changed":                         {jwt, good[:len(good)-8] + "AAAAAAAA", "signed answer is refused"},
		"for another client":              {jwt, key.Mint(header, answer(verifiertest.Claims{"aud": "shop"})), "audience"},
		"of another issuer":               {jwt, key.Mint(header, answer(verifiertest.Claims{"iss": "https://other.example/"})), "issuer"},
		"an access token":                 {jwt, key.Mint(verifiertest.Claims{"typ": "at+jwt"}, answer(nil)), "typ"},
		"without a type":                  {jwt, key.Mint(verifiertest.Claims{"typ": nil}, answer(nil)), "typ"},
		"an old one":                      {jwt, key.Mint(header, answer(verifiertest.Claims{"iat": at.now().Unix() - 600})), "maxAge"},
		"of the future":                   {jwt, key.Mint(header, answer(verifiertest.Claims{"iat": at.now().Unix() + 600})), "not active"},
		"without a time":                  {jwt, key.Mint(header, answer(verifiertest.Claims{"iat": nil})), "iat"},
		"without an answer":               {jwt, key.Mint(header, answer(verifiertest.Claims{"token_introspection": nil})), "token_introspection"},
		"active beside the answer":        {jwt, key.Mint(header, answer(verifiertest.Claims{"active": true, "token_introspection": verifiertest.Claims{}})), "does not say"},
		"an answer that is not an object": {jwt, key.Mint(header, answer(verifiertest.Claims{"token_introspection": "x"})), "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			transport := roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Accept") != jwt {
					t.Errorf("the endpoint is asked for %q", r.Header.Get("Accept"))
				}
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {row.kind}}, Body: io.NopCloser(strings.NewReader(row.body)), Request: r}, nil
			})
			c, err := New("https://login.example/introspect", SignedAnswers("https://login.example/", "chat", issuer),
				ClientSecret("chat", "s"), WithClock(at.now), HTTPClient(&http.Client{Transport: transport}))
			if err != nil {
				t.Fatal(err)
			}
			v := must(verifier.NewOpaque(c, verifier.Audience("https://chat.example"), verifier.WithClock(at.now)))
			token, err := v.Verify(t.Context(), "opaque")
			if row.says == "" {
				if err != nil || token.Subject != "ada" {
					t.Errorf("got %v", err)
				}
				return
			}
			if u := verifier.AsUnauthorized(err); u == nil || u.Reason != verifier.ErrKeysUnavailable || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %q", err, row.says)
			}
		})
	}
	for name, option := range map[string]Option{
		"no issuer": SignedAnswers("", "c", issuer), "no client": SignedAnswers("i", "", issuer), "no keys": SignedAnswers("i", "c", nil),
		"nil keys": SignedAnswers("i", "c", (*verifiertest.Issuer)(nil)),
	} {
		if _, err := New("https://login.example/introspect", option, ClientSecret("c", "s")); err == nil || !strings.Contains(err.Error(), "SignedAnswers") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
