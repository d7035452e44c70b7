package providers

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

const chat, mail, opaque = "https://chat.example", "https://mail.example", "https://opaque.example"

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// privateJWK generates a key that signs by the algorithm.
func privateJWK(t testing.TB, alg, kid string) map[string]string {
	t.Helper()
	jwk := map[string]string{"alg": alg, "kid": kid, "use": "sig"}
	switch alg {
	case "RS256", "PS256":
		k := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
		jwk["kty"], jwk["n"], jwk["e"], jwk["d"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()), b64(k.D.Bytes())
		jwk["p"], jwk["q"] = b64(k.Primes[0].Bytes()), b64(k.Primes[1].Bytes())
		jwk["dp"], jwk["dq"], jwk["qi"] = b64(k.Precomputed.Dp.Bytes()), b64(k.Precomputed.Dq.Bytes()), b64(k.Precomputed.Qinv.Bytes())
	case "ES256":
		k := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		point := must[[]byte](t)(k.PublicKey.Bytes())
		d := must[[]byte](t)(k.Bytes())
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"], jwk["d"] = "EC", "P-256", b64(point[1:33]), b64(point[33:]), b64(d)
	case "Ed25519", "EdDSA":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["d"] = "OKP", "Ed25519", b64(public), b64(private.Seed())
	default:
		t.Fatal(alg)
	}
	return jwk
}

// oidcProvider is npm's oidc-provider in a process of its own.
type oidcProvider struct {
	*authority
	process
	script   string // the client's
	issuer   string
	settings map[string]any
}

func startOIDCProvider(t testing.TB, alg string, settings map[string]any) *oidcProvider {
	t.Helper()
	provider, client := scripts(t)
	a := newAuthority(t)
	port := freePort(t)
	p := &oidcProvider{authority: a, script: client, issuer: fmt.Sprintf("https://localhost:%d", port), settings: map[string]any{
		"port": port, "key": a.key, "cert": a.cert, "alg": alg, "jwks": map[string]any{"keys": []any{privateJWK(t, alg, "key-1")}},
	}}
	for name, v := range settings {
		p.settings[name] = v
	}
	p.process = process{t: t, name: "node", args: []string{provider}}
	p.restart()
	return p
}

// restart starts the provider with its settings.
func (p *oidcProvider) restart() {
	p.t.Helper()
	p.env = []string{"NODE_EXTRA_CA_CERTS=" + p.ca, "SETTINGS=" + string(must[[]byte](p.t)(json.Marshal(p.settings)))}
	p.start()
}

// rotate restarts the provider with another key that signs, before those it has or
// instead of them.
func (p *oidcProvider) rotate(kid string, instead bool) {
	p.t.Helper()
	p.stop()
	set := p.settings["jwks"].(map[string]any)
	old := set["keys"].([]any)
	if instead {
		old = nil
	}
	set["keys"] = append([]any{privateJWK(p.t, p.settings["alg"].(string), kid)}, old...)
	p.restart()
}

func (p *oidcProvider) clientCredentials(resource string) string {
	p.t.Helper()
	return p.ask(p.t, p.script, map[string]any{"issuer": p.issuer, "grant": "client_credentials", "resource": resource}).Access
}

func (p *oidcProvider) code(resource string) tokens {
	p.t.Helper()
	return p.ask(p.t, p.script, map[string]any{"issuer": p.issuer, "grant": "code", "resource": resource, "logout": true})
}

// verifier makes one as docs/providers.md has it.
func (p *oidcProvider) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	p.t.Helper()
	return must[*verifier.Verifier](p.t)(verifier.New(keys, append(options,
		verifier.AccessTokenProfile(), verifier.Issuer(p.issuer), verifier.Audience(chat), verifier.RequireScope("chat"))...))
}

func (p *oidcProvider) keys(options ...jwks.Option) *jwks.Provider {
	p.t.Helper()
	return must[*jwks.Provider](p.t)(jwks.OIDC(p.issuer, append(options, jwks.HTTPClient(p.client), jwks.WithLogger(quiet))...))
}

// TestOIDCProvider: an access token is let in; any other kind is refused, with the
// reason.
func TestOIDCProvider(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			p := startOIDCProvider(t, alg, nil)
			url := serve(t, p.verifier(p.keys()))
			got := p.code(chat)
			accepted(t, url, got.Access, "ada").Close(t)
			accepted(t, url, p.clientCredentials(chat), "web").Close(t)
			if got.ID == "" || got.Refresh == "" {
				t.Fatalf("the provider gave %+v", got)
			}
			refused(t, "an ID token", url, got.ID, verifier.ErrTypeMismatch)
			refused(t, "a refresh token", url, got.Refresh, verifier.ErrTokenMalformed)
			refused(t, "a token for another API", url, p.clientCredentials(mail), verifier.ErrAudienceMismatch)
			refused(t, "an opaque token", url, p.clientCredentials(opaque), verifier.ErrTokenMalformed)
			refused(t, "a token with a changed signature", url, got.Access[:len(got.Access)-6]+"AAAAAA", verifier.ErrSignatureInvalid, verifier.ErrTokenMalformed)

			later := serve(t, p.verifier(p.keys(), verifier.WithClock(func() time.Time { return time.Now().Add(2 * time.Hour) })))
			refused(t, "an expired token", later, got.Access, verifier.ErrTokenExpired)
		})
	}
}

