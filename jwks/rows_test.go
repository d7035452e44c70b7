package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// behaviour is something that is expected of a cache of key sets, by the name
// that the comparison in docs/jwks.md has for it.
type behaviour struct {
	name    string
	options []jwks.Option
	show    func(w *world)
	fetches int // how many requests for the key set the issuer gets; -1 if show counts them itself
}

var behaviours = []behaviour{
	{"TTL", []jwks.Option{jwks.TTL(10 * time.Minute)}, func(w *world) {
		w.good("at first")
		// Used all the time, and refreshed in the background, by an issuer that
		// withdrew the key: after the TTL at the latest it is not good any more.
		w.issuer.Publish(unpublished("key-2"))
		w.issuer.Withdraw("key-1")
		began := time.Now()
		var err error
		for err == nil && time.Since(began) <= 10*time.Minute {
			err = w.verify(w.issuer.TokenBy(w.key, nil, nil), "192.0.2.1:1000")
			time.Sleep(time.Second)
		}
		refusedFor(w.t, "withdrawn", err, verifier.ErrKeyNotFound)
	}, 2},
	{"LRU bound", nil, func(w *world) {
		// Of three issuers, two are remembered: the least recently used is asked
		// again.
		var issuers []*verifiertest.Issuer
		for _, name := range []string{"a", "b", "c"} {
			issuers = append(issuers, verifiertest.NewIssuer("https://"+name+".test/"))
		}
		p := made(w.t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil },
			jwks.MaxIssuers(2), jwks.HTTPClient(verifiertest.Client(issuers...)), jwks.WithLogger(quiet)))
		w.verifier = w.verifierOf(p)
		for i, n := range []int{0, 1, 0, 2, 0, 1} {
			if err := w.verify(issuers[n].Token(nil), ""); err != nil {
				w.t.Errorf("token %d: %v", i, err)
			}
			time.Sleep(2 * time.Second)
		}
		if a, b, c := issuers[0].Fetches(), issuers[1].Fetches(), issuers[2].Fetches(); a != 1 || b != 2 || c != 1 {
			w.t.Errorf("the issuers were asked %d, %d and %d times, want 1, 2 and 1", a, b, c)
		}
	}, 0},
	{"Cache-Control shortens TTL", nil, func(w *world) {
		w.issuer.SetHeader("Cache-Control", "public, max-age=120")
		w.good("at first")
		time.Sleep(89 * time.Second) // three quarters of 120 s
		w.good("before")
		synctest.Wait()
		w.fetched(1)
		time.Sleep(31 * time.Second)
		w.good("after")
	}, 2},
	{"Cache-Control never extends TTL", []jwks.Option{jwks.TTL(time.Minute)}, func(w *world) {
		w.issuer.SetHeader("Cache-Control", "max-age=86400")
		w.good("at first")
		w.issuer.Withdraw("key-1")
		time.Sleep(time.Minute)
		w.refused("withdrawn", unpublished("key-1"), verifier.ErrKeyNotFound)
	}, 2},
	{"Cache-Control within bounds", nil, func(w *world) {
		w.issuer.SetHeader("Cache-Control", "no-store, max-age=0")
		for range 60 { // a minute, which is as short as it gets
			w.good("no-store")
			time.Sleep(time.Second)
		}
		// What cannot be read as a time is taken for none (RFC 9111 §4.2.1), but
		// what is only too large.
		for value, fetches := range map[string]int{"max-age=-1": 2, "max-age": 2, "max-age=1e9": 2, "max-age=99999999999999999999": 1} {
			other := newWorld(w.t)
			other.issuer.SetHeader("Cache-Control", value)
			other.good(value)
			time.Sleep(time.Minute)
			other.good(value)
			synctest.Wait()
			if got := other.issuer.Fetches(); got != fetches {
				w.t.Errorf("%s: %d fetches, want %d", value, got, fetches)
			}
		}
	}, 2},
	{"ETag / If-None-Match", nil, func(w *world) {
		w.good("at first")
		time.Sleep(10 * time.Minute)
		w.good("not modified")
		requests := w.issuer.Requests()
		if first, second := requests[0], requests[1]; first.Header.Get("If-None-Match") != "" || second.Header.Get("If-None-Match") == "" || second.Status != 304 {
			w.t.Errorf("got %+v", requests)
		}
		w.issuer.Rotate(unpublished("key-2"))
		time.Sleep(10 * time.Minute)
		w.good("modified")
		if got := w.provider.Stats(); got.NotModified != 1 || w.issuer.Requests()[2].Status != 200 {
			w.t.Errorf("got %+v", got)
		}
	}, 3},
	{"refresh before expiry", nil, func(w *world) {
		w.good("at first")
		w.issuer.Break(verifiertest.Slow(2 * time.Second))
		time.Sleep(9 * time.Minute)
		began := time.Now()
		for range 100 { // one fetch for all, which nobody waits for
			w.good("due")
		}
		if waited := time.Since(began); waited != 0 {
			w.t.Errorf("waited for %v", waited)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if got := w.told(); got != "fetch refresh" {
			w.t.Errorf("told %s", got)
		}
	}, 2},
	{"nothing runs when idle", nil, func(w *world) {
		w.good("at first")
		time.Sleep(24 * time.Hour)
	}, 1},
	{"stale-if-error", []jwks.Option{jwks.TTL(10 * time.Minute), jwks.MaxStale(20 * time.Minute)}, func(w *world) {
		w.good("at first")
		w.issuer.Break(verifiertest.Status(503))
		time.Sleep(10 * time.Minute)
		w.good("beyond the TTL")
		w.good("again")
		if got := w.told(); got != "fetch failure stale" {
			w.t.Errorf("told %s", got)
		}
		if e := w.lastEvent(jwks.EventStale); e.Err == nil || len(e.Keys) != 1 {
			w.t.Errorf("got %+v", e)
		}
		if got := w.provider.Stats().StaleServes; got != 2 {
			w.t.Errorf("%d stale serves, want 2", got)
		}
		time.Sleep(20*time.Minute - time.Nanosecond)
		w.good("at the end of the bound")
		synctest.Wait()
		time.Sleep(time.Nanosecond)
		w.refused("beyond the bound", unpublished("key-1"), verifier.ErrKeysUnavailable)
	}, 3},
	{"unknown kid → refetch", nil, func(w *world) {
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		w.good("rotated")
		w.issuer.Rotate(unpublished("key-3"))
		w.good("and again")
		w.good("known now")
	}, 3},
	{"cool-down on it", nil, func(w *world) {
		w.good("at first")
		for i := range 50 {
			w.refused("forged under a known kid", unpublished("key-1"), verifier.ErrSignatureInvalid)
			if i > 0 {
				w.refused("a random kid", unpublished(fmt.Sprint(i)), verifier.ErrKeysUnavailable)
			} else {
				w.refused("the first random kid", unpublished("0"), verifier.ErrKeyNotFound)
			}
		}
	}, 2},
	{"cool-down cannot starve a real rotation", nil, func(w *world) {
		w.good("at first")
		began := time.Now()
		w.refused("garbage", unpublished("garbage"), verifier.ErrKeyNotFound)
		w.issuer.Rotate(unpublished("key-2"))
		if err := w.verify(w.issuer.Token(nil), "198.51.100.7:2000"); err != nil {
			w.t.Errorf("the rotated key: %v", err)
		}
		if waited := time.Since(began); waited != 0 {
			w.t.Errorf("waited for %v", waited)
		}
	}, 3},
	{"cool-down cannot starve a real rotation, without an address", nil, func(w *world) {
		w.good("at first")
		refusedFor(w.t, "garbage", w.verify(w.issuer.TokenBy(unpublished("garbage"), nil, nil), ""), verifier.ErrKeyNotFound)
		w.issuer.Rotate(unpublished("key-2"))
		if err := w.verify(w.issuer.Token(nil), ""); err != nil {
			w.t.Errorf("the rotated key: %v", err)
		}
	}, 3},
	{"single-flight", nil, func(w *world) {
		w.issuer.Break(verifiertest.Slow(time.Second))
		other := unpublished("key-2")
		w.issuer.Publish(other)
		var all sync.WaitGroup
		for i := range 100 { // under two kids
			all.Go(func() {
				key := w.issuer.Token(nil)
				if i%2 == 0 {
					key = w.issuer.TokenBy(other, nil, nil)
				}
				if err := w.verify(key, "192.0.2.1:1000"); err != nil {
					w.t.Error(err)
				}
			})
		}
		all.Wait()
	}, 1},
	{"negative cache", nil, func(w *world) {
		w.good("at first")
		key := unpublished("bad")
		for range 100 { // from anywhere: it costs nobody anything, and is a definite no
			refusedFor(w.t, "a known-bad kid", w.verify(w.issuer.TokenBy(key, nil, nil), "192.0.2.1:1"), verifier.ErrKeyNotFound)
			refusedFor(w.t, "a known-bad kid", w.verify(w.issuer.TokenBy(key, nil, nil), "198.51.100.1:1"), verifier.ErrKeyNotFound)
		}
		w.fetched(2)
		w.issuer.Rotate(key) // it was asked for before its time
		time.Sleep(5 * time.Second)
		if err := w.verify(w.issuer.Token(nil), "198.51.100.1:1"); err != nil {
			w.t.Errorf("published since: %v", err)
		}
	}, 3},
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
		w.refused("no fetch for it", secret, verifier.ErrKeyNotFound)
		w.fetched(0)
		w.good("the other")
		w.refused("published", secret, verifier.ErrKeyNotFound)
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
	{"shared / persisted cache", nil, func(w *world) {
		store := newStore()
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("one server")
		w.fetched(1)
		synctest.Wait()
		time.Sleep(time.Minute)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("another server")
		w.fetched(1)
		w.issuer.Rotate(unpublished("key-2"))
		w.good("a kid that the store has not")
		w.fetched(2)
		synctest.Wait()
		w.issuer.Rotate(unpublished("key-3"))
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("a server that starts after a rotation")
		w.fetched(3)
		synctest.Wait()
		w.issuer.Break(verifiertest.Down())
		time.Sleep(30 * time.Minute)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("one that starts while the issuer is down, with what is stale")
		w.fetched(4)
		time.Sleep(time.Hour)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.refused("beyond the bound", unpublished("key-3"), verifier.ErrKeysUnavailable)
	}, 5},
	{"shared / persisted cache, out of order", nil, func(w *world) {
		store := newStore()
		store.err = errors.New("no store")
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("as if there were none")
		synctest.Wait()
		// The last would never be too old.
		ahead := `{"asked":"2999-01-01T00:00:00Z","ttl":600000000000,"set":` + encode(w.t, map[string]any{"keys": []any{w.key.JWK()}}) + `}`
		for _, garbage := range []string{"{", `{"set":{}}`, ahead} {
			store = newStore()
			store.values[w.issuer.JWKSURL()] = []byte(garbage)
			w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
			w.good(garbage)
			synctest.Wait()
		}
	}, 4},
	{"shared / persisted cache, hanging", nil, func(w *world) {
		w.verifier = w.verifierOf(w.another(jwks.WithStore(hanging{})))
		began := time.Now()
		w.good("as if there were none")
		if waited := time.Since(began); waited != time.Second {
			w.t.Errorf("waited for %v", waited)
		}
		time.Sleep(time.Second) // which it has to save
	}, 1},
	{"what is not ours panics", nil, func(w *world) {
		w.verifier = w.verifierOf(w.another(jwks.OnEvent(func(jwks.Event) { panic("a hook") })))
		w.good("a hook")
		w.verifier = w.verifierOf(w.another(jwks.WithStore(hanging{panics: true})))
		w.refused("a store", w.key, verifier.ErrKeysUnavailable)
		w.verifier = w.verifierOf(w.another(jwks.HTTPClient(&http.Client{Transport: panics{}})))
		w.refused("a transport", w.key, verifier.ErrKeysUnavailable)
	}, 1},
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
	{"hooks", nil, func(w *world) {
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		time.Sleep(9 * time.Minute)
		w.issuer.Withdraw("key-1")
		w.verify(w.issuer.Token(nil), "") // due for a refresh, which has its kid
		synctest.Wait()
		w.issuer.Break(verifiertest.Down())
		time.Sleep(10 * time.Minute)
		w.good("stale")
		if got := w.told(); got != "fetch refresh rotation failure stale" {
			w.t.Errorf("told %s", got)
		}
		if e := w.lastEvent(jwks.EventRotation); len(e.Keys) != 1 || e.Keys[0].ID() != "key-2" || e.URL != w.issuer.JWKSURL() {
			w.t.Errorf("got %+v", e)
		}
		got := w.provider.Stats()
		want := jwks.Stats{Fetches: 3, Failures: 1, Rotations: 1, Hits: 2, StaleServes: 1, UnknownKIDs: 1}
		if got != want {
			w.t.Errorf("got %+v, want %+v", got, want)
		}
	}, 3},
}

