package httpauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

var quiet = socketio.WithLogger(slog.New(slog.DiscardHandler))

// fixture is an issuer, a verifier as sockets have one, and a registry.
type fixture struct {
	issuer   *verifiertest.Issuer
	verifier *verifier.Verifier
	registry *socketio.Registry
}

func newFixture(t testing.TB, options ...verifier.Option) *fixture {
	t.Helper()
	f := &fixture{issuer: verifiertest.NewIssuer("https://login.example/"), registry: socketio.NewRegistry(nil)}
	extractor := verifier.OneOf(verifier.DefaultExtractor(), verifier.Cookie("session"))
	options = append([]verifier.Option{verifier.Issuer(f.issuer.URL()), verifier.Audience("chat"), verifier.WithExtractor(extractor)}, options...)
	var err error
	if f.verifier, err = verifier.New(f.issuer, options...); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) token(claims verifiertest.Claims) string {
	all := verifiertest.Claims{"sub": "ada", "aud": "chat"}
	for name, value := range claims {
		all[name] = value
	}
	return f.issuer.Token(all)
}

func guard(t testing.TB, auth socketio.Authenticator, r *socketio.Registry, o *httpauth.Options) *httpauth.Guard {
	t.Helper()
	if o == nil {
		o = &httpauth.Options{}
	}
	o.Policy = append([]socketio.Option{quiet}, o.Policy...)
	g, err := httpauth.New(auth, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// whoami answers with the token's subject.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if token := httpauth.Token(r.Context()); token != nil {
		_, _ = io.WriteString(w, token.Subject)
	} else {
		_, _ = io.WriteString(w, "a guest")
	}
})

