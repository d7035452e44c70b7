package jwks_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestFaultsHMoreMutations: what single-line changes showed to be untested.
func TestFaultsHMoreMutations(t *testing.T) {
	for _, target := range []string{"http://issuer.test:443/.well-known/jwks.json", "https://issuer.test:8443/.well-known/jwks.json", "https://issuer.test.evil.test/.well-known/jwks.json"} {
		t.Run("a redirect to "+target, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				u, err := url.Parse(target)
				if err != nil {
					t.Fatal(err)
				}
				evil := verifiertest.NewIssuer(u.Scheme+"://"+u.Host+"/", unpublished("key-1"))
				w.verifier = w.verifierOf(w.another(jwks.HTTPClient(verifiertest.Client(w.issuer, evil)), jwks.InsecureAllowHTTP("issuer.test")))
				w.issuer.Break(verifiertest.Redirect(target))
				w.refused("redirected", w.key, verifier.ErrKeysUnavailable)
				if n := len(evil.Requests()); n != 0 {
					t.Errorf("the other origin got %d requests", n)
				}
			})
		})
	}
	t.Run("a compressed answer is bounded unpacked", func(t *testing.T) {
		w := newWorld(t)
		bomb := gzipped(strings.Repeat(" ", 32<<20))
		w.issuer.Break(serve(string(bomb), map[string]string{"Content-Encoding": "gzip"}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.refused("a bomb", w.key, verifier.ErrKeysUnavailable)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 {
			t.Errorf("%d MiB were allocated", n)
		}
	})
	t.Run("at most 100 PEMs by kid", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			set := map[string]string{}
			for i := range 101 {
				set[fmt.Sprint("key-", i)] = inPEM(w.key, false)
			}
			w.issuer.Break(serve(encode(t, set), nil))
			w.refused("101 PEMs", w.key, verifier.ErrKeysUnavailable)
		})
	})
	t.Run("HasKey of a key without a kid", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			nameless := unpublished("")
			w.issuer.Publish(nameless) // beside one with a kid
			token, err := w.verifier.Verify(t.Context(), w.issuer.TokenBy(nameless, verifiertest.Claims{"kid": "its own name"}, nil))
			if err != nil {
				t.Fatal(err)
			}
			if has, err := verifier.HasKey(t.Context(), w.provider, token.Unverified(&verifier.Handshake{}), token.Key()); !has || err != nil {
				t.Errorf("got %v and %v", has, err)
			}
		})
	})
	for status, reason := range map[int]verifier.Reason{
		400: verifier.ErrKeyNotFound, 403: verifier.ErrKeyNotFound, 404: verifier.ErrKeyNotFound, 410: verifier.ErrKeyNotFound,
		401: verifier.ErrKeysUnavailable, 407: verifier.ErrKeysUnavailable, 408: verifier.ErrKeysUnavailable, 429: verifier.ErrKeysUnavailable, 500: verifier.ErrKeysUnavailable,
	} {
		t.Run(fmt.Sprint("PEMByKID, status ", status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBalancer()
				b.fail(verifiertest.Status(status))
				v := newVerifier(t, made(t)(jwks.PEMByKID(b.URL(), jwks.HTTPClient(b.Client()), jwks.WithLogger(quiet))))
				refusedFor(t, "the first", from(v, b.TokenBy(unpublished("a"), nil, nil), "192.0.2.1:1"), reason)
			})
		})
	}
}

// TestFaultsHMutations: each line catches a change of one line that the tests did
// not notice before.
func TestFaultsHMutations(t *testing.T) {
	t.Run("a fetch in progress is older than a key", func(t *testing.T) { // f.number > arrived in upToDate
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				serve(rw, r)
				time.Sleep(time.Second)
			})
			go w.good("the first, which fetches")
			time.Sleep(time.Millisecond)
			w.issuer.Rotate(unpublished("key-2"))
			if err := w.verify(w.issuer.Token(nil), "198.51.100.1:1"); err != nil {
				t.Errorf("published during the fetch: %v", err)
			}
			w.fetched(2)
		})
	})
	t.Run("a fetch for another kid is older than a key", func(t *testing.T) { // f.number > arrived in lookUp
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.good("at first")
			w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				serve(rw, r)
				time.Sleep(time.Second)
			})
			go w.refused("invented", unpublished("invented"), verifier.ErrKeyNotFound)
			time.Sleep(time.Millisecond)
			w.issuer.Rotate(unpublished("key-2"))
			if err := w.verify(w.issuer.Token(nil), "198.51.100.1:1"); err != nil {
				t.Errorf("published during the fetch: %v", err)
			}
			w.fetched(3)
		})
	})
	t.Run("a fetch for another's question joins no older one", func(t *testing.T) { // f.number > arrived in renew
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.good("at first")
			time.Sleep(time.Minute)
			w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				serve(rw, r)
				time.Sleep(time.Second)
			})
			next := unpublished("key-2")
			go w.hasKey(w.provider, unpublished("invented"))
			time.Sleep(time.Millisecond)
			w.issuer.Publish(next)
			time.Sleep(500 * time.Millisecond)
			if has, err := w.hasKey(w.provider, next); !has || err != nil {
				t.Errorf("got %v and %v", has, err)
			}
		})
	})
	t.Run("an ETag belongs to its URL", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			old, moved := verifiertest.NewIssuer("https://issuer.test/"), verifiertest.NewIssuer("https://keys.test/")
			v := newVerifier(t, made(t)(jwks.OIDC(old.URL(), jwks.TTL(2*time.Hour), jwks.HTTPClient(verifiertest.Client(old, moved)), jwks.WithLogger(quiet))))
			if _, err := v.Verify(t.Context(), old.Token(nil)); err != nil {
				t.Fatal(err)
			}
			old.Announce(verifiertest.Claims{"jwks_uri": moved.JWKSURL()})
			time.Sleep(2 * time.Hour)
			v.Verify(t.Context(), old.Token(nil))
			requests := moved.Requests()
			if len(requests) != 1 || requests[0].Header.Get("If-None-Match") != "" {
				t.Errorf("the new place got %+v", requests)
			}
		})
	})
	t.Run("Age counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.issuer.SetHeader("Cache-Control", "max-age=600")
			w.issuer.SetHeader("Age", "480")
			w.good("at first")
			time.Sleep(119 * time.Second)
			w.issuer.Withdraw("key-1")
			time.Sleep(time.Second)
			w.refused("after the two minutes that were left", w.key, verifier.ErrKeyNotFound)
		})
	})
	t.Run("an older stored set", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := newStore()
			w := newWorld(t, jwks.WithStore(shared))
			w.good("at first")
			synctest.Wait()
			stored := shared.values[w.issuer.JWKSURL()]
			w.issuer.Rotate(unpublished("key-2"))
			w.issuer.Withdraw("key-1")
			time.Sleep(time.Minute)
			w.good("rotated")
			synctest.Wait()
			shared.mu.Lock()
			shared.values[w.issuer.JWKSURL()] = stored // by a server that was slow
			shared.mu.Unlock()
			w.issuer.Break(verifiertest.Down())
			time.Sleep(20 * time.Minute)
			w.good("the newer one goes on")
			w.refused("the older one is not taken", w.key, verifier.ErrKeysUnavailable)
		})
	})
}
