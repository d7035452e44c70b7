package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestLogRevealsNothing: a busy day at the level debug, with everything going
// wrong that can. The log tells of each decision, and has no token, no secret and
// nothing that a token claims.
func TestLogRevealsNothing(t *testing.T) { synctest.Test(t, testLogRevealsNothing) }

func testLogRevealsNothing(t *testing.T) {
	l := newLogged(t)
	l.refusals()
	l.otherRefusals()
	l.sessions()
	l.logouts()
	l.says()
	l.hides()
}

// mark begins everything that tokens and clients say, so that it is found wherever it
// appears in the log.
const mark = "claimed"

func claim(what string) string { return mark + "-" + what }

// logged is a server whose log is read.
type logged struct {
	*testing.T
	log      logtest.Buffer
	logger   *slog.Logger
	issuer   *verifiertest.Issuer
	provider *jwks.Provider
	registry *socketio.Registry
	plain    *verifier.Verifier
	tokens   []string // what must not be in the log
}

func newLogged(t *testing.T) *logged {
	l := &logged{T: t, issuer: verifiertest.NewIssuer("https://"+mark+"-issuer.test/", verifiertest.NewKey(verifier.EdDSA, "k1"))}
	l.logger = slog.New(slog.NewJSONHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	provider, err := jwks.URL("https://"+mark+"-issuer.test/.well-known/jwks.json", jwks.HTTPClient(l.issuer.Client()), jwks.WithLogger(l.logger))
	l.must(err)
	l.provider, l.plain = provider, l.verifier(provider)
	l.registry = socketio.NewRegistry(&socketio.RegistryOptions{Logger: l.logger})
	return l
}

func (l *logged) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *logged) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	v, err := verifier.New(keys, options...)
	l.must(err)
	return v
}

// token mints a token with these claims changed.
func (l *logged) token(changes verifiertest.Claims) string {
	claims := verifiertest.Claims{"sub": claim("sub"), "aud": claim("aud"), "name": claim("name"), "nonce": claim("nonce"), "sid": claim("sid"), "jti": "the-jti"}
	maps.Copy(claims, changes)
	l.tokens = append(l.tokens, l.issuer.Token(claims))
	return l.tokens[len(l.tokens)-1]
}

func (l *logged) authorizer(v socketio.Authenticator, options ...socketio.Option) *socketio.Authorizer {
	a, err := socketio.New(v, append([]socketio.Option{socketio.Defaults(socketio.WithLogger(l.logger), socketio.WithRegistry(l.registry), socketio.ByHandshake())}, options...)...)
	l.must(err)
	return a
}

// refuse presents a token that must be refused.
func (l *logged) refuse(v socketio.Authenticator, raw string, options ...socketio.Option) {
	l.Helper()
	_, err := l.authorizer(v, options...).Admit(l.Context(), &verifier.Handshake{
		Namespace: "/", RemoteAddr: "192.0.2.1:5", Header: http.Header{"Authorization": {"Bearer " + raw}, "Cookie": {"session=" + claim("cookie")}},
		Query: url.Values{"room": {claim("query")}},
	})
	if err == nil {
		l.Errorf("the server accepted a token: %s", raw)
	}
}

