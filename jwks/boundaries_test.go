package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestOptionBounds: of each number the first and the last that are accepted.
func TestOptionBounds(t *testing.T) {
	for name, row := range map[string]struct {
		option jwks.Option
		good   bool
	}{
		"TTL of a second": {jwks.TTL(time.Second), true}, "TTL of a day": {jwks.TTL(24 * time.Hour), true},
		"TTL below": {jwks.TTL(time.Second - 1), false}, "TTL above": {jwks.TTL(24*time.Hour + 1), false},
		"MaxStale of 0": {jwks.MaxStale(0), true}, "MaxStale of a week": {jwks.MaxStale(168 * time.Hour), true},
		"MaxStale above": {jwks.MaxStale(168*time.Hour + 1), false}, "MaxIssuers of 1": {jwks.MaxIssuers(1), true},
	} {
		if _, err := jwks.URL("https://issuer.test/", row.option); (err == nil) != row.good {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, address := range []string{"http://192.0.2.1/jwks", "http://10.0.0.1/jwks", "http://[2001:db8::1]/jwks"} {
		if _, err := jwks.URL(address, jwks.InsecureAllowHTTP()); err == nil {
			t.Errorf("%s is taken for the loopback interface", address)
		}
	}
	for _, address := range []string{"https://a.test/keys", "https://a.test/?", "https://a.test/?a=b"} {
		if _, err := jwks.PEMByKID(address); err == nil || !strings.Contains(err.Error(), "ends in a slash") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// TestAnswerBounds: answers of the greatest size and number of keys are read, and their
// type tells a web page.
func TestAnswerBounds(t *testing.T) {
	const most = 512 << 10
	padded := func(n int, text string) string { return text + strings.Repeat(" ", n-len(text)) }
	stored := func(n int, text string) string { // gzip without compression, in n bytes
		for size := n - 200; ; size++ {
			var b bytes.Buffer
			w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte(padded(size, text)))
			w.Close()
			if b.Len() >= n {
				return b.String()
			}
		}
	}
	packed := map[string]string{"Content-Encoding": "gzip"}
	for name, row := range map[string]struct {
		body   func(set string) string
		header map[string]string
		says   string
	}{
		"as long as it may be":           {func(set string) string { return padded(most, set) }, nil, ""},
		"longer":                         {func(set string) string { return padded(most+1, set) }, nil, "more than 524288 bytes"},
		"as long, packed without effect": {func(set string) string { return stored(most, set) }, packed, ""},
		"XHTML":                          {func(string) string { return "<html/>" }, map[string]string{"Content-Type": "application/xhtml+xml"}, "the answer is a web page"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			set := encode(t, map[string]any{"keys": []any{w.key.JWK()}})
			w.issuer.Break(serve(row.body(set), row.header))
			err := w.verify(w.issuer.Token(nil), "")
			if row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("%s: got %v, want %q", name, err, row.says)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 99 {
			w.issuer.PublishJWK(verifiertest.JWK{})
		}
		w.good("100 keys")
	})
}

// TestDiscoveryFallsBack: if the server answers with a status from 400 to 499, but not 429,
// it has no metadata of OpenID Connect, and that of OAuth is fetched. Otherwise it is not.
func TestDiscoveryFallsBack(t *testing.T) {
	for status, good := range map[int]bool{204: false, 400: true, 404: true, 499: true, 429: false, 500: false, 503: false} {
		synctest.Test(t, func(t *testing.T) {
			issuer := verifiertest.NewIssuer("https://issuer.test/")
			issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
					w.WriteHeader(status)
					return
				}
				serve(w, r)
			})
			v := newVerifier(t, made(t)(jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet))))
			_, err := v.Verify(t.Context(), issuer.Token(nil))
			if good && err != nil {
				t.Errorf("status %d: %v", status, err)
			} else if !good {
				refusedFor(t, fmt.Sprint("status ", status), err, verifier.ErrKeysUnavailable)
			}
		})
	}
}

