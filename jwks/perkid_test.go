package jwks_test

import (
	"errors"
	"fmt"
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

// balancer publishes keys one by one, as an AWS Application Load Balancer does.
type balancer struct {
	*verifiertest.Issuer

	mu    sync.Mutex
	keys  map[string]*verifiertest.Key
	fault verifiertest.Fault
	asked []string
}

func newBalancer(keys ...*verifiertest.Key) *balancer {
	b := &balancer{Issuer: verifiertest.NewIssuer("https://public-keys.test/"), keys: map[string]*verifiertest.Key{}}
	b.publish(keys...)
	b.Break(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		b.mu.Lock()
		k, fault := b.keys[strings.TrimPrefix(r.URL.Path, "/")], b.fault
		b.asked = append(b.asked, r.URL.Path)
		b.mu.Unlock()
		switch {
		case fault != nil:
			fault(w, r, nil)
		case k == nil:
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		default:
			w.Header().Set("Content-Type", "binary/octet-stream")
			w.Write([]byte(inPEM(k, false)))
		}
	})
	return b
}

func (b *balancer) publish(keys ...*verifiertest.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		b.keys[k.ID()] = k
	}
}

func (b *balancer) withdraw(kid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.keys, kid)
}

func (b *balancer) fail(f verifiertest.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = f
}

// start makes a provider of the balancer's keys, a verifier, and a function that checks how
// a token of a key from an address is answered.
func (b *balancer) start(t *testing.T) (*jwks.Provider, *verifier.Verifier, func(what string, key *verifiertest.Key, address string, reason verifier.Reason)) {
	t.Helper()
	p := made(t)(jwks.PEMByKID(b.URL(), jwks.HTTPClient(b.Client()), jwks.WithLogger(quiet)))
	v := newVerifier(t, p)
	return p, v, func(what string, key *verifiertest.Key, address string, reason verifier.Reason) {
		t.Helper()
		err := from(v, b.TokenBy(key, nil, nil), address)
		if reason == "" && err != nil {
			t.Errorf("%s: %v", what, err)
		} else if reason != "" {
			refusedFor(t, what, err, reason)
		}
	}
}

// TestFaultsG11PEMByKID: keys that are published one by one are found and kept, and
// invented kids neither flood the endpoint nor hide a new key.
func TestFaultsG11PEMByKID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := verifiertest.NewKey(verifier.ES256, "5a8d1f3e-0000-4000-8000-000000000001")
		b := newBalancer(first)
		_, v, check := b.start(t)
		requests := func(want int) {
			t.Helper()
			if n := len(b.Requests()); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		}
		for range 100 {
			check("at first", first, "192.0.2.1:1", "")
		}
		requests(1)
		check("a forged one", verifiertest.NewKey(verifier.ES256, first.ID()), "192.0.2.1:1", verifier.ErrSignatureInvalid)

		// A flood of invented kids.
		for i := range 1000 {
			from(v, garbage(i), "192.0.2.66:1")
		}
		requests(2)
		next := verifiertest.NewKey(verifier.ES256, "5a8d1f3e-0000-4000-8000-000000000002")
		b.publish(next)
		check("a new key", next, "198.51.100.1:1", "")
		check("a new key again", next, "192.0.2.66:1", "")
		requests(3)
		check("a kid that is absent", verifiertest.NewKey(verifier.ES256, "absent"), "198.51.100.1:1", verifier.ErrKeyNotFound)
		check("and at once again, from elsewhere", verifiertest.NewKey(verifier.ES256, "absent"), "198.51.100.2:1", verifier.ErrKeyNotFound)
		requests(4)
		check("another, too early", verifiertest.NewKey(verifier.ES256, "other"), "198.51.100.1:1", verifier.ErrKeysUnavailable)
		requests(4)

		// What names something else is not asked for.
		for _, kid := range []string{"", ".", "..", "../x", "a/b", "a?b", "a#b", "%2e%2e", "a b", strings.Repeat("a", 129), "ä", "a\\b"} {
			check(kid, verifiertest.NewKey(verifier.ES256, kid), "203.0.113.1:1", verifier.ErrKeyNotFound)
		}
		requests(4)
	})
}

// TestFaultsG11PEMByKIDOutage: a withdrawn key stops verifying, and known keys verify in an
// outage.
func TestFaultsG11PEMByKIDOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := verifiertest.NewKey(verifier.ES256, "5a8d1f3e-0000-4000-8000-000000000001")
		next := verifiertest.NewKey(verifier.ES256, "5a8d1f3e-0000-4000-8000-000000000002")
		b := newBalancer(first, next)
		p, _, check := b.start(t)
		check("at first", first, "192.0.2.1:1", "")
		check("the other", next, "192.0.2.1:1", "")
		static := &world{t: t, issuer: b.Issuer}
		if has, err := static.hasKey(p, first); !has || err != nil {
			t.Errorf("HasKey: got %v and %v", has, err)
		}
		b.withdraw(first.ID())
		time.Sleep(10 * time.Minute)
		check("withdrawn", first, "192.0.2.1:1", verifier.ErrKeyNotFound)
		if has, err := static.hasKey(p, first); has || err != nil {
			t.Errorf("HasKey of a withdrawn key: got %v and %v", has, err)
		}
		if has, err := static.hasKey(p, verifiertest.NewKey(verifier.ES256, "../x")); has || err != nil {
			t.Errorf("HasKey of no path: got %v and %v", has, err)
		}
		check("the other", next, "192.0.2.1:1", "")

		b.fail(verifiertest.Status(503))
		time.Sleep(30 * time.Minute)
		check("in an outage", next, "192.0.2.1:1", "")
		check("an unknown key in an outage", verifiertest.NewKey(verifier.ES256, "third"), "192.0.2.1:1", verifier.ErrKeysUnavailable)
		if err := p.Refresh(t.Context()); err == nil {
			t.Error("a refresh in an outage reports nothing")
		}
		b.fail(nil)
		third := verifiertest.NewKey(verifier.ES256, "third")
		b.publish(third)
		time.Sleep(time.Minute)
		check("after the outage", third, "192.0.2.1:1", "")
		if err := p.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestPEMByKIDManyAtOnce: first verifications under one kid share a fetch, and an answer
// that is not a key is not an outage.
func TestPEMByKIDManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := verifiertest.NewKey(verifier.ES256, "a")
		b := newBalancer(key)
		inner := b.fault
		b.fail(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			time.Sleep(time.Second)
			w.Write([]byte(inPEM(key, false)))
		})
		v := newVerifier(t, made(t)(jwks.PEMByKID(b.URL(), jwks.HTTPClient(b.Client()), jwks.WithLogger(quiet))))
		raw := b.TokenBy(key, nil, nil)
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				if err := from(v, raw, fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(b.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
		b.fail(inner)
		for _, body := range []string{"", "<html>", inPEM(verifiertest.NewKey(verifier.ES256, ""), false) + inPEM(key, false)} {
			b.fail(verifiertest.Body("text/plain", body))
			err := from(v, b.TokenBy(verifiertest.NewKey(verifier.ES256, fmt.Sprintf("k%d", len(body))), nil, nil), "192.0.2.9:1")
			if !errors.Is(err, verifier.ErrKeysUnavailable) && !errors.Is(err, verifier.ErrKeyNotFound) {
				t.Errorf("%q: got %v", body, err)
			}
			time.Sleep(time.Minute)
		}
	})
}
