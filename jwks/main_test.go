package jwks_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an issuer in memory, a provider of its keys, and what was told of
// them, under a virtual clock (synctest).
type world struct {
	t        testing.TB
	issuer   *verifiertest.Issuer
	key      *verifiertest.Key // its first
	provider *jwks.Provider
	verifier *verifier.Verifier

	mu     sync.Mutex
	events []jwks.Event
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newWorld makes a provider by URL, with the options.
func newWorld(t testing.TB, options ...jwks.Option) *world {
	t.Helper()
	key := verifiertest.NewKey(verifier.EdDSA, "key-1")
	w := &world{t: t, issuer: verifiertest.NewIssuer("https://issuer.test/", key), key: key}
	w.provider = w.another(options...)
	w.verifier = w.verifierOf(w.provider)
	return w
}

// another makes one more provider of the issuer.
func (w *world) another(options ...jwks.Option) *jwks.Provider {
	w.t.Helper()
	return made(w.t)(jwks.URL(w.issuer.JWKSURL(), append([]jwks.Option{
		jwks.HTTPClient(w.issuer.Client()), jwks.WithLogger(quiet), jwks.OnEvent(w.record),
	}, options...)...))
}

func (w *world) record(e jwks.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// told returns the kinds of events so far.
func (w *world) told() string {
	synctest.Wait() // they are told after those who wait for the fetch go on
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (w *world) lastEvent(kind jwks.EventKind) jwks.Event {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.events) - 1; i >= 0; i-- {
		if w.events[i].Kind == kind {
			return w.events[i]
		}
	}
	w.t.Fatalf("no event %q was told", kind)
	return jwks.Event{}
}

func (w *world) verifierOf(p verifier.KeyProvider) *verifier.Verifier {
	w.t.Helper()
	v, err := verifier.New(p, verifier.IgnoreExpiration())
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// made fails the test if the provider could not be made.
func made(t testing.TB) func(*jwks.Provider, error) *jwks.Provider {
	return func(p *jwks.Provider, err error) *jwks.Provider {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// verify verifies a token that comes from the remote address.
func (w *world) verify(raw, remote string) error {
	return from(w.verifier, raw, remote)
}

func from(v *verifier.Verifier, raw, remote string) error {
	_, err := v.Authenticate(context.Background(), &verifier.Handshake{
		Query: map[string][]string{"token": {raw}}, RemoteAddr: remote,
	})
	return err
}

// good checks that a new token of the issuer verifies.
func (w *world) good(what string) {
	w.t.Helper()
	if err := w.verify(w.issuer.Token(nil), "192.0.2.1:1000"); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
}

// refused checks that a token of the key is refused for the reason.
func (w *world) refused(what string, key *verifiertest.Key, reason verifier.Reason) {
	w.t.Helper()
	refusedFor(w.t, what, w.verify(w.issuer.TokenBy(key, nil, nil), "192.0.2.1:1000"), reason)
}

// refusedFor checks the class of a refusal, and that only an outage is retryable
// and has the code that it always had.
func refusedFor(t testing.TB, what string, err error, reason verifier.Reason) {
	t.Helper()
	var u *verifier.UnauthorizedError
	if !errors.As(err, &u) || !errors.Is(err, reason) {
		t.Errorf("%s: got %v, want %v", what, err, reason)
		return
	}
	if u.Retryable != (reason == verifier.ErrKeysUnavailable) {
		t.Errorf("%s: %v is retryable: %t", what, err, u.Retryable)
	}
	if reason == verifier.ErrKeysUnavailable && u.Code != verifier.CodeInvalidSecret {
		t.Errorf("%s: the code is %q", what, u.Code)
	}
}

// fetched checks the number of requests for the key set so far.
func (w *world) fetched(want int) {
	w.t.Helper()
	if got := w.issuer.Fetches(); got != want {
		w.t.Errorf("%d requests for the key set, want %d", got, want)
	}
}

// unpublished makes a key that the issuer does not have.
func unpublished(kid string) *verifiertest.Key { return verifiertest.NewKey(verifier.EdDSA, kid) }

func newVerifier(t *testing.T, p verifier.KeyProvider) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
