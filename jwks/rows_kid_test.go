package jwks_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// unknownKIDs: when a kid that the set has not causes a fetch.
var unknownKIDs = []behaviour{
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
}
