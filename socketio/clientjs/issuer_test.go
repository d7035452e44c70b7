package clientjs_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// issuer is a token endpoint that can fail, and the verifier of its tokens, which
// notes what is presented.
type issuer struct {
	http     *httptest.Server
	secret   []byte
	verifier *verifier.Verifier

	mu        sync.Mutex // guards the rest
	lifetime  time.Duration
	more      string          // further claims, such as `,"nbf":4e9`
	down      bool            // the endpoint answers 503
	slow      chan struct{}   // an answer waits until it is closed; nil for none
	loggedOut map[string]bool // users who get 401
	frozen    map[string]string
	opaque    map[string]string // the JWTs of opaque tokens; nil to hand out JWTs
	active    map[string]int    // calls under way by user
	overlaps  int               // calls that began while another of the user was under way
	calls     []*call
	presented []presentation
}

// call is one call of getToken: the id of its token is its place in the list.
type call struct {
	at             time.Time
	user, reason   string
	expires        time.Time
	timesPresented int
}

type presentation struct {
	at   time.Time
	call *call
	err  error
}

func newIssuer(t testing.TB, lifetime time.Duration) *issuer {
	t.Helper()
	i := &issuer{
		secret: []byte("a secret of the tests of clientjs, for HS256"), lifetime: lifetime,
		loggedOut: make(map[string]bool), frozen: make(map[string]string), active: make(map[string]int),
	}
	key, err := verifier.NewKey(i.secret, verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i.verifier, err = verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{key}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	i.http = httptest.NewServer(i)
	t.Cleanup(i.http.Close)
	return i
}

// tokens is the address of a user's tokens.
func (i *issuer) tokens(user string) string { return i.http.URL + "/?user=" + user }

// set changes how the endpoint behaves.
func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	user := r.FormValue("user")
	i.mu.Lock()
	if i.active[user]++; i.active[user] > 1 {
		i.overlaps++
	}
	slow := i.slow
	i.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-r.Context().Done():
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.active[user]--
	c := &call{at: time.Now(), user: user, reason: r.FormValue("reason")}
	if ms, err := strconv.ParseInt(r.FormValue("at"), 10, 64); err == nil {
		c.at = time.UnixMilli(ms) // by the clock that the client reports with: a busy machine may serve the call late
	}
	i.calls = append(i.calls, c)
	switch {
	case i.down:
		http.Error(w, "down", http.StatusServiceUnavailable)
	case i.loggedOut[user]:
		http.Error(w, "log in", http.StatusUnauthorized)
	case i.frozen[user] != "":
		fmt.Fprint(w, i.frozen[user])
	default:
		token := i.mint(c, len(i.calls)-1)
		if i.opaque != nil {
			name := fmt.Sprint("opaque", len(i.calls))
			i.opaque[name], token = token, name
		}
		fmt.Fprint(w, token)
	}
}

// mint signs a token. Its exp has a fraction (RFC 7519 §2), so that short tokens
// live as long as they say. The caller holds mu.
func (i *issuer) mint(c *call, id int) string {
	now := time.Now()
	c.expires = now.Add(i.lifetime)
	claims := fmt.Sprintf(`{"sub":%q,"jti":"%d","iat":%.3f,"exp":%.3f%s}`, c.user, id, seconds(now), seconds(c.expires), i.more)
	e := base64.RawURLEncoding
	input := e.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + e.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, i.secret)
	mac.Write([]byte(input))
	return input + "." + e.EncodeToString(mac.Sum(nil))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Authenticate is the verifier's, and notes the token.
func (i *issuer) Authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	raw, extractErr := verifier.DefaultExtractor().Extract(ctx, h)
	i.mu.Lock()
	if jwt := i.opaque[raw]; jwt != "" {
		raw = jwt
	}
	i.mu.Unlock()
	t, err := i.verifier.Verify(ctx, raw)
	i.mu.Lock()
	defer i.mu.Unlock()
	p := presentation{at: time.Now(), err: err}
	var claims struct {
		JTI int `json:"jti,string"`
	}
	parts := strings.Split(raw, ".")
	if extractErr == nil && len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(payload, &claims) == nil {
			p.call = i.calls[claims.JTI]
			p.call.timesPresented++
		}
	}
	i.presented = append(i.presented, p)
	return t, err
}

var _ socketio.Authenticator = (*issuer)(nil)

// check fails where a token was presented that was stale or had been presented
// before, or where two getToken ran at once. shared says that tabs may present
// each other's.
func (i *issuer) check(t testing.TB, shared bool) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.presented) == 0 {
		t.Error("no token was presented: the test shows nothing")
	}
	for n, p := range i.presented {
		switch {
		case p.call == nil:
			t.Errorf("presentation %d is not a token of the issuer: %v", n, p.err)
		case p.at.After(p.call.expires):
			t.Errorf("a token was presented %v after it had expired", p.at.Sub(p.call.expires))
		case p.call.timesPresented > 1 && !shared:
			t.Errorf("a token (%s) was presented %d times", p.call.reason, p.call.timesPresented)
		}
	}
	if i.overlaps > 0 {
		t.Errorf("%d calls of getToken began while another was under way", i.overlaps)
	}
}

// attempts are the calls of getToken for connections, not renewals.
func (i *issuer) attempts(user string) []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	var at []time.Time
	for _, c := range i.calls {
		if c.user == user && c.reason != "renew" {
			at = append(at, c.at)
		}
	}
	return at
}

// renewals is how many tokens were presented that were fetched to renew.
func (i *issuer) renewals() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for _, p := range i.presented {
		if p.call != nil && p.call.reason == "renew" && p.err == nil {
			n++
		}
	}
	return n
}