// TestDiscoveryIsDown: while only the metadata cannot be fetched, the keys go on to be
// fetched from where they were, for a day.
func TestDiscoveryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("https://issuer.test/")
		v := newVerifier(t, made(t)(jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet), jwks.MaxStale(0))))
		verify := func() error {
			_, err := v.Verify(t.Context(), issuer.Token(nil))
			return err
		}
		if err := verify(); err != nil {
			t.Fatal(err)
		}
		requests := len(issuer.Requests())
		time.Sleep(time.Hour) // which is how long discovery is good for
		if err := verify(); err != nil || len(issuer.Requests()) != requests+2 {
			t.Errorf("after an hour: %v, %d requests", err, len(issuer.Requests())-requests)
		}
		issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			serve(w, r)
		})
		time.Sleep(24*time.Hour - time.Nanosecond)
		if err := verify(); err != nil {
			t.Errorf("before a day has passed: %v", err)
		}
		time.Sleep(20 * time.Minute)
		refusedFor(t, "after it", verify(), verifier.ErrKeysUnavailable)
	})
}

// logged is a logger of warnings and errors, and what it wrote.
func logged() (*slog.Logger, *bytes.Buffer) {
	var text bytes.Buffer
	return slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})), &text
}

// TestLog: an outage is logged with its cause, a key that is not used once, and a hook
// that panics; a set without a store says nothing of one.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, text := logged()
		w := newWorld(t)
		w.verifier = w.verifierOf(w.another(jwks.WithLogger(logger), jwks.OnEvent(func(e jwks.Event) {
			if e.Kind == jwks.EventFailure {
				panic("a hook")
			}
		})))
		w.issuer.PublishJWK(verifiertest.AKP("pq"))
		w.good("at first")
		synctest.Wait()
		if !strings.Contains(text.String(), "a key is not used") {
			t.Errorf("the first fetch logged %s", text)
		}
		time.Sleep(10 * time.Minute)
		w.good("later")
		synctest.Wait()
		if got := text.String(); strings.Count(got, "a key is not used") != 1 || strings.Contains(got, "store") || strings.Contains(got, "error=<nil>") || strings.Contains(got, "OnEvent") {
			t.Errorf("logged %s", got)
		}
		text.Reset()
		w.issuer.Break(verifiertest.Status(503))
		time.Sleep(10 * time.Minute)
		w.good("stale")
		synctest.Wait()
		for _, want := range []string{"jwks: failure", "status 503", "the function of OnEvent failed", "a hook"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%q is not in %s", want, text)
			}
		}
	})
}

// recording is a store that notes how long values are kept.
type recording struct {
	*store
	mu   sync.Mutex
	kept []time.Duration
}

func (r *recording) Save(ctx context.Context, url string, value []byte, keep time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, keep)
	return r.store.Save(ctx, url, value, keep)
}

// TestStoreBounds: a set is saved once, for as long as it can be used. A set that another
// server saved is not saved again. A clock that is set back does not make a set younger.
func TestStoreBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &recording{store: newStore()}
		logger, text := logged()
		options := []jwks.Option{jwks.WithStore(shared), jwks.WithLogger(logger), jwks.TTL(20 * time.Minute), jwks.MaxStale(40 * time.Minute)}
		w := newWorld(t, options...)
		w.good("one server")
		synctest.Wait()
		time.Sleep(time.Minute)
		other := w.another(options...)
		w.issuer.Rotate(unpublished("key-2"))
		if err := from(w.verifierOf(other), w.issuer.Token(nil), ""); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.fetched(2)
		w.good("the first finds the new key in the store")
		synctest.Wait()
		w.fetched(2)
		if fmt.Sprint(shared.kept) != "[1h0m0s 1h0m0s]" {
			t.Errorf("kept for %v", shared.kept)
		}
		if text.Len() != 0 {
			t.Errorf("logged %s", text)
		}
		clock := &skewed{}
		late := w.another(append(options, jwks.WithClock(clock.now))...)
		v := w.verifierOf(late)
		time.Sleep(5 * time.Minute)
		if err := from(v, w.issuer.Token(nil), ""); err != nil {
			t.Error(err)
		}
		w.fetched(2)
		synctest.Wait()
		clock.by = -time.Hour
		time.Sleep(15 * time.Minute)
		if err := from(v, w.issuer.Token(nil), ""); err != nil {
			t.Error(err)
		}
		w.fetched(3)
		synctest.Wait()
		shared.err = errors.New("no store")
		if err := from(w.verifierOf(w.another(options...)), w.issuer.Token(nil), ""); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.fetched(4)
		if got := text.String(); !strings.Contains(got, "the store could not load") || !strings.Contains(got, "the store could not save") {
			t.Errorf("logged %s", got)
		}
	})
}

