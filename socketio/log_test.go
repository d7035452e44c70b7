package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// journal is a log that may be written to from anywhere.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestLogRevealsNothing: a busy day at the level debug, with everything going
// wrong that can. The log tells of each decision, and has no token, no secret and
// nothing that a token claims.
func TestLogRevealsNothing(t *testing.T) { synctest.Test(t, testLogRevealsNothing) }

func testLogRevealsNothing(t *testing.T) {
	var log journal
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	withLogger := socketio.WithLogger(logger)

	// Whatever the tokens say begins so that it is found wherever it turns up.
	const mark = "claimed"
	claim := func(what string) string { return mark + "-" + what }
	var tokens []string
	issuer := verifiertest.NewIssuer("https://"+mark+"-issuer.test/", verifiertest.NewKey(verifier.EdDSA, "k1"))
	stranger := verifiertest.NewKey(verifier.EdDSA, "k1")
	shared := verifiertest.NewKey(verifier.HS256, "")
	token := func(changes verifiertest.Claims) string {
		claims := verifiertest.Claims{"sub": claim("sub"), "aud": claim("aud"), "name": claim("name"), "nonce": claim("nonce"), "sid": claim("sid"), "jti": "the-jti"}
		for name, value := range changes {
			claims[name] = value
		}
		tokens = append(tokens, issuer.Token(claims))
		return tokens[len(tokens)-1]
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The same provider for all, but for one whose issuer cannot be reached.
	provider, err := jwks.URL("https://"+mark+"-issuer.test/.well-known/jwks.json", jwks.HTTPClient(issuer.Client()), jwks.WithLogger(logger))
	must(err)
	down, err := jwks.URL("https://down.test/jwks.json", jwks.WithLogger(logger), jwks.HTTPClient(&http.Client{Transport: unreachable{}}))
	must(err)
	newVerifier := func(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
		v, err := verifier.New(keys, options...)
		must(err)
		return v
	}
	registry := socketio.NewRegistry(&socketio.RegistryOptions{Logger: logger})
	authorizer := func(v socketio.Authenticator, options ...socketio.Option) *socketio.Authorizer {
		a, err := socketio.New(v, append([]socketio.Option{socketio.Defaults(withLogger, socketio.WithRegistry(registry), socketio.ByHandshake())}, options...)...)
		must(err)
		return a
	}
	admit := func(v socketio.Authenticator, raw string, options ...socketio.Option) {
		_, err := authorizer(v, options...).Admit(t.Context(), &verifier.Handshake{
			Namespace: "/", RemoteAddr: "192.0.2.1:5", Header: http.Header{"Authorization": {"Bearer " + raw}, "Cookie": {"session=" + claim("cookie")}},
			Query: url.Values{"room": {claim("query")}},
		})
		if err == nil {
			t.Errorf("a token was let in that should not be: %s", raw)
		}
	}
	plain := newVerifier(provider)

	// Refusals, by every check.
	now := time.Now()
	for _, row := range []struct {
		v   socketio.Authenticator
		raw string
	}{
		{plain, ""},
		{plain, claim("no token at all")},
		{plain, strings.Replace(token(nil), ".", ".x", 1)},
		{plain, token(verifiertest.Claims{"exp": now.Add(-time.Hour).Unix()})},
		{plain, token(verifiertest.Claims{"nbf": now.Add(time.Hour).Unix()})},
		{plain, token(verifiertest.Claims{"iss": 7})},
		{plain, token(verifiertest.Claims{"cnf": verifiertest.Claims{"jkt": claim("jkt")}})},
		{newVerifier(provider, verifier.Audience("us")), token(nil)},
		{newVerifier(provider, verifier.Issuer("https://us.test/")), token(nil)},
		{newVerifier(provider, verifier.Subject("us")), token(nil)},
		{newVerifier(provider, verifier.TokenID("us")), token(nil)},
		{newVerifier(provider, verifier.Nonce("us")), token(nil)},
		{newVerifier(provider, verifier.MaxAge(time.Minute)), token(verifiertest.Claims{"iat": now.Add(-time.Hour).Unix()})},
		{newVerifier(provider, verifier.RequireScope("write")), token(verifiertest.Claims{"scope": claim("scope")})},
		{newVerifier(provider, verifier.ClaimEquals("name", "us")), token(nil)},
		{newVerifier(provider, verifier.CustomClaims[struct{ Name int }]()), token(nil)},
		{newVerifier(provider, verifier.Algorithms(verifier.RS256)), token(nil)},
		{newVerifier(provider, verifier.MaxTokenLength(20)), token(nil)},
		{newVerifier(down), token(nil)},
		{plain, issuer.TokenBy(stranger, nil, verifiertest.Claims{"sub": claim("forged")})},
		{plain, shared.Mint(nil, verifiertest.Claims{"sub": claim("confused")})},
	} {
		tokens = append(tokens, row.raw)
		admit(row.v, row.raw)
		admit(row.v, row.raw, socketio.NeutralMessages())
	}
	unknown := verifiertest.NewKey(verifier.EdDSA, "unknown")
	tokens = append(tokens, issuer.TokenBy(unknown, nil, nil))
	admit(plain, tokens[len(tokens)-1])
	proofs, err := dpop.New(dpop.URL("https://chat.test/socket.io/"))
	must(err)
	admit(newVerifier(provider, verifier.Validate(proofs)), token(verifiertest.Claims{"cnf": verifiertest.Claims{"jkt": claim("jkt")}}))
	issuers, err := jwks.IssuersFunc(func(context.Context, string) (bool, error) { return false, errors.New("the database is down") }, jwks.WithLogger(logger))
	must(err)
	admit(newVerifier(issuers), token(nil))
	endpoint, err := introspection.New("https://down.test/introspect", introspection.ClientSecret("id", claim("client secret")),
		introspection.HTTPClient(&http.Client{Transport: unreachable{}}), introspection.WithLogger(logger))
	must(err)
	opaque, err := verifier.NewOpaque(endpoint)
	must(err)
	admit(opaque, claim("opaque"))
	admit(plain, token(nil), socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) {
		return nil, errors.New("no such user")
	}))
	admit(plain, token(nil), socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { panic("the user function") }))

	// Live sessions: let in, renewed, renewed by another, expired, revoked, gone.
	live := authorizer(plain, socketio.ByEvent(), socketio.SessionLimit(2, socketio.EvictOldest))
	enter := func(raws ...string) (*socketio.Guard, *socketio.Session) {
		g := live.Attach(quietSocket{}, &verifier.Handshake{Namespace: "/", RemoteAddr: "192.0.2.2:5"}, nil)
		for _, raw := range raws {
			g.Authenticate(map[string]any{"token": raw})
			synctest.Wait()
		}
		return g, g.Session()
	}
	for i := range 3 { // one too many
		enter(token(verifiertest.Claims{"sub": claim("ada"), "n": i}))
	}
	gone, _ := enter(token(verifiertest.Claims{"sub": claim("bob")}), token(verifiertest.Claims{"sub": claim("bob"), "jti": "another-jti"}))
	gone.Authenticate(map[string]any{"token": token(verifiertest.Claims{"sub": claim("mallory")})})
	synctest.Wait()
	gone.Closed()
	_, ended := enter(token(verifiertest.Claims{"sub": claim("dan"), "jti": nil}))
	ended.End(errors.New("the application says so"))
	must(registry.Revoke(t.Context(), socketio.Revocation{Subject: claim("ada")}))
	enter(token(verifiertest.Claims{"sub": claim("eve"), "exp": time.Now().Add(time.Minute).Unix()}))
	time.Sleep(time.Hour) // by the clock of the test

	// A back-channel logout, and one that is refused.
	logout, err := socketio.BackChannelLogout(newVerifier(provider, verifier.Type("JWT")), registry, &socketio.LogoutOptions{Logger: logger})
	must(err)
	good := token(verifiertest.Claims{"sub": claim("sub"), "jti": "logout-jti", "nonce": nil, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"events": verifiertest.Claims{"http://schemas.openid.net/event/backchannel-logout": verifiertest.Claims{}}})
	for _, raw := range []string{good, good, token(nil)} {
		request := httptest.NewRequest(http.MethodPost, "/logout", strings.NewReader(url.Values{"logout_token": {raw}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		logout.ServeHTTP(httptest.NewRecorder(), request)
	}

	text := log.String()
	for _, line := range []string{ // it is a log of something
		`"msg":"socketio: refused"`, `"msg":"socketio: authenticated"`, `"msg":"socketio: renewed"`, `"msg":"socketio: session ended"`,
		`"token":"jti \"the-jti\""`, `"token":"sha256 `, `"msg":"jwks: fetch"`, `"msg":"jwks: failure"`, `"msg":"introspection: the endpoint could not be asked"`,
		`"msg":"socketio: back-channel logout"`, `"msg":"socketio: a back-channel logout was refused"`, `"the user function"`, `"no such user"`,
		`"reason":"session_limit"`, `"reason":"token_revoked"`, `"reason":"token_expired"`, `"reason":"identity_mismatch"`, `"msg":"socketio: revoked","by":"sub","sessions":2`, `"msg":"socketio: session expires soon"`, `"reason":"dpop_scheme_mismatch"`, `"cause":"socketio: the socket was disconnected"`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	// Each refusal above has a line with its reason.
	if n := strings.Count(text, "socketio: refused"); n < 2*21+6 {
		t.Errorf("%d refusals are logged", n)
	}
	hide := strings.NewReplacer("https://"+mark+"-issuer.test/.well-known/jwks.json", "(the key set's address, which is configuration)",
		`"cause":"iss is \"https://`+mark+`-issuer.test/\", expected`, "(a wrong issuer, which is named)")
	for line := range strings.Lines(hide.Replace(text)) {
		if strings.Contains(line, mark) {
			t.Errorf("the log has a claim, a cookie, a query or a secret: %s", line)
		}
		for _, raw := range tokens {
			for _, part := range strings.Split(raw, ".") {
				if len(part) > 20 && strings.Contains(line, part) {
					t.Errorf("the log has a part of a token: %s", line)
				}
			}
		}
		if strings.Contains(line, "eyJ") {
			t.Errorf("the log has a part of a token: %s", line)
		}
	}
}

// unreachable is a network that is down.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// quietSocket is a socket that nobody listens to.
type quietSocket struct{}

func (quietSocket) ID() string                            { return "secret-socket-id" }
func (quietSocket) Emit(string, func(), ...any)           {}
func (quietSocket) Open(string)                           {}
func (quietSocket) Authenticated(*socketio.Session) error { return nil }
func (quietSocket) Close(error, string, ...any)           {}
