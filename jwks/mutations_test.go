package jwks_test

import (
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

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