// refusals are those of every check of a verifier.
func (l *logged) refusals() {
	otherKey, shared := verifiertest.NewKey(verifier.EdDSA, "k1"), verifiertest.NewKey(verifier.HS256, "")
	down, err := jwks.URL("https://down.test/jwks.json", jwks.WithLogger(l.logger), jwks.HTTPClient(&http.Client{Transport: unreachable{}}))
	l.must(err)
	with := func(options ...verifier.Option) *verifier.Verifier { return l.verifier(l.provider, options...) }
	now := time.Now()
	for _, row := range []struct {
		v   socketio.Authenticator
		raw string
	}{
		{l.plain, ""},
		{l.plain, claim("no token at all")},
		{l.plain, strings.Replace(l.token(nil), ".", ".x", 1)},
		{l.plain, l.token(verifiertest.Claims{"exp": now.Add(-time.Hour).Unix()})},
		{l.plain, l.token(verifiertest.Claims{"nbf": now.Add(time.Hour).Unix()})},
		{l.plain, l.token(verifiertest.Claims{"iss": 7})},
		{l.plain, l.token(verifiertest.Claims{"cnf": verifiertest.Claims{"jkt": claim("jkt")}})},
		{with(verifier.Audience("us")), l.token(nil)},
		{with(verifier.Issuer("https://us.test/")), l.token(nil)},
		{with(verifier.Subject("us")), l.token(nil)},
		{with(verifier.TokenID("us")), l.token(nil)},
		{with(verifier.Nonce("us")), l.token(nil)},
		{with(verifier.MaxAge(time.Minute)), l.token(verifiertest.Claims{"iat": now.Add(-time.Hour).Unix()})},
		{with(verifier.RequireScope("write")), l.token(verifiertest.Claims{"scope": claim("scope")})},
		{with(verifier.ClaimEquals("name", "us")), l.token(nil)},
		{with(verifier.CustomClaims[struct{ Name int }]()), l.token(nil)},
		{with(verifier.Algorithms(verifier.RS256)), l.token(nil)},
		{with(verifier.MaxTokenLength(20)), l.token(nil)},
		{l.verifier(down), l.token(nil)},
		{l.plain, l.issuer.TokenBy(otherKey, nil, verifiertest.Claims{"sub": claim("forged")})},
		{l.plain, shared.Mint(nil, verifiertest.Claims{"sub": claim("confused")})},
	} {
		l.tokens = append(l.tokens, row.raw)
		l.refuse(row.v, row.raw)
		l.refuse(row.v, row.raw, socketio.NeutralMessages())
	}
	raw := l.issuer.TokenBy(verifiertest.NewKey(verifier.EdDSA, "unknown"), nil, nil)
	l.tokens = append(l.tokens, raw)
	l.refuse(l.plain, raw)
}

// otherRefusals are those of proofs, issuers, introspection and the application.
func (l *logged) otherRefusals() {
	proofs, err := dpop.New(dpop.URL("https://chat.test/socket.io/"))
	l.must(err)
	l.refuse(l.verifier(l.provider, verifier.Validate(proofs)), l.token(verifiertest.Claims{"cnf": verifiertest.Claims{"jkt": claim("jkt")}}))
	issuers, err := jwks.IssuersFunc(func(context.Context, string) (bool, error) { return false, errors.New("the database is down") }, jwks.WithLogger(l.logger))
	l.must(err)
	l.refuse(l.verifier(issuers), l.token(nil))
	endpoint, err := introspection.New("https://down.test/introspect", introspection.ClientSecret("id", claim("client secret")),
		introspection.HTTPClient(&http.Client{Transport: unreachable{}}), introspection.WithLogger(l.logger))
	l.must(err)
	opaque, err := verifier.NewOpaque(endpoint)
	l.must(err)
	l.refuse(opaque, claim("opaque"))
	l.refuse(l.plain, l.token(nil), socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) {
		return nil, errors.New("no such user")
	}))
	l.refuse(l.plain, l.token(nil), socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { panic("the user function") }))
}

