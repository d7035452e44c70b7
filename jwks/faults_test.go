package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// flood sends invented kids: one a second from the attacker's address, and ten a
// second from others, as long as the test's clock stands within the duration.
// between is called once a second.
func (w *world) flood(d time.Duration, between func(second int)) {
	n := 0
	for second := range int(d / time.Second) {
		w.verify(garbage(n), "192.0.2.66:1")
		for i := range 10 {
			n++
			w.verify(garbage(n), fmt.Sprintf("10.2.%d.%d:1", n/200%200, i))
		}
		between(second)
		time.Sleep(time.Second)
	}
}

// hasKey asks the provider whether the key may still verify its tokens.
func (w *world) hasKey(p verifier.KeyProvider, key *verifiertest.Key) (bool, error) {
	w.t.Helper()
	raw := key.Mint(nil, verifiertest.Claims{"iss": w.issuer.URL()})
	static, err := keys.NewSet(key.Key())
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.verifierOf(static).Verify(w.t.Context(), raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return verifier.HasKey(w.t.Context(), p, token.Unverified(&verifier.Handshake{}), key.Key())
}

// TestFaultsB1WithdrawnDuringFlood: invented kids neither keep a withdrawn key
// alive nor change what its tokens are told.
func TestFaultsB1WithdrawnDuringFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		w.issuer.Withdraw("key-1")
		gone := -1
		w.flood(11*time.Minute, func(second int) {
			w.good("the key in use")
			err := w.verify(w.issuer.TokenBy(w.key, nil, nil), "198.51.100.9:1")
			switch {
			case errors.Is(err, verifier.ErrKeyNotFound):
				if gone < 0 {
					gone = second
				}
			case gone >= 0:
				t.Errorf("after %d s: got %v, want key_not_found", second, err)
			}
			has, err := w.hasKey(w.provider, w.key)
			if gone >= 0 && (has || err != nil) {
				t.Errorf("after %d s: HasKey says %v and %v", second, has, err)
			}
		})
		if gone < 0 || gone > 600 {
			t.Errorf("the key was gone after %d s", gone)
		}
	})
}

// TestFaultsB1ThreeResults: found, not found, and "could not ask".
func TestFaultsB1ThreeResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, jwks.MaxStale(0))
		check := func(what string, key *verifiertest.Key, has, failed bool) {
			t.Helper()
			got, err := w.hasKey(w.provider, key)
			if got != has || (err != nil) != failed {
				t.Errorf("%s: got %v and %v", what, got, err)
			}
		}
		w.issuer.Break(verifiertest.Down())
		check("no set at all, and the issuer is down", w.key, false, true)
		w.issuer.Break(nil)
		time.Sleep(10 * time.Second)
		check("in the set", w.key, true, false)
		other := unpublished("never published")
		check("never in the set", other, false, false)
		w.issuer.Break(verifiertest.Down())
		time.Sleep(6 * time.Second)
		check("never in the set, which cannot be fetched anew", other, false, true)
		check("in the set, within the TTL", w.key, true, false)
		w.issuer.Break(nil)
		next := unpublished("key-2")
		w.issuer.Rotate(next)
		w.issuer.Withdraw("key-1")
		time.Sleep(time.Minute)
		check("published since the last fetch", next, true, false)
		check("withdrawn", w.key, false, false)
		w.issuer.Break(verifiertest.Down())
		check("withdrawn, in an outage within the TTL", w.key, false, false)
		time.Sleep(11 * time.Minute)
		check("beyond the TTL", next, false, true)
		w.issuer.Break(nil)
		w.issuer.Publish(w.key)
		time.Sleep(time.Minute)
		check("published again", w.key, true, false)
	})
}