// TestRotationIsTold: other keys under the same kid, and the same key under another one.
func TestRotationIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		w.issuer.Withdraw("key-1")
		other := unpublished("key-1")
		w.issuer.Rotate(other)
		time.Sleep(10 * time.Minute)
		w.good("another key")
		renamed := other.JWK()
		renamed["kid"] = "key-2"
		w.issuer.Withdraw("key-1")
		w.issuer.PublishJWK(renamed)
		if err := w.provider.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if got := w.told(); got != "fetch fetch rotation fetch rotation" {
			t.Errorf("told %s", got)
		}
	})
}

// TestRefreshAfterAFailure: Refresh does not return the error of a fetch that began
// before it.
func TestRefreshAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := true
		w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if first {
				first = false
				time.Sleep(time.Second)
				rw.WriteHeader(http.StatusInternalServerError)
				return
			}
			serve(rw, r)
		})
		go w.verify(w.issuer.Token(nil), "192.0.2.1:1")
		time.Sleep(time.Millisecond)
		if err := w.provider.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.fetched(2)
	})
}

// TestNotModifiedKeepsItsLifetime: an answer 304 without Cache-Control leaves the one
// of before (RFC 9111 §4.3.4).
func TestNotModifiedKeepsItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.SetHeader("Cache-Control", "max-age=120")
		w.good("at first")
		w.issuer.SetHeader("Cache-Control", "")
		time.Sleep(2 * time.Minute)
		w.good("not modified")
		time.Sleep(2 * time.Minute)
		w.good("not modified either")
		synctest.Wait()
		w.fetched(3)
		if got := w.provider.Stats().NotModified; got != 2 {
			t.Errorf("%d answers of status 304", got)
		}
	})
}

// TestIssuerIsNamed: an error names at most five of the issuers that are expected.
func TestIssuerIsNamed(t *testing.T) {
	for n, want := range map[int]string{
		1: `expected "https://0.test/", exactly`, 5: `or "https://4.test/", exactly`, 7: `or "https://4.test/" or one of 2 more, exactly`,
	} {
		providers := map[string]verifier.KeyProvider{}
		for i := range n {
			issuer := fmt.Sprintf("https://%d.test/", i)
			providers[issuer] = made(t)(jwks.OIDC(issuer))
		}
		key := unpublished("a")
		_, err := newVerifier(t, made(t)(jwks.Issuers(providers))).Verify(t.Context(), key.Mint(nil, verifiertest.Claims{"iss": "https://other.test/"}))
		refusedFor(t, fmt.Sprint(n, " issuers"), err, verifier.ErrIssuerMismatch)
		if !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d issuers: got %v, want %q", n, err, want)
		}
	}
}

// TestPEMByKIDBounds: a kid of 128 characters is asked for; a key stays known to a
// caller that waited for another's look-up.
func TestPEMByKIDBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long, longer, key := unpublished(strings.Repeat("a", 128)), unpublished(strings.Repeat("a", 129)), unpublished("k")
		b := newBalancer(long, longer, key)
		p := made(t)(jwks.PEMByKID(b.URL(), jwks.HTTPClient(b.Client()), jwks.WithLogger(quiet)))
		v := newVerifier(t, p)
		if err := from(v, b.TokenBy(long, nil, nil), "192.0.2.1:1"); err != nil {
			t.Error(err)
		}
		refusedFor(t, "129 characters", from(v, b.TokenBy(longer, nil, nil), "192.0.2.1:1"), verifier.ErrKeyNotFound)

		b.fail(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			time.Sleep(2 * time.Second)
			w.Write([]byte(inPEM(key, false)))
		})
		var both sync.WaitGroup
		both.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := v.Verify(ctx, b.TokenBy(key, nil, nil))
			refusedFor(t, "the one that gave up", err, verifier.ErrKeysUnavailable)
		})
		both.Go(func() {
			time.Sleep(time.Millisecond)
			if err := from(v, b.TokenBy(key, nil, nil), "192.0.2.2:1"); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if err := from(v, b.TokenBy(key, nil, nil), "192.0.2.3:1"); err != nil {
			t.Error(err)
		}
		if got := p.Stats().Fetches; got != 2 {
			t.Errorf("%d fetches, want 2", got)
		}
	})
}