// TestOIDCProviderRotates: tokens of a new key are accepted at once, those of a key
// that was withdrawn within the TTL; in an outage the known keys go on.
func TestOIDCProviderRotates(t *testing.T) {
	t.Parallel()
	p := startOIDCProvider(t, "ES256", nil)
	clock := verifiertest.NewClock(time.Now())
	keys := p.keys(jwks.WithClock(clock.Now))
	url := serve(t, p.verifier(keys), socketio.EndOnWithdrawnKey(keys, 100*time.Millisecond))
	first := p.clientCredentials(chat)
	live := accepted(t, url, first, "web")

	p.rotate("key-2", false)
	second := p.clientCredentials(chat)
	accepted(t, url, second, "web").Close(t)
	accepted(t, url, first, "web").Close(t)

	p.stop()
	accepted(t, url, second, "web").Close(t)
	clock.Advance(20 * time.Minute)
	accepted(t, url, second, "web").Close(t)
	if _, err := p.verifier(p.keys()).Verify(t.Context(), second); !errors.Is(err, verifier.ErrKeysUnavailable) {
		t.Errorf("a server that starts during the outage: got %v", err)
	}

	p.rotate("key-3", true)
	clock.Advance(20 * time.Minute)
	third := p.clientCredentials(chat)
	accepted(t, url, third, "web").Close(t)
	refused(t, "a token of a withdrawn key", url, first, verifier.ErrKeyNotFound)
	if got := live.Expect(t, "unauthorized").JSON(); got == "" {
		t.Error("the session of a withdrawn key goes on")
	}
	live.Expect(t, "disconnect")
}

// TestOIDCProviderSlow: while the provider is slow, nobody who has keys waits.
func TestOIDCProviderSlow(t *testing.T) {
	t.Parallel()
	p := startOIDCProvider(t, "ES256", nil)
	slow := slowly{RoundTripper: p.client.Transport, pause: make(chan time.Duration, 1)}
	slow.pause <- 0
	clock := verifiertest.NewClock(time.Now())
	v := p.verifier(must[*jwks.Provider](t)(jwks.OIDC(p.issuer, jwks.HTTPClient(&http.Client{Transport: slow}), jwks.WithClock(clock.Now), jwks.WithLogger(quiet))))
	token := p.clientCredentials(chat)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	<-slow.pause
	slow.pause <- time.Second
	clock.Advance(9 * time.Minute)
	began := time.Now()
	for range 100 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("a hundred verifications waited for %v", took)
	}
}

// slowly delays every answer.
type slowly struct {
	http.RoundTripper
	pause chan time.Duration
}

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	d := <-s.pause
	s.pause <- d
	select {
	case <-time.After(d):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

// TestOIDCProviderOpaque: an opaque token is let in while it is active, and its live
// socket ends when it is revoked; refresh tokens and ID tokens are refused.
func TestOIDCProviderOpaque(t *testing.T) {
	t.Parallel()
	p := startOIDCProvider(t, "ES256", nil)
	asked := must[*introspection.Client](t)(introspection.New(p.issuer+"/token/introspection", introspection.ClientSecret("server", "a secret of the server"),
		introspection.HTTPClient(p.client), introspection.TTL(0), introspection.WithLogger(quiet)))
	v := must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.Audience(opaque), verifier.RequireClaims("token_type")))
	url := serve(t, v, socketio.EndOnInactiveToken(asked, 100*time.Millisecond))
	got := p.code(opaque)
	live := accepted(t, url, got.Access, "ada")
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrClaimInvalid, verifier.ErrAudienceMismatch, verifier.ErrTypeMismatch, verifier.ErrTokenInactive)
	refused(t, "an ID token", url, got.ID, verifier.ErrTokenInactive, verifier.ErrTokenMalformed, verifier.ErrTypeMismatch)
	refused(t, "nonsense", url, "nonsense", verifier.ErrTokenInactive)
	p.ask(t, p.script, map[string]any{"issuer": p.issuer, "grant": "revoke", "token": got.Access})
	live.Expect(t, "unauthorized")
	live.Expect(t, "disconnect")
	refused(t, "a revoked token", url, got.Access, verifier.ErrTokenInactive)
}

// TestOIDCProviderLogout: a logout at the provider ends the user's live sockets, whose
// access tokens have no sid.
func TestOIDCProviderLogout(t *testing.T) {
	t.Parallel()
	registry := socketio.NewRegistry(nil)
	t.Cleanup(func() { _ = registry.Close() })
	var handler http.Handler
	mux := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	endpoint := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	p := startOIDCProvider(t, "ES256", map[string]any{"backchannel": fmt.Sprintf("https://localhost:%d/logout", endpoint.Addr().(*net.TCPAddr).Port)})
	logout := must[*verifier.Verifier](t)(verifier.New(p.keys(), verifier.Issuer(p.issuer), verifier.Audience("web"), verifier.Type("logout+jwt")))
	handler = must[http.Handler](t)(socketio.BackChannelLogout(logout, registry, nil))
	mux.Listener = tls.NewListener(endpoint, &tls.Config{Certificates: []tls.Certificate{p.tls}})
	mux.Start()
	t.Cleanup(mux.Close)

	url := serve(t, p.verifier(p.keys()), socketio.WithRegistry(registry))
	got := p.code(chat)
	live := accepted(t, url, got.Access, "ada")
	other := accepted(t, url, p.clientCredentials(chat), "web")
	p.ask(t, p.script, map[string]any{"issuer": p.issuer, "grant": "logout", "logout": got.Logout})
	live.Expect(t, "disconnect")
	other.ExpectNone(t, "disconnect")
	refused(t, "the token after the logout", url, got.Access, socketio.ErrTokenRevoked)
}
