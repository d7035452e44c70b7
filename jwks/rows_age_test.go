package jwks_test

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// agesOfSets: how long a set is used, and when it is asked for again.
var agesOfSets = []behaviour{
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
