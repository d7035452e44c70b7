package introspection

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// endpoint is an introspection endpoint that is real in small: it wants its
// client's credentials, and knows the tokens it is told of.
type endpoint struct {
	*httptest.Server
	asked atomic.Int64

	mu      sync.Mutex
	answers map[string]func(w http.ResponseWriter)
}

func newEndpoint(t *testing.T) *endpoint {
	others := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, others) }) // once the endpoint and its clients are closed
	e := &endpoint{answers: make(map[string]func(http.ResponseWriter))}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
			r.Header.Get("Accept") != "application/json" || r.URL.RawQuery != "" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		// RFC 6749 §2.3.1 has both encoded before they are put together.
		if (id != "chat%3A1" || secret != "s%C3%A9cret+%26") && r.Header.Get("Authorization") != "Bearer mine" {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		e.mu.Lock()
		answer := e.answers[r.PostFormValue("token")]
		e.mu.Unlock()
		if answer == nil || r.PostFormValue("token_type_hint") != "access_token" {
			answer = says(`{"active":false}`)
		}
		answer(w)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) on(token string, answer func(http.ResponseWriter)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers[token] = answer
}

// client is one that the endpoint knows.
func (e *endpoint) client(t *testing.T, options ...Option) *Client {
	t.Helper()
	c, err := New(e.URL+"/introspect", append([]Option{ClientSecret("chat:1", "sécret &"), HTTPClient(e.Client())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// expect fails unless the endpoint was asked that often.
func (e *endpoint) expect(t *testing.T, asked int64) {
	t.Helper()
	if got := e.asked.Load(); got != asked {
		t.Fatalf("the endpoint was asked %d times, want %d", got, asked)
	}
}

func says(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = io.WriteString(w, body)
	}
}

func fails(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { http.Error(w, "{}", status) }
}

// clock is one that only a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(1_700_000_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

const ada = `{"active":true,"sub":"ada","aud":"chat","scope":"read write","exp":1700000600}`

// TestAnswers: the answers of the endpoint, and their effect on the client.
func TestAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { says(ada)(w) }))
	defer elsewhere.Close()
	for _, row := range []struct {
		name   string
		answer func(http.ResponseWriter)
		reason verifier.Reason
		cause  string
	}{
		{"active", says(ada), "", ""},
		{"inactive", says(`{"active":false}`), verifier.ErrTokenInactive, ""},
		{"inactive, with claims", says(`{"active":false,"sub":"ada","aud":"chat"}`), verifier.ErrTokenInactive, ""},
		{"for another audience", says(`{"active":true,"aud":"billing"}`), verifier.ErrAudienceMismatch, ""},
		{"expired", says(`{"active":true,"aud":"chat","exp":1700000000}`), verifier.ErrTokenExpired, ""},
		{"active twice", says(`{"active":false,"active":true,"aud":"chat"}`), verifier.ErrTokenMalformed, ""},
		{"active in another case", says(`{"Active":true,"aud":"chat"}`), verifier.ErrKeysUnavailable, "does not say"},
		{"active as a string", says(`{"active":"true","aud":"chat"}`), verifier.ErrKeysUnavailable, "does not say"},
		{"active missing", says(`{"aud":"chat"}`), verifier.ErrKeysUnavailable, "does not say"},
		{"exp as a string", says(`{"active":true,"aud":"chat","exp":"1700000600"}`), verifier.ErrKeysUnavailable, "not a number"},
		{"null", says(`null`), verifier.ErrKeysUnavailable, "not a JSON object"},
		{"a list", says(`[{"active":true}]`), verifier.ErrKeysUnavailable, "not a JSON object"},
		{"nothing", says(``), verifier.ErrKeysUnavailable, "not a JSON object"},
		{"something behind it", says(ada + `{}`), verifier.ErrKeysUnavailable, "not a JSON object"},
		{"as long as it may be", says(ada + strings.Repeat(" ", maxSize-len(ada))), "", ""},
		{"oversize", says(ada + strings.Repeat(" ", maxSize)), verifier.ErrKeysUnavailable, "bytes"},
		{"another type", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, ada)
		}, verifier.ErrKeysUnavailable, "text/html"},
		{"our credentials refused", fails(http.StatusUnauthorized), verifier.ErrKeysUnavailable, "401"},
		{"its own error", fails(http.StatusInternalServerError), verifier.ErrKeysUnavailable, "500"},
		{"no content", fails(http.StatusNoContent), verifier.ErrKeysUnavailable, "204"},
		{"a redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, verifier.ErrKeysUnavailable, "307"},
		{"cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, ada)
		}, verifier.ErrKeysUnavailable, "breaks off"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, at := newEndpoint(t), newClock()
			e.on("opaque", row.answer)
			v, err := verifier.NewOpaque(e.client(t, WithClock(at.now)), verifier.Audience("chat"), verifier.WithClock(at.now))
			if err != nil {
				t.Fatal(err)
			}
			token, err := v.Authenticate(t.Context(), &verifier.Handshake{Auth: map[string]any{"token": "opaque"}})
			if row.reason == "" {
				if err != nil || token.Subject != "ada" || token.Raw() != "opaque" || len(token.Scopes()) != 2 {
					t.Fatalf("got %v, %v", token, err)
				}
				return
			}
			u := verifier.AsUnauthorized(err)
			if u == nil || u.Reason != row.reason || u.Retryable != (row.reason == verifier.ErrKeysUnavailable) {
				t.Fatalf("got %#v, want %s", u, row.reason)
			}
			if !strings.Contains(err.Error(), row.cause) {
				t.Fatalf("the cause is %v, want %q", u.Err, row.cause)
			}
			shown, _ := json.Marshal(u)
			for _, secret := range []string{e.URL, "opaque", "s%C3%A9cret"} {
				if strings.Contains(string(shown), secret) {
					t.Errorf("the client is shown %s", shown)
				}
			}
		})
	}
}

