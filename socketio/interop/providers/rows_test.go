package providers

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// provider is what the rows that all providers share need of one.
type provider struct {
	*authority
	issuer   string
	subject  string
	verifier func(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier
	token    func() string       // gets a new access token
	rotate   func(withdraw bool) // has a new key sign; withdraw removes the others
	stop     func()
	start    func()
}

// keys fetches the keys of an issuer as docs/providers.md has it.
func (a *authority) keys(t testing.TB, issuer string, options ...jwks.Option) *jwks.Provider {
	t.Helper()
	return must[*jwks.Provider](t)(jwks.OIDC(issuer, append([]jwks.Option{jwks.HTTPClient(a.client), jwks.WithLogger(quiet)}, options...)...))
}

// expired is a verifier's clock at which no token is good any more.
func expired() verifier.Option {
	return verifier.WithClock(func() time.Time { return time.Now().Add(48 * time.Hour) })
}

// rotates: a token of a new key is accepted at once. During an outage the known keys
// stay in use, and a server that starts without them refuses tokens as retryable. When
// the provider is back without the old keys, their tokens are refused and the live
// session of one ends.
func rotates(t *testing.T, p provider) {
	t.Helper()
	clock := verifiertest.NewClock(time.Now())
	keys := p.keys(t, p.issuer, jwks.WithClock(clock.Now))
	url := serve(t, p.verifier(keys), socketio.EndOnWithdrawnKey(keys, 100*time.Millisecond))
	first := p.token()
	live := accepted(t, url, first, p.subject)

	p.rotate(false)
	second := p.token()
	accepted(t, url, second, p.subject).Close(t)
	accepted(t, url, first, p.subject).Close(t)

	p.stop()
	clock.Advance(20 * time.Minute)
	accepted(t, url, second, p.subject).Close(t)
	if _, err := p.verifier(p.keys(t, p.issuer)).Verify(t.Context(), second); !errors.Is(err, verifier.ErrKeysUnavailable) {
		t.Errorf("a server that starts during the outage: got %v", err)
	}

	p.start()
	clock.Advance(20 * time.Minute)
	accepted(t, serve(t, p.verifier(p.keys(t, p.issuer))), second, p.subject).Close(t)
	live.ExpectNone(t, "unauthorized", "disconnect")

	p.rotate(true)
	clock.Advance(20 * time.Minute)
	accepted(t, url, p.token(), p.subject).Close(t)
	refused(t, "a token of a withdrawn key", url, first, verifier.ErrKeyNotFound)
	live.Expect(t, "unauthorized")
	live.Expect(t, "disconnect")
}

// slow: while the provider does not answer, clients whose key is known are accepted. The
// answer comes at last, and then a new key is found.
func slow(t *testing.T, p provider) {
	t.Helper()
	held := &holding{RoundTripper: p.client.Transport, gate: make(chan struct{}), asked: make(chan struct{}, 100)}
	clock := verifiertest.NewClock(time.Now())
	v := p.verifier(p.keys(t, p.issuer, jwks.HTTPClient(&http.Client{Transport: held}), jwks.WithClock(clock.Now)))
	url := serve(t, v)
	token := p.token()
	accepted(t, url, token, p.subject).Close(t)
	for len(held.asked) > 0 {
		<-held.asked
	}

	held.on.Store(true)
	clock.Advance(9 * time.Minute) // a refresh in the background is due
	accepted(t, url, token, p.subject).Close(t)
	<-held.asked
	for range 100 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	held.on.Store(false)
	close(held.gate)
	p.rotate(false)
	clock.Advance(time.Minute)
	accepted(t, url, p.token(), p.subject).Close(t)
}

// holding is a transport that can hold requests back.
type holding struct {
	http.RoundTripper
	on    atomic.Bool
	asked chan struct{}
	gate  chan struct{}
}

func (h *holding) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked <- struct{}{}
	if h.on.Load() {
		select {
		case <-h.gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return h.RoundTripper.RoundTrip(r)
}

// revoked: an opaque token is accepted while it is active. Its live session ends when the
// token is revoked.
func revoked(t *testing.T, asked *introspection.Client, v *verifier.Verifier, token, subject string, revoke func(token string)) {
	t.Helper()
	url := serve(t, v, socketio.EndOnInactiveToken(asked, 100*time.Millisecond))
	live := accepted(t, url, token, subject)
	revoke(token)
	live.Expect(t, "unauthorized")
	live.Expect(t, "disconnect")
	refused(t, "a revoked token", url, token, verifier.ErrTokenInactive)
}

// unreachable: while the introspection endpoint is down, live sessions go on and a new
// client is told to come back: its connection is closed, and it comes back by itself. It
// is accepted when the endpoint is back. The two have different tokens, since two requests
// about one token at a time share the answer.
func unreachable(t *testing.T, asked *introspection.Client, v *verifier.Verifier, token, other, subject string, stop, start func()) {
	t.Helper()
	url := serve(t, v, socketio.EndOnInactiveToken(asked, 100*time.Millisecond))
	live := accepted(t, url, token, subject)
	stop()
	if _, err := v.Verify(t.Context(), other); !errors.Is(err, verifier.ErrKeysUnavailable) || !verifier.AsUnauthorized(err).Retryable {
		t.Errorf("the endpoint cannot be asked: got %v", err)
	}
	away := connectWith(t, jsclient.Options{URL: url, Auth: map[string]string{"token": other}, Extra: map[string]any{"reconnection": true}})
	away.Expect(t, "disconnect")
	live.ExpectNone(t, "unauthorized", "disconnect")
	start()
	greeted(t, away, subject)
	if away.Saw("connect_error") {
		t.Errorf("the client is told of an error, after which it would stay away\n%s", away.Log())
	}
	live.ExpectNone(t, "unauthorized", "disconnect")
}

// front is the server of a provider in this process. It can go down and come back.
type front struct {
	origin  string
	handler atomic.Pointer[http.Handler]
	down    atomic.Bool
}

func (a *authority) front(t testing.TB) *front {
	t.Helper()
	f := &front{}
	s := httptest.NewUnstartedServer(f)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.tls}}
	s.Config.ErrorLog = quietLog
	s.StartTLS()
	t.Cleanup(s.Close)
	f.origin = "https://localhost" + s.Listener.Addr().String()[len("127.0.0.1"):]
	return f
}

func (f *front) set(h http.Handler) { f.handler.Store(&h) }
func (f *front) stop()              { f.down.Store(true) }
func (f *front) start()             { f.down.Store(false) }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.down.Load() {
		panic(http.ErrAbortHandler)
	}
	(*f.handler.Load()).ServeHTTP(w, r)
}