// sessions are authenticated, renewed, renewed by another user, expired, revoked, gone.
func (l *logged) sessions() {
	live := l.authorizer(l.plain, socketio.ByEvent(), socketio.SessionLimit(2, socketio.EvictOldest))
	enter := func(raws ...string) (*socketio.Guard, *socketio.Session) {
		g := live.Attach(quietSocket{}, &verifier.Handshake{Namespace: "/", RemoteAddr: "192.0.2.2:5"}, nil)
		for _, raw := range raws {
			g.Authenticate(map[string]any{"token": raw})
			synctest.Wait()
		}
		return g, g.Session()
	}
	for i := range 3 { // one too many
		enter(l.token(verifiertest.Claims{"sub": claim("ada"), "n": i}))
	}
	gone, _ := enter(l.token(verifiertest.Claims{"sub": claim("bob")}), l.token(verifiertest.Claims{"sub": claim("bob"), "jti": "another-jti"}))
	gone.Authenticate(map[string]any{"token": l.token(verifiertest.Claims{"sub": claim("mallory")})})
	synctest.Wait()
	gone.Closed()
	_, ended := enter(l.token(verifiertest.Claims{"sub": claim("dan"), "jti": nil}))
	ended.End(errors.New("the application says so"))
	l.must(l.registry.Revoke(l.Context(), socketio.Revocation{Subject: claim("ada")}))
	enter(l.token(verifiertest.Claims{"sub": claim("eve"), "exp": time.Now().Add(time.Minute).Unix()}))
	time.Sleep(time.Hour) // by the clock of the test
}

// logouts are a back-channel logout, and two that are refused.
func (l *logged) logouts() {
	logout, err := socketio.BackChannelLogout(l.verifier(l.provider, verifier.Type("JWT")), l.registry, &socketio.LogoutOptions{Logger: l.logger})
	l.must(err)
	good := l.token(verifiertest.Claims{"sub": claim("sub"), "jti": "logout-jti", "nonce": nil, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"events": verifiertest.Claims{"http://schemas.openid.net/event/backchannel-logout": verifiertest.Claims{}}})
	for _, raw := range []string{good, good, l.token(nil)} {
		request := httptest.NewRequest(http.MethodPost, "/logout", strings.NewReader(url.Values{"logout_token": {raw}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		logout.ServeHTTP(httptest.NewRecorder(), request)
	}
}

// says checks that the log has what it should.
func (l *logged) says() {
	text := l.log.String()
	for _, line := range []string{ // it is a log of something
		`"msg":"socketio: refused"`, `"msg":"socketio: authenticated"`, `"msg":"socketio: renewed"`, `"msg":"socketio: session ended"`,
		`"token":"jti \"the-jti\""`, `"token":"sha256 `, `"msg":"jwks: fetch"`, `"msg":"jwks: failure"`, `"msg":"introspection: the endpoint could not be asked"`,
		`"msg":"socketio: back-channel logout"`, `"msg":"socketio: a back-channel logout was refused"`, `"the user function"`, `"no such user"`,
		`"reason":"session_limit"`, `"reason":"token_revoked"`, `"reason":"token_expired"`, `"reason":"identity_mismatch"`, `"msg":"socketio: revoked","by":"sub","sessions":2`, `"msg":"socketio: session expires soon"`, `"reason":"dpop_scheme_mismatch"`, `"cause":"socketio: the socket was disconnected"`,
	} {
		if !strings.Contains(text, line) {
			l.Errorf("the log lacks %s", line)
		}
	}
	// Each refusal above has a line with its reason.
	if n := strings.Count(text, "socketio: refused"); n < 2*21+6 {
		l.Errorf("%d refusals are logged", n)
	}
}

// hides checks that the log has neither tokens nor what clients said.
func (l *logged) hides() {
	hide := strings.NewReplacer("https://"+mark+"-issuer.test/.well-known/jwks.json", "(the key set's address, which is configuration)",
		`"cause":"iss is \"https://`+mark+`-issuer.test/\", expected`, "(a wrong issuer, which is named)")
	for line := range strings.Lines(hide.Replace(l.log.String())) {
		if strings.Contains(line, mark) {
			l.Errorf("the log has a claim, a cookie, a query or a secret: %s", line)
		}
		for _, raw := range l.tokens {
			for _, part := range strings.Split(raw, ".") {
				if len(part) > 20 && strings.Contains(line, part) {
					l.Errorf("the log has a part of a token: %s", line)
				}
			}
		}
		if strings.Contains(line, "eyJ") {
			l.Errorf("the log has a part of a token: %s", line)
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