// ask makes a request; headers are given as name, value, ...
func ask(h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestRequests: how the handler answers requests, by the place and claims of their token.
func TestRequests(t *testing.T) {
	f := newFixture(t)
	good := f.token(nil)
	for _, row := range []struct {
		name      string
		options   httpauth.Options
		method    string
		query     string
		headers   []string
		status    int
		body      string // of 200; otherwise the reason
		challenge string
	}{
		{name: "a good token", headers: []string{"Authorization", "Bearer " + good}, status: 200, body: "ada"},
		{name: "the scheme in any case", headers: []string{"Authorization", "bearer " + good}, status: 200, body: "ada"},
		{name: "nothing", status: 401, body: "token_missing", challenge: `Bearer`},
		{name: "nothing, with a realm", options: httpauth.Options{Realm: "chat"}, status: 401, body: "token_missing", challenge: `Bearer realm="chat"`},
		{name: "another scheme", headers: []string{"Authorization", "Basic YTpi"}, status: 401, body: "token_missing", challenge: `Bearer`},
		{name: "no token behind the scheme", headers: []string{"Authorization", "Bearer "}, status: 400, body: "token_malformed", challenge: `Bearer error="invalid_request", error_description="Format is Authorization: Bearer [token]"`},
		{name: "two tokens", headers: []string{"Authorization", "Bearer " + good, "Cookie", "session=x"}, status: 400, body: "token_conflict", challenge: `Bearer error="invalid_request", error_description="more than one token provided"`},
		{name: "no JWT", headers: []string{"Authorization", "Bearer x"}, status: 401, body: "token_malformed", challenge: `Bearer error="invalid_token", error_description="jwt malformed"`},
		{name: "an expired token", headers: []string{"Authorization", "Bearer " + f.token(verifiertest.Claims{"exp": 1})}, status: 401, body: "token_expired", challenge: `Bearer error="invalid_token", error_description="jwt expired"`},
		{name: "another audience", headers: []string{"Authorization", "Bearer " + f.token(verifiertest.Claims{"aud": "mail"})}, status: 401, body: "audience_mismatch", challenge: `Bearer error="invalid_token", error_description="jwt audience invalid. expected: chat"`},
		{name: "the query", query: "?token=" + good, status: 401, body: "token_missing", challenge: `Bearer`},
		{name: "the query, allowed", options: httpauth.Options{InsecureAllowQuery: true}, query: "?token=" + good, status: 200, body: "ada"},
		{name: "DPoP is announced", options: httpauth.Options{DPoPAlgorithms: []verifier.Algorithm{verifier.ES256, verifier.EdDSA}}, status: 401, body: "token_missing", challenge: `Bearer | DPoP algs="ES256 EdDSA"`},

		// Cookies come with the requests of any page.
		{name: "a cookie", headers: []string{"Cookie", "session=" + good}, status: 200, body: "ada"},
		{name: "a cookie, POST from the own origin", method: "POST", headers: []string{"Cookie", "session=" + good, "Sec-Fetch-Site", "same-origin"}, status: 200, body: "ada"},
		{name: "a cookie, POST from the own origin, of an old browser", method: "POST", headers: []string{"Cookie", "session=" + good, "Origin", "http://example.com"}, status: 200, body: "ada"},
		{name: "a cookie, POST from another origin", method: "POST", headers: []string{"Cookie", "session=" + good, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, status: 403, body: "cross_origin"},
		{name: "a cookie, POST from another origin, of an old browser", method: "POST", headers: []string{"Cookie", "session=" + good, "Origin", "https://evil.example"}, status: 403, body: "cross_origin"},
		{name: "a cookie, DELETE from a sibling", method: "DELETE", headers: []string{"Cookie", "session=" + good, "Sec-Fetch-Site", "same-site"}, status: 403, body: "cross_origin"},
		{name: "a cookie, POST from a sandboxed page", method: "POST", headers: []string{"Cookie", "session=" + good, "Origin", "null"}, status: 403, body: "cross_origin"},
		{name: "a cookie, POST from a trusted origin", options: httpauth.Options{TrustedOrigins: []string{"https://app.example"}}, method: "POST", headers: []string{"Cookie", "session=" + good, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, status: 200, body: "ada"},
		{name: "a header, POST from another origin", method: "POST", headers: []string{"Authorization", "Bearer " + good, "Origin", "https://app.example"}, status: 200, body: "ada"},

		{name: "a guest", options: httpauth.Options{Policy: []socketio.Option{socketio.Optional()}}, status: 200, body: "a guest"},
		{name: "a guest with a bad token", options: httpauth.Options{Policy: []socketio.Option{socketio.Optional()}}, headers: []string{"Authorization", "Bearer x"}, status: 401, body: "token_malformed", challenge: `Bearer error="invalid_token", error_description="jwt malformed"`},
		{name: "what was expected is kept secret", options: httpauth.Options{Policy: []socketio.Option{socketio.NeutralMessages()}}, headers: []string{"Authorization", "Bearer " + f.token(verifiertest.Claims{"aud": "mail"})}, status: 401, body: "audience_mismatch", challenge: `Bearer error="invalid_token", error_description="jwt audience invalid"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := guard(t, f.verifier, f.registry, &row.options).Require(whoami)
			if row.method == "" {
				row.method = "GET"
			}
			w := ask(h, row.method, "http://example.com/"+row.query, row.headers...)
			check(t, w, row.status, row.body, row.challenge)
		})
	}
}

// check compares an answer with what was expected: of a refusal the reason.
func check(t *testing.T, w *httptest.ResponseRecorder, status int, body, challenge string) {
	t.Helper()
	got := w.Body.String()
	if w.Code != http.StatusOK {
		var refusal struct{ Reason, Type string }
		if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || refusal.Type != "UnauthorizedError" {
			t.Errorf("the body is %q: %v", got, err)
		}
		got = refusal.Reason
		if cache := w.Header().Get("Cache-Control"); cache != "no-store" {
			t.Errorf("Cache-Control is %q", cache)
		}
	}
	if w.Code != status || got != body {
		t.Errorf("the answer is %d %q, want %d %q", w.Code, got, status, body)
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		t.Errorf("Retry-After is %q with %d", retry, status)
	}
	if all := strings.Join(w.Header().Values("WWW-Authenticate"), " | "); all != challenge {
		t.Errorf("WWW-Authenticate is %s\nwant %s", all, challenge)
	}
}

// TestRefusals: the status of each kind of refusal, whatever authenticator it is of.
func TestRefusals(t *testing.T) {
	refusal := func(code string, reason verifier.Reason, retryable bool) error {
		return &verifier.UnauthorizedError{Code: code, Message: `a "message"`, Reason: reason, Retryable: retryable}
	}
	nonce := &verifier.UnauthorizedError{Code: dpop.CodeUseNonce, Message: "nonce", Reason: dpop.ErrUseNonce, Retryable: true, Nonce: "n-1"}
	for _, row := range []struct {
		name      string
		err       error
		panics    bool
		status    int
		reason    string
		challenge string
		header    [2]string
	}{
		{name: "keys unavailable", err: refusal(verifier.CodeInvalidSecret, verifier.ErrKeysUnavailable, true), status: 503, reason: "keys_unavailable", header: [2]string{"Retry-After", "5"}},
		{name: "a scope is missing", err: refusal(verifier.CodeInvalidToken, verifier.ErrScopeMismatch, false), status: 403, reason: "insufficient_scope", challenge: `Bearer error="insufficient_scope", error_description="a  message "`},
		{name: "a message of all kinds of characters", err: &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: " !#[]~\x1f\x7f\"\\é\n", Reason: verifier.ErrTokenExpired}, status: 401, reason: "token_expired", challenge: `Bearer error="invalid_token", error_description=" !#[]~      "`},
		{name: "the application says no", err: errors.New("not today"), status: 403, reason: "rejected", challenge: `Bearer`},
		{name: "the application cannot tell now", err: &verifier.UnauthorizedError{Message: "later", Retryable: true}, status: 503, reason: "rejected", header: [2]string{"Retry-After", "5"}},
		{name: "the application says why", err: &verifier.UnauthorizedError{Message: "banned", Reason: "banned"}, status: 403, reason: "banned", challenge: "Bearer"},
		{name: "a policy says no", err: refusal("forbidden", socketio.ErrForbidden, false), status: 403, reason: "forbidden", challenge: "Bearer"},
		{name: "a panic", panics: true, status: 500, reason: "server_error"},
		{name: "a DPoP nonce", err: nonce, status: 401, reason: "use_dpop_nonce", challenge: `DPoP error="use_dpop_nonce", error_description="nonce"`, header: [2]string{"Dpop-Nonce", "n-1"}},
		{name: "a bad DPoP proof", err: refusal(dpop.CodeInvalidProof, dpop.ErrProofInvalid, false), status: 401, reason: "dpop_proof_invalid", challenge: `DPoP error="invalid_dpop_proof", error_description="a  message "`},
		{name: "no DPoP proof", err: refusal(verifier.CodeInvalidToken, dpop.ErrProofMissing, false), status: 401, reason: "dpop_proof_missing", challenge: `DPoP error="invalid_token", error_description="a  message "`},
		{name: "DPoP out of reach", err: refusal("temporarily_unavailable", dpop.ErrUnavailable, true), status: 503, reason: "dpop_unavailable", header: [2]string{"Retry-After", "5"}},
		{name: "neither a token nor an error", status: 403, reason: "rejected", challenge: "Bearer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			auth := socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
				if row.panics {
					panic("oops")
				}
				return nil, row.err
			})
			reached := false
			h := guard(t, auth, socketio.NewRegistry(nil), nil).Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			w := ask(h, "GET", "/")
			if reached {
				t.Error("the handler was reached")
			}
			check(t, w, row.status, row.reason, row.challenge)
			if row.header[0] != "" && w.Header().Get(row.header[0]) != row.header[1] {
				t.Errorf("%s is %q", row.header[0], w.Header().Get(row.header[0]))
			}
		})
	}
}

// TestEveryReason: each reason of this module has a status, for good and as a retryable
// one. A token that another could replace is 401, what no token changes is 403.
func TestEveryReason(t *testing.T) {
	api, err := os.ReadFile("../../docs/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	others := map[string][2]int{
		"insufficient_scope": {403, 503}, "rejected": {403, 503}, "forbidden": {403, 503}, "cross_origin": {403, 503},
		"server_error": {500, 503}, "too_many_attempts": {429, 429},
	}
	reasons := regexp.MustCompile(`(?m) Reason = "(\w+)"$|verifier\.Reason = "(\w+)"$`).FindAllStringSubmatch(string(api), -1)
	if len(reasons) < 40 {
		t.Fatalf("api.txt has %d reasons", len(reasons))
	}
	for _, m := range reasons {
		reason := m[1] + m[2]
		want, other := others[reason]
		if !other {
			want = [2]int{401, 503}
		}
		for i, retryable := range []bool{false, true} {
			auth := socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
				return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "no", Reason: verifier.Reason(reason), Retryable: retryable}
			})
			w := ask(guard(t, auth, socketio.NewRegistry(nil), nil).Require(whoami), "GET", "/")
			if w.Code != want[i] {
				t.Errorf("%s, retryable %v: %d, want %d", reason, retryable, w.Code, want[i])
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (w.Code == 401 || w.Code == 403 && reason != "cross_origin") {
				t.Errorf("%s: WWW-Authenticate %q with %d", reason, w.Header().Get("WWW-Authenticate"), w.Code)
			}
		}
	}
}

// TestRevocation: what ends a session refuses the requests of its token, too.
func TestRevocation(t *testing.T) {
	f := newFixture(t)
	h := guard(t, f.verifier, f.registry, nil).Require(whoami)
	ada := []string{"Authorization", "Bearer " + f.token(nil)}
	bob := []string{"Authorization", "Bearer " + f.token(verifiertest.Claims{"sub": "bob"})}
	check(t, ask(h, "GET", "/", ada...), 200, "ada", "")
	if err := f.registry.Revoke(t.Context(), socketio.Revocation{Issuer: f.issuer.URL(), Subject: "ada"}); err != nil {
		t.Fatal(err)
	}
	check(t, ask(h, "GET", "/", ada...), 401, "token_revoked", `Bearer error="invalid_token", error_description="jwt revoked"`)
	check(t, ask(h, "GET", "/", bob...), 200, "bob", "")
}

// lost is a store that nobody can reach.
type lost struct{}

func (lost) Put(context.Context, socketio.Revocation) error { return errors.New("lost") }
func (lost) Follow(context.Context, func(socketio.Revocation), func()) error {
	return errors.New("lost")
}

// TestStoreLost: the handler admits nobody while it cannot read the revocations.
func TestStoreLost(t *testing.T) {
	f := newFixture(t)
	registry := socketio.NewRegistry(&socketio.RegistryOptions{Store: lost{}, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = registry.Close() })
	h := guard(t, f.verifier, registry, nil).Require(whoami)
	w := ask(h, "GET", "/", "Authorization", "Bearer "+f.token(nil))
	check(t, w, 503, "revocations_unavailable", "")
	if w.Header().Get("Retry-After") == "" {
		t.Error("the client is not told when to come back")
	}
}

// TestTooManyForged: who presents forged tokens is limited as sockets are.
func TestTooManyForged(t *testing.T) {
	f := newFixture(t)
	h := guard(t, f.verifier, f.registry, &httpauth.Options{Policy: []socketio.Option{socketio.MaxFailures(2, 0)}}).Require(whoami)
	var w *httptest.ResponseRecorder
	for range 4 {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.Header.Set("Authorization", "Bearer x.y.z")
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
	}
	check(t, w, 429, "too_many_attempts", "")
}

// TestScopes: a route may ask for more than the guard.
func TestScopes(t *testing.T) {
	f := newFixture(t)
	route := httpauth.RequireScope("chat:read", "chat:write")(whoami)
	h := guard(t, f.verifier, f.registry, &httpauth.Options{Policy: []socketio.Option{socketio.Optional()}}).Require(route)
	bearer := func(scope string) []string {
		return []string{"Authorization", "Bearer " + f.token(verifiertest.Claims{"scope": scope})}
	}
	check(t, ask(h, "GET", "/", bearer("chat:write chat:read more")...), 200, "ada", "")
	check(t, ask(h, "GET", "/", bearer("chat:read")...), 403, "insufficient_scope",
		`Bearer error="insufficient_scope", error_description="insufficient scope", scope="chat:read chat:write"`)
	check(t, ask(h, "GET", "/"), 401, "token_missing", "Bearer")
	if w := ask(route, "GET", "/", bearer("chat:read chat:write")...); w.Code != http.StatusInternalServerError {
		t.Errorf("behind no guard: %d", w.Code)
	}
	if w := ask(guard(t, f.verifier, f.registry, nil).Require(httpauth.RequireScope()(whoami)), "GET", "/", bearer("x")...); w.Code != http.StatusInternalServerError {
		t.Errorf("no scopes: %d", w.Code)
	}
}

// TestUser: the application's function maps the token, and may refuse it.
func TestUser(t *testing.T) {
	f := newFixture(t)
	user := socketio.User(func(_ context.Context, token *verifier.Token, _ *verifier.Handshake) (any, error) {
		if token.Subject == "mallory" {
			return nil, errors.New("blocked")
		}
		return "user " + token.Subject, nil
	})
	h := guard(t, f.verifier, f.registry, &httpauth.Options{Policy: []socketio.Option{user}}).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, httpauth.User(r.Context()).(string))
	}))
	check(t, ask(h, "GET", "/", "Authorization", "Bearer "+f.token(nil)), 200, "user ada", "")
	check(t, ask(h, "GET", "/", "Authorization", "Bearer "+f.token(verifiertest.Claims{"sub": "mallory"})), 403, "rejected", "Bearer")
	if httpauth.Token(t.Context()) != nil || httpauth.User(t.Context()) != nil {
		t.Error("a context without a guard has a token")
	}
}

// TestSlow: an authenticator that takes too long is not a verdict about the token.
func TestSlow(t *testing.T) {
	auth := socketio.AuthenticatorFunc(func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	h := guard(t, auth, socketio.NewRegistry(nil), &httpauth.Options{Policy: []socketio.Option{socketio.Timeout(time.Millisecond)}}).Require(whoami)
	check(t, ask(h, "GET", "/"), 503, "authentication_timeout", "")
}

func TestMisuse(t *testing.T) {
	f := newFixture(t)
	for name, make := range map[string]func() error{
		"no authenticator": func() error { _, err := httpauth.New(nil, f.registry, nil); return err },
		"no registry":      func() error { _, err := httpauth.New(f.verifier, nil, nil); return err },
		"an origin with a path": func() error {
			_, err := httpauth.New(f.verifier, f.registry, &httpauth.Options{TrustedOrigins: []string{"https://app.example/x"}})
			return err
		},
		"a realm with a quote": func() error {
			_, err := httpauth.New(f.verifier, f.registry, &httpauth.Options{Realm: `a"b`})
			return err
		},
		"a realm with a backslash": func() error {
			_, err := httpauth.New(f.verifier, f.registry, &httpauth.Options{Realm: `a\b`})
			return err
		},
		"another registry": func() error {
			_, err := httpauth.New(f.verifier, f.registry, &httpauth.Options{Policy: []socketio.Option{socketio.WithRegistry(socketio.NewRegistry(nil))}})
			return err
		},
		"by event": func() error {
			_, err := httpauth.New(f.verifier, f.registry, &httpauth.Options{Policy: []socketio.Option{socketio.ByEvent()}})
			return err
		},
	} {
		if err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