// TestRFC7662 has the example of RFC 7662 §2.2.
func TestRFC7662(t *testing.T) {
	at, e := newClock(), newEndpoint(t)
	at.at.Store(1419356237_000)
	e.on("2YotnFZFEjr1zCsicMWpAA", says(`{
      "active": true,
      "client_id": "l238j323ds-23ij4",
      "username": "jdoe",
      "scope": "read write dolphin",
      "sub": "Z5O3upPC88QrAjx00dis",
      "aud": "https://protected.example.net/resource",
      "iss": "https://server.example.com/",
      "exp": 1419356238,
      "iat": 1419350238,
      "extension_field": "twenty-seven"
     }`))
	v, err := verifier.NewOpaque(e.client(t, WithClock(at.now)), verifier.WithClock(at.now), verifier.RequireScope("dolphin"),
		verifier.Audience("https://protected.example.net/resource"), verifier.Issuer("https://server.example.com/"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := v.Verify(t.Context(), "2YotnFZFEjr1zCsicMWpAA")
	if err != nil || token.Subject != "Z5O3upPC88QrAjx00dis" {
		t.Errorf("got %v, %v", token, err)
	}
	at.advance(time.Second)
	if _, err := v.Verify(t.Context(), "2YotnFZFEjr1zCsicMWpAA"); !errors.Is(err, verifier.ErrTokenExpired) {
		t.Errorf("at its exp: %v", err)
	}
}

func TestAuthentication(t *testing.T) {
	e := newEndpoint(t)
	e.on("t", says(ada))
	ask := func(options ...Option) error {
		c, err := New(e.URL, append(options, HTTPClient(e.Client()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Introspect(t.Context(), "t")
		return err
	}
	if err := ask(ClientSecret("chat:1", "sécret &")); err != nil {
		t.Error(err)
	}
	if err := ask(BearerToken(func(context.Context) (string, error) { return "mine", nil })); err != nil {
		t.Error(err)
	}
	if err := ask(ClientSecret("chat:1", "wrong")); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong secret: %v", err)
	}
	e.asked.Store(0)
	if err := ask(BearerToken(func(context.Context) (string, error) { return "", errors.New("no token today") })); err == nil || !strings.Contains(err.Error(), "no token today") {
		t.Errorf("no access token: %v", err)
	}
	e.expect(t, 0)
}

// TestLog: the log names tokens by a hash, and says neither them nor what they
// claim.
func TestLog(t *testing.T) {
	var log strings.Builder
	e := newEndpoint(t)
	const token = "a-very-secret-token"
	e.on(token, says(ada))
	c := e.client(t, TTL(0), WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if _, err := c.Introspect(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	e.on(token, fails(http.StatusServiceUnavailable))
	if _, err := c.Introspect(t.Context(), token); err == nil {
		t.Fatal("no error")
	}
	name := fmt.Sprintf(`token="sha256 %x"`, sha256.Sum256([]byte(token)))[:len(`token="sha256 `)+12] + `"`
	for _, want := range []string{
		`level=DEBUG msg="introspection: the endpoint answered" ` + name + " active=true\n",
		`level=WARN msg="introspection: the endpoint could not be asked" ` + name + ` error="introspection: the endpoint answers with status 503: expected 200"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	for _, secret := range []string{token, "ada", "s%C3%A9cret", "sécret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log.String())
		}
	}
}

// TestWarnings: a failure is a warning once a second, for all tokens together, and
// an outage is one warning when it begins.
func TestWarnings(t *testing.T) {
	var log strings.Builder
	at := newClock()
	c := answering(t, func(context.Context, string) (int, string) { return 500, "" }, WithClock(at.now), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	asked := 0
	fail := func(n int) (failures, outages int) {
		t.Helper()
		log.Reset()
		for range n {
			asked++
			if _, err := c.Introspect(t.Context(), fmt.Sprint(asked)); err == nil {
				t.Fatal("no error")
			}
		}
		return strings.Count(log.String(), "could not be asked"), strings.Count(log.String(), "the endpoint is down")
	}
	for _, row := range []struct {
		name                 string
		later                time.Duration
		n, failures, outages int
	}{
		{"two tokens are not an outage", 0, 2, 1, 0},
		{"less than a second later", time.Second - time.Millisecond, 1, 0, 1},
		{"a second later", time.Millisecond, 3, 1, 0},
		{"the clock was set back", -time.Minute, 2, 1, 0},
	} {
		at.advance(row.later)
		if failures, outages := fail(row.n); failures != row.failures || outages != row.outages {
			t.Errorf("%s: %d and %d warnings, want %d and %d", row.name, failures, outages, row.failures, row.outages)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMisconfigured(t *testing.T) {
	ok := ClientSecret("id", "secret")
	const url = "https://login.example/introspect"
	for _, row := range []struct {
		word, url string
		options   []Option
	}{
		{"authenticates its clients", url, nil},
		{"must be https", "ftp://login.example/", []Option{ok}},
		{"must be https", "http://login.example/", []Option{ok, InsecureAllowHTTP()}},
		{"must be https", "http://192.0.2.1/", []Option{ok, InsecureAllowHTTP()}},
		{"InsecureAllowHTTP", "http://127.0.0.1/", []Option{ok}},
		{"without user", "https://u:p@login.example/", []Option{ok}},
		{"without user", "https://login.example/#x", []Option{ok}},
		{"without user", "introspect", []Option{ok}},
		{"not a URL", "https://%zz", []Option{ok}},
		{"ClientSecret", url, []Option{ClientSecret("", "x")}},
		{"ClientSecret", url, []Option{ClientSecret("x", "")}},
		{"BearerToken", url, []Option{BearerToken(nil)}},
		{"not both", url, []Option{ok, BearerToken(func(context.Context) (string, error) { return "", nil })}},
		{"not both", url, []Option{ok, ok}},
		{"HTTPClient", url, []Option{HTTPClient(nil)}},
		{"TTL", url, []Option{ok, TTL(-1)}},
		{"TTL", url, []Option{ok, TTL(time.Hour + 1)}},
		{"MaxStale", url, []Option{ok, MaxStale(-1)}},
		{"MaxStale", url, []Option{ok, MaxStale(24*time.Hour + 1)}},
		{"CacheSize", url, []Option{ok, CacheSize(0)}},
		{"TTL is given twice", url, []Option{ok, TTL(1), TTL(2)}},
		{"MaxStale is given twice", url, []Option{ok, MaxStale(1), MaxStale(2)}},
		{"CacheSize is given twice", url, []Option{ok, CacheSize(1), CacheSize(2)}},
		{"HTTPClient is given twice", url, []Option{ok, HTTPClient(http.DefaultClient), HTTPClient(http.DefaultClient)}},
		{"WithClock", url, []Option{ok, WithClock(nil)}},
		{"WithLogger", url, []Option{ok, WithLogger(nil)}},
		{"an option is nil", url, []Option{nil}},
	} {
		if _, err := New(row.url, row.options...); err == nil || !strings.Contains(err.Error(), row.word) {
			t.Errorf("%s: got %v, want an error with %q", row.url, err, row.word)
		}
	}
	if _, err := New("http://[::1]:8080/introspect", ok, InsecureAllowHTTP(), TTL(time.Hour), MaxStale(0)); err != nil {
		t.Error(err)
	}
	if _, err := New(url, ok, TTL(0), MaxStale(24*time.Hour)); err != nil {
		t.Error(err)
	}
}

// FuzzParse: only an answer that says so makes a token active, and the verifier
// can read it or refuses it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{ada, `{"active":false}`, `{"active":true,"exp":1e400}`, `{"active":true,"exp":-1}`, `{"ACTIVE":true}`, `[]`, ``, `{"active":true,"active":false}`, `{"active":true,"exp":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		claims, _, err := parse(body)
		if err != nil && claims != nil {
			t.Fatal("claims and an error")
		}
		v, verr := verifier.NewOpaque(verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
			if err != nil || claims == nil {
				return nil, verifier.Inactive(err)
			}
			return claims, nil
		}))
		if verr != nil {
			t.Fatal(verr)
		}
		token, verr := v.Verify(context.Background(), "x")
		if verr != nil {
			return
		}
		var said struct {
			Active bool `json:"active"`
		}
		if err := token.Claims(&said); err != nil || !said.Active {
			t.Fatalf("%q is taken for active (%v)", body, err)
		}
	})
}