// TestFaultsB1AskingCostsOthersNothing: the questions of a sweep spend nothing of
// what unknown kids may cost, and those asked at once share a fetch.
func TestFaultsB1AskingCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		w.issuer.Break(verifiertest.Slow(time.Second))
		other := unpublished("never published")
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if has, err := w.hasKey(w.provider, other); has || err != nil {
					t.Errorf("got %v and %v", has, err)
				}
			})
		}
		all.Wait()
		w.fetched(3) // one, and one more for those who came during it
		w.issuer.Break(nil)
		for range 10 {
			w.hasKey(w.provider, other)
		}
		w.fetched(13)
		w.issuer.Rotate(unpublished("key-2"))
		w.good("a new key")
		w.fetched(14)
	})
}

// TestFaultsB1InAnOutage: within the TTL a withdrawn key is an answer in an outage too,
// and the questions of a sweep do not hammer an issuer that is down.
func TestFaultsB1InAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		w.issuer.Withdraw("key-1")
		w.good("rotated")
		time.Sleep(time.Minute) // the set is no longer new
		w.issuer.Break(verifiertest.Down())
		for range 3 { // with a fetch that fails, and without one
			w.refused("withdrawn", w.key, verifier.ErrKeyNotFound)
		}
		w.refused("unknown", unpublished("unknown"), verifier.ErrKeysUnavailable)
		before := w.issuer.Fetches()
		for range 100 {
			if has, err := w.hasKey(w.provider, unpublished("unknown")); has || err == nil {
				t.Fatalf("got %v and %v", has, err)
			}
		}
		w.fetched(before)
	})
}

// TestFaultsB1Composed: the combinations of providers hand the question on.
func TestFaultsB1Composed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		client := jwks.HTTPClient(w.issuer.Client())
		allowed := true
		byFunction := made(t)(jwks.IssuersFunc(func(_ context.Context, issuer string) (bool, error) { return allowed, nil }, client, jwks.WithLogger(quiet)))
		broken := made(t)(jwks.URL("https://broken.test/jwks", client, jwks.WithLogger(quiet)))
		other := made(t)(jwks.OIDC("https://other.test/", client, jwks.WithLogger(quiet)))
		chain := func(p ...verifier.KeyProvider) verifier.KeyProvider {
			c, err := keys.FirstOf(p...)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		list := made(t)(jwks.Issuers(map[string]verifier.KeyProvider{w.issuer.URL(): w.provider}))
		all := map[string]verifier.KeyProvider{
			"URL": w.provider, "IssuersFunc": byFunction, "Issuers": list,
			"FirstOf another issuer's": chain(other, w.provider), "FirstOf one that is down": chain(broken, w.provider),
		}
		for name, p := range all {
			if has, err := w.hasKey(p, w.key); !has || err != nil {
				t.Errorf("%s: got %v and %v", name, has, err)
			}
		}
		w.issuer.Rotate(unpublished("key-2"))
		w.issuer.Withdraw("key-1")
		time.Sleep(11 * time.Minute)
		for name, p := range all {
			has, err := w.hasKey(p, w.key)
			if has || (err != nil) != (name == "FirstOf one that is down") {
				t.Errorf("withdrawn: %s: got %v and %v", name, has, err)
			}
		}
		allowed = false
		w.issuer.Publish(w.key)
		if has, err := w.hasKey(byFunction, w.key); has || err != nil {
			t.Errorf("an issuer that is no longer allowed: got %v and %v", has, err)
		}
	})
}

// TestFaultsB7WrongIssuer: the error says which issuer came and which was
// expected, and the client is not told.
func TestFaultsB7WrongIssuer(t *testing.T) {
	const expected = "https://login.example/tenant/v2.0"
	p := made(t)(jwks.OIDC(expected))
	list := made(t)(jwks.Issuers(map[string]verifier.KeyProvider{expected: p}))
	function := made(t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return false, nil }))
	chain, err := keys.FirstOf(p, function)
	if err != nil {
		t.Fatal(err)
	}
	key := unpublished("a")
	for name, provider := range map[string]verifier.KeyProvider{"OIDC": p, "Issuers": list, "IssuersFunc": function, "FirstOf": chain} {
		for _, iss := range []string{expected + "/", "https://login.example/common/v2.0", "https://sts.example/tenant/", strings.Repeat("x", 5000)} {
			_, err := newVerifier(t, provider).Verify(t.Context(), key.Mint(nil, verifiertest.Claims{"iss": iss}))
			refusedFor(t, name, err, verifier.ErrIssuerMismatch)
			u := verifier.AsUnauthorized(err)
			if u.Message != "jwt issuer invalid" || u.Code != verifier.CodeInvalidToken {
				t.Errorf("%s: the client is told %q, %q", name, u.Code, u.Message)
			}
			if text := err.Error(); !strings.Contains(text, fmt.Sprintf("%.200q", iss)) || len(text) > 1000 {
				t.Errorf("%s: the error does not name the issuer that came: %v", name, err)
			}
			if name != "IssuersFunc" && !strings.Contains(err.Error(), expected) {
				t.Errorf("%s: the error does not name the issuer expected: %v", name, err)
			}
		}
	}
}