func TestBehaviours(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, b.options...)
				b.show(w)
				if b.fetches >= 0 {
					w.fetched(b.fetches)
				}
			})
		})
	}
}

// TestBehavioursAreDocumented: every line of the comparison is shown by a test of
// its name.
func TestBehavioursAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/jwks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| behaviour | here | others |\n| --- | --- | --- |\n")
	lines := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			t.Fatalf("a line is not of the table: %s", line)
		}
		name := strings.TrimSpace(cells[1])
		if !slices.ContainsFunc(behaviours, func(b behaviour) bool { return strings.HasPrefix(b.name, name) }) {
			t.Errorf("no test shows %q", name)
		}
		lines++
	}
	if lines < 20 {
		t.Errorf("the table has %d lines", lines)
	}
}

// hanging is a store that does not answer, or worse.
type hanging struct{ panics bool }

func (h hanging) Load(ctx context.Context, _ string) ([]byte, error) {
	if h.panics {
		panic("a store")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h hanging) Save(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("a transport") }

// store is a [jwks.Store] in memory.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

func newStore() *store { return &store{values: make(map[string][]byte)} }

func (s *store) Load(_ context.Context, url string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[url], s.err
}

func (s *store) Save(_ context.Context, url string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.values[url] = value
	}
	return s.err
}
