package providers

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
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

// oidcProvider is npm's oidc-provider in a separate process.
type oidcProvider struct {
	*authority
	process
	issuer   string
	settings map[string]any

	rotations int
}

func startOIDCProvider(t testing.TB, alg string, settings map[string]any) *oidcProvider {
	t.Helper()
	path, err := script("provider.mjs", providerScript)
	npm.Check(t, err)
	a := newAuthority(t)
	port := freePort(t)
	p := &oidcProvider{authority: a, issuer: fmt.Sprintf("https://localhost:%d", port), settings: map[string]any{
		"port": port, "key": a.key, "cert": a.cert, "ca": a.ca, "alg": alg, "jwks": map[string]any{"keys": []any{privateJWK(t, alg, "key-1")}},
	}}
	for name, v := range settings {
		p.settings[name] = v
	}
	p.process = process{t: t, name: "node", args: []string{path}}
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
func (p *oidcProvider) rotate(withdraw bool) {
	p.t.Helper()
	p.stop()
	set := p.settings["jwks"].(map[string]any)
	old := set["keys"].([]any)
	p.rotations++
	next := privateJWK(p.t, p.settings["alg"].(string), fmt.Sprintf("key-%d", p.rotations+1))
	if withdraw {
		old = nil
	}
	set["keys"] = append([]any{next}, old...)
	p.restart()
}

// ask has a client do something: "web" unless a says otherwise.
func (p *oidcProvider) ask(a asking) tokens {
	p.t.Helper()
	if a.ID == "" {
		a.ID = "web"
	}
	a.Issuer, a.Secret = p.issuer, "a secret of the client"
	return ask(p.t, a)
}

func (p *oidcProvider) clientCredentials(resource string) string {
	p.t.Helper()
	return p.ask(asking{Grant: "client_credentials", Resource: resource, Scope: "chat"}).Access
}

func (p *oidcProvider) code(resource string) tokens {
	p.t.Helper()
	return p.ask(asking{Grant: "code", Resource: resource, Scope: "openid offline_access chat", Extra: map[string]string{"prompt": "consent"}})
}

func (p *oidcProvider) rows() provider {
	return provider{
		authority: p.authority, issuer: p.issuer, subject: "web", verifier: p.verifier,
		token: func() string { return p.clientCredentials(chat) }, rotate: p.rotate, stop: p.stop, start: p.restart,
	}
}

// verifier makes one as docs/providers.md has it.
func (p *oidcProvider) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	p.t.Helper()
	return must[*verifier.Verifier](p.t)(verifier.New(keys, append(options,
		verifier.AccessTokenProfile(), verifier.Issuer(p.issuer), verifier.Audience(chat), verifier.RequireScope("chat"))...))
}

// TestOIDCProvider: an access token is accepted; any other kind is refused, with
// the reason.
func TestOIDCProvider(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			p := startOIDCProvider(t, alg, nil)
			url := serve(t, p.verifier(p.keys(t, p.issuer)))
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

			later := serve(t, p.verifier(p.keys(t, p.issuer), expired()))
			refused(t, "an expired token", later, got.Access, verifier.ErrTokenExpired)
		})
	}
}

func TestOIDCProviderRotates(t *testing.T) {
	t.Parallel()
	rotates(t, startOIDCProvider(t, "ES256", nil).rows())
}

func TestOIDCProviderSlow(t *testing.T) {
	t.Parallel()
	slow(t, startOIDCProvider(t, "ES256", nil).rows())
}

// TestOIDCProviderOpaque: an opaque token is accepted while it is active, and its
// live socket ends when it is revoked; refresh tokens and ID tokens are refused. A provider
// that does not answer, with its tokens in memory, ends no live socket and keeps a client
// waiting.
func TestOIDCProviderOpaque(t *testing.T) {
	t.Parallel()
	p := startOIDCProvider(t, "ES256", nil)
	asked := must[*introspection.Client](t)(introspection.New(p.issuer+"/token/introspection", introspection.ClientSecret("server", "a secret of the server"),
		introspection.HTTPClient(p.client), introspection.TTL(0), introspection.WithLogger(quiet)))
	v := must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.Audience(opaque), verifier.RequireClaims("token_type")))
	url := serve(t, v)
	got := p.code(opaque)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrClaimInvalid, verifier.ErrAudienceMismatch, verifier.ErrTypeMismatch, verifier.ErrTokenInactive)
	refused(t, "an ID token", url, got.ID, verifier.ErrTokenInactive, verifier.ErrTokenMalformed, verifier.ErrTypeMismatch)
	refused(t, "nonsense", url, "nonsense", verifier.ErrTokenInactive)
	unreachable(t, asked, v, got.Access, p.code(opaque).Access, "ada", p.pause, p.resume)
	revoked(t, asked, v, got.Access, "ada", func(token string) { p.ask(asking{Grant: "revoke", Token: token}) })
}

// TestOIDCProviderLogout: a logout at the provider ends the live sockets of that login if
// access tokens have sid, and all of the user's if they have none. Another user's go on.
func TestOIDCProviderLogout(t *testing.T) {
	for _, sid := range []bool{false, true} {
		t.Run(fmt.Sprintf("sid=%t", sid), func(t *testing.T) {
			t.Parallel()
			registry := socketio.NewRegistry(nil)
			t.Cleanup(func() { _ = registry.Close() })
			endpoint := newAuthority(t).front(t)
			p := startOIDCProvider(t, "ES256", map[string]any{"backchannel": endpoint.origin + "/logout", "sid": sid})
			logout := must[*verifier.Verifier](t)(verifier.New(p.keys(t, p.issuer), verifier.Issuer(p.issuer), verifier.Audience("web"), verifier.Type("logout+jwt")))
			endpoint.set(must[http.Handler](t)(socketio.BackChannelLogout(logout, registry, nil)))

			url := serve(t, p.verifier(p.keys(t, p.issuer)), socketio.WithRegistry(registry))
			laptop, phone := p.code(chat), p.code(chat)
			first, second := accepted(t, url, laptop.Access, "ada"), accepted(t, url, phone.Access, "ada")
			other := accepted(t, url, p.clientCredentials(chat), "web")
			p.ask(asking{Grant: "logout", Logout: laptop.Logout})
			first.Expect(t, "disconnect")
			refused(t, "the token after the logout", url, laptop.Access, socketio.ErrTokenRevoked)
			if sid {
				second.ExpectNone(t, "disconnect")
				p.ask(asking{Grant: "logout", Logout: phone.Logout})
			}
			second.Expect(t, "disconnect")
			refused(t, "the other login's token", url, phone.Access, socketio.ErrTokenRevoked)
			other.ExpectNone(t, "disconnect")
		})
	}
}
