package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// issuersAnswers: what is made of an issuer that does not answer, or not with good keys.
var issuersAnswers = []behaviour{
	{"failure back-off", nil, func(w *world) {
		w.issuer.Break(verifiertest.Down())
		for range 10 {
			w.refused("down", unpublished("key-1"), verifier.ErrKeysUnavailable)
		}
		w.fetched(1)
		for range 60 * 10 {
			w.refused("down", unpublished("key-1"), verifier.ErrKeysUnavailable)
			time.Sleep(time.Second)
		}
		if n := w.issuer.Fetches(); n > 42 { // 5 s, 10 s, then every 15 s to 22.5 s
			w.t.Errorf("%d requests in 10 minutes", n)
		}
		w.issuer.Break(nil)
		time.Sleep(23 * time.Second)
		before := w.issuer.Fetches()
		w.good("up again")
		w.fetched(before + 1)
	}, -1},
	{"retry", nil, func(w *world) {
		w.issuer.Break(verifiertest.Status(500))
		w.refused("failed", unpublished("key-1"), verifier.ErrKeysUnavailable)
		w.issuer.Break(nil)
		time.Sleep(4 * time.Second)
		w.refused("not yet", unpublished("key-1"), verifier.ErrKeysUnavailable)
		w.fetched(1)
		time.Sleep(4 * time.Second)
		w.good("retried")
	}, 2},
	{"response size cap", nil, func(w *world) {
		w.issuer.Break(verifiertest.Oversize(512 << 10))
		w.refused("oversize", unpublished("key-1"), verifier.ErrKeysUnavailable)
		if e := w.lastEvent(jwks.EventFailure); !strings.Contains(e.Err.Error(), "more than 524288 bytes") {
			w.t.Errorf("got %v", e.Err)
		}
	}, 1},
	{"timeout", nil, func(w *world) {
		for _, fault := range []verifiertest.Fault{verifiertest.Hang(nil), verifiertest.Trickle(nil)} {
			w.issuer.Break(fault)
			began := time.Now()
			w.refused("hangs", unpublished("key-1"), verifier.ErrKeysUnavailable)
			if waited := time.Since(began); waited != 5*time.Second {
				w.t.Errorf("waited for %v, want 5s", waited)
			}
			if e := w.lastEvent(jwks.EventFailure); !errors.Is(e.Err, context.DeadlineExceeded) || !strings.Contains(e.Err.Error(), "no answer within 5s") {
				w.t.Errorf("got %v", e.Err)
			}
			time.Sleep(time.Minute)
		}
	}, 2},
	{"https enforced", nil, func(w *world) {
		for address, want := range map[string]string{
			"http://issuer.test/jwks":    "expected https",
			"http://127.0.0.1/jwks":      "InsecureAllowHTTP",
			"ftp://issuer.test/jwks":     `"ftp": expected https`,
			"issuer.test/jwks":           "expected https",
			"https://u:p@issuer.test/":   "user or password",
			"https:///jwks":              "no host",
			"https://issuer.test/#a":     "fragment",
			"https://issuer.test/%zz":    "not a URL",
			"http://127.0.0.1.evil.test": "expected https",
		} {
			if _, err := jwks.URL(address); err == nil || !strings.Contains(err.Error(), want) {
				w.t.Errorf("%s: got %v, want %q", address, err, want)
			}
		}
		if _, err := jwks.URL("http://issuer.test/jwks", jwks.InsecureAllowHTTP()); err == nil {
			w.t.Error("http was allowed beyond the loopback interface")
		}
		for _, address := range []string{"http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"} {
			if _, err := jwks.URL(address, jwks.InsecureAllowHTTP()); err != nil {
				w.t.Error(err)
			}
		}
	}, 0},
	{"redirect policy: within the origin", nil, func(w *world) {
		w.issuer.Break(verifiertest.Redirect("/.well-known/jwks.json?moved"))
		w.good("redirected")
	}, 2},
	{"redirect policy: few", nil, func(w *world) {
		hops := 0
		w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			hops++
			http.Redirect(rw, r, fmt.Sprint("/.well-known/jwks.json?", hops), http.StatusFound)
		})
		w.refused("a loop", unpublished("key-1"), verifier.ErrKeysUnavailable)
	}, 4},
	{"redirect policy: to another host", nil, func(w *world) {
		evil := verifiertest.NewIssuer("https://evil.test/", unpublished("key-1"))
		p := w.another(jwks.HTTPClient(verifiertest.Client(w.issuer, evil)))
		w.verifier = w.verifierOf(p)
		w.issuer.Break(verifiertest.Redirect(evil.JWKSURL()))
		w.refused("redirected", unpublished("key-1"), verifier.ErrKeysUnavailable)
		if n := len(evil.Requests()); n != 0 {
			w.t.Errorf("the other host got %d requests", n)
		}
	}, 1},
	{"redirect policy: to http", nil, func(w *world) {
		evil := verifiertest.NewIssuer("http://issuer.test/", unpublished("key-1"))
		p := w.another(jwks.HTTPClient(verifiertest.Client(w.issuer, evil)), jwks.InsecureAllowHTTP())
		w.verifier = w.verifierOf(p)
		w.issuer.Break(verifiertest.Redirect(evil.JWKSURL()))
		w.refused("downgraded", unpublished("key-1"), verifier.ErrKeysUnavailable)
		if n := len(evil.Requests()); n != 0 {
			w.t.Errorf("it got %d requests over http", n)
		}
	}, 1},
	{"bad key skipped, not fatal", nil, func(w *world) {
		enc, weak := unpublished("enc").JWK(), verifiertest.JWK{"kty": "RSA", "kid": "weak", "n": "u7A", "e": "AQAB"}
		twin, second := unpublished("twin"), unpublished("twin")
		enc["use"] = "enc"
		w.issuer.PublishJWK(verifiertest.AKP("pq"), enc, weak,
			verifiertest.NewKey(verifier.HS256, "oct").JWK(),
			verifiertest.JWK{"kty": "RSA", "kid": "malformed", "n": "!", "e": "AQAB"},
			verifiertest.JWK{"kty": 7}, nil)
		w.issuer.Publish(twin, second)
		w.issuer.PublishJWK(w.key.JWK()) // the good one, once more
		w.good("beside bad keys")
		e := w.lastEvent(jwks.EventFetch)
		if len(e.Keys) != 3 || len(e.Skipped) != 7 {
			w.t.Errorf("%d keys, %d skipped: %v", len(e.Keys), len(e.Skipped), e.Skipped)
		}
		for _, k := range []*verifiertest.Key{twin, second} { // of one kid: either may be meant
			if err := w.verify(w.issuer.TokenBy(k, nil, nil), "198.51.100.1:1"); err != nil {
				w.t.Error(err)
			}
		}
		w.refused("neither of them", unpublished("twin"), verifier.ErrSignatureInvalid)
		if got := w.provider.Stats().Skipped; got != 7 {
			w.t.Errorf("%d counted as skipped, want 7", got)
		}
	}, 1},
	{"a symmetric key is never used", nil, func(w *world) {
		secret := verifiertest.NewKey(verifier.HS256, "oct")
		w.issuer.Publish(secret)
		w.refused("no fetch for it", secret, verifier.ErrAlgorithmNotAllowed)
		w.fetched(0)
		w.good("the other")
		w.refused("published", secret, verifier.ErrAlgorithmNotAllowed)
		confused := w.issuer.TokenBy(secret, verifiertest.Claims{"kid": "key-1"}, nil)
		refusedFor(w.t, "under the other's kid", w.verify(confused, "192.0.2.1:1"), verifier.ErrAlgorithmNotAllowed)
	}, 1},
	{"at most 100 keys", nil, func(w *world) {
		for range 100 {
			w.issuer.PublishJWK(verifiertest.JWK{})
		}
		w.refused("101 keys", unpublished("key-1"), verifier.ErrKeysUnavailable)
	}, 1},
	{"content and status checked", nil, func(w *world) {
		good := `{"keys":[]}`
		faults := []verifiertest.Fault{
			verifiertest.Status(404), verifiertest.Status(204), verifiertest.Status(304),
			verifiertest.Body("text/html", "<html>"), verifiertest.Body("application/json", "<html>"),
			verifiertest.Body("application/json", `{"keys":{}}`), verifiertest.Body("application/json", `{}`), verifiertest.Body("", ""),
		}
		for _, fault := range faults {
			w.issuer.Break(fault)
			w.refused("garbage", unpublished("key-1"), verifier.ErrKeysUnavailable)
			time.Sleep(time.Minute)
		}
		w.fetched(len(faults))
		w.issuer.Break(verifiertest.Body("application/jwk-set+json; charset=utf-8", good))
		w.refused("an empty set", unpublished("key-1"), verifier.ErrKeyNotFound)
	}, 9},
	{"start while endpoint down", nil, func(w *world) {
		w.issuer.Break(verifiertest.Down())
		for _, p := range []*jwks.Provider{
			w.another(),
			made(w.t)(jwks.OIDC(w.issuer.URL(), jwks.HTTPClient(w.issuer.Client()), jwks.WithLogger(quiet))),
			made(w.t)(jwks.Auth0("issuer.test", jwks.HTTPClient(w.issuer.Client()), jwks.WithLogger(quiet))),
		} {
			w.issuer.Break(verifiertest.Down())
			w.verifier = w.verifierOf(p)
			w.refused("down", unpublished("key-1"), verifier.ErrKeysUnavailable)
			w.issuer.Break(nil)
			time.Sleep(10 * time.Second)
			w.good("up")
		}
	}, 5},
}