// skewed is a clock whose wall time can be set, without a monotonic reading.
type skewed struct{ by time.Duration }

func (s *skewed) now() time.Time { return time.Now().Round(0).Add(s.by) }

// TestFaultsC4ClockSetBack: a wall clock that is set back keeps no withdrawn key
// alive, and stops neither refreshes, retries nor the search for new keys.
func TestFaultsC4ClockSetBack(t *testing.T) {
	for _, step := range []time.Duration{-5 * time.Minute, -time.Hour, -24 * 365 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var clock skewed
			w := newWorld(t, jwks.WithClock(clock.now))
			w.good("at first")
			clock.by = step
			w.issuer.Rotate(unpublished("key-2"))
			w.good("a new key after the step")
			w.issuer.Withdraw("key-1")
			w.issuer.Withdraw("key-2")
			w.issuer.Publish(unpublished("key-3"))
			time.Sleep(10 * time.Minute)
			w.refused("withdrawn", w.key, verifier.ErrKeyNotFound)
			w.refused("withdrawn too", unpublished("key-2"), verifier.ErrKeyNotFound)

			w.issuer.Break(verifiertest.Down())
			time.Sleep(10 * time.Minute)
			w.refused("an unknown key in an outage", unpublished("x"), verifier.ErrKeysUnavailable)
			clock.by += step
			w.issuer.Break(nil)
			time.Sleep(30 * time.Second)
			w.issuer.Rotate(unpublished("key-4"))
			if err := w.verify(w.issuer.Token(nil), "198.51.100.1:1"); err != nil {
				t.Errorf("after the outage: %v", err)
			}
		})
	}
}

// TestFaultsC4Suspended: while a machine is suspended its monotonic clock stands
// still, and only the wall clock says that the set is old.
func TestFaultsC4Suspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		w := newWorld(t, jwks.WithClock(clock.now))
		w.good("at first")
		w.issuer.Withdraw("key-1")
		clock.by = 10 * time.Minute
		w.refused("withdrawn meanwhile", w.key, verifier.ErrKeyNotFound)
		w.fetched(2)

		w.issuer.Publish(w.key)
		clock.by += time.Hour
		w.good("again")
		w.issuer.Break(verifiertest.Down())
		clock.by += 70 * time.Minute
		w.refused("beyond MaxStale", w.key, verifier.ErrKeysUnavailable)
	})
}

// TestFaultsC4Limits: the limits on unknown kids outlast a clock that is set back,
// and are not held up by it.
func TestFaultsC4Limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		w := newWorld(t, jwks.WithClock(clock.now))
		w.good("at first")
		w.refused("spends the address's fetch", unpublished("a"), verifier.ErrKeyNotFound)
		clock.by = -time.Hour
		for i := range 10 {
			w.refused("not yet", unpublished(fmt.Sprint(i)), verifier.ErrKeysUnavailable)
		}
		w.fetched(2)
		time.Sleep(31 * time.Second)
		w.refused("30 s later", unpublished("b"), verifier.ErrKeyNotFound)
		w.fetched(3)
	})
}

// TestClockPanics: a clock that panics in a fetch does not end the process.
func TestClockPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, jwks.WithClock(func() time.Time { panic("a clock") }))
		w.good("by the machine's clock")
	})
}
