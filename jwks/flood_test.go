package jwks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// garbage is a token under its own kid, as it costs an attacker nothing to
// make.
func garbage(n int) string {
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":"garbage-%d"}`, n)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.AAAA"
}

// fetchTimes records when the key set is asked for.
func (w *world) fetchTimes() func() []time.Time {
	var mu sync.Mutex
	var times []time.Time
	w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		mu.Lock()
		times = append(times, time.Now())
		mu.Unlock()
		serve(rw, r)
	})
	return func() []time.Time {
		mu.Lock()
		defer mu.Unlock()
		return times
	}
}

func TestTenThousandFirstVerifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Break(verifiertest.Slow(time.Second))
		raw := w.issuer.Token(nil)
		var all sync.WaitGroup
		for i := range 10_000 {
			all.Go(func() {
				if err := w.verify(raw, fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.fetched(1)
	})
}

// A minute of 100,000 tokens under random kids from one address, from the moment
// that the provider starts.
func TestFloodFromOneAddress(t *testing.T) {
	for _, test := range []struct {
		name    string
		tokens  int
		address func(int) string
	}{
		{"IPv4", 100_000, func(i int) string { return fmt.Sprintf("192.0.2.1:%d", 1024+i%60000) }},
		{"an IPv6 network", 5_000, func(i int) string { return fmt.Sprintf("[2001:db8::%x:%x]:1", i/65536, i%65536) }},
		{"IPv4 in IPv6", 5_000, func(i int) string { return []string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", "192.0.2.1"}[i%3] }},
		{"no IP address", 5_000, func(int) string { return "@" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				for i := range test.tokens {
					err := w.verify(garbage(i), test.address(i))
					if !errors.Is(err, verifier.ErrKeysUnavailable) && !errors.Is(err, verifier.ErrKeyNotFound) {
						t.Fatal(err)
					}
					if i == test.tokens/5 {
						w.issuer.Rotate(unpublished("key-2"))
						began := time.Now()
						if err := w.verify(w.issuer.Token(nil), "198.51.100.1:1"); err != nil || time.Since(began) != 0 {
							t.Errorf("the rotated key: %v after %v", err, time.Since(began))
						}
					}
					time.Sleep(time.Minute / time.Duration(test.tokens))
				}
				if n := w.issuer.Fetches(); n > 3 {
					t.Errorf("%d fetches", n)
				}
				if got := w.provider.Stats(); got.TooEarly < uint64(test.tokens)-10 {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

// The same flood from 10,000 addresses, or from unknown addresses.
func TestFloodFromEverywhere(t *testing.T) {
	for name, address := range map[string]func(int) string{
		"10,000 addresses": func(i int) string { return fmt.Sprintf("10.1.%d.%d:1", i%10_000/256, i%256) },
		"no address":       func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.good("at first")
				time.Sleep(time.Minute)
				times := w.fetchTimes()
				began := time.Now()
				var rotated, verified time.Duration
				for i := range 100_000 {
					now := time.Since(began)
					w.verify(garbage(i), address(i))
					if i == 35_500 {
						w.issuer.Rotate(unpublished("key-2"))
						rotated = now
					}
					if rotated != 0 && verified == 0 && i%100 == 0 {
						err := w.verify(w.issuer.Token(nil), "198.51.100.1:1")
						if err == nil {
							verified = now
						} else if u := verifier.AsUnauthorized(err); !u.Retryable || !errors.Is(err, verifier.ErrKeysUnavailable) {
							t.Fatalf("too early: %v", err)
						}
					}
					if waited := time.Since(began) - now; waited != 0 {
						t.Fatalf("waited for %v", waited)
					}
					time.Sleep(time.Minute / 100_000)
				}
				if verified == 0 || verified-rotated > 5*time.Second {
					t.Errorf("rotated at %v, verified at %v", rotated, verified)
				}
				// One is kept for a second source; from then on it is one in 5 s.
				all := times()
				if len(all) > 13 {
					t.Errorf("%d fetches in a minute", len(all))
				}
				wantGaps(t, all, 5*time.Second, began.Add(rotated))
			})
		})
	}
}

// wantGaps expects that from the second fetch on, and up to a moment, the fetches are apart.
func wantGaps(t *testing.T, fetches []time.Time, apart time.Duration, until time.Time) {
	t.Helper()
	for i := 2; i < len(fetches); i++ {
		if gap := fetches[i].Sub(fetches[i-1]); gap < apart && fetches[i-1].Before(until) {
			t.Errorf("fetch %d after %v", i, gap)
		}
	}
}

// Behind a proxy a server can say where its clients are.
func TestClientAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, jwks.ClientAddress(func(h *verifier.Handshake) string { return h.Header.Get("X-Real-Ip") }))
		from := func(raw, client string) error {
			_, err := w.verifier.Authenticate(t.Context(), &verifier.Handshake{
				Query: map[string][]string{"token": {raw}}, RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Real-Ip": {client}},
			})
			return err
		}
		if err := from(w.issuer.Token(nil), "a"); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			from(garbage(i), "a")
		}
		w.fetched(2)
		w.issuer.Rotate(unpublished("key-2"))
		refusedFor(t, "the same client", from(w.issuer.Token(nil), "a"), verifier.ErrKeysUnavailable)
		if err := from(w.issuer.Token(nil), "b"); err != nil {
			t.Errorf("another: %v", err)
		}
		w.fetched(3)
	})
}

// An hour without the issuer, with a verification every second.
func TestOutageOfAnHour(t *testing.T) {
	for name, fault := range map[string]verifiertest.Fault{
		"down": verifiertest.Down(), "hangs": verifiertest.Hang(nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.good("at first")
				w.issuer.Break(fault)
				for range 3 { // one attempt, and then none for a while
					w.refused("an unknown kid", unpublished("unknown"), verifier.ErrKeysUnavailable)
				}
				w.fetched(2)
				raw := w.issuer.Token(nil)
				for range 3600 {
					began := time.Now()
					if err := w.verify(raw, "192.0.2.1:1"); err != nil {
						t.Fatalf("during the outage: %v", err)
					}
					if waited := time.Since(began); waited != 0 {
						t.Errorf("waited for %v", waited)
					}
					time.Sleep(time.Second)
				}
				if n := w.issuer.Fetches() - 2; n < 5 || n > 20 {
					t.Errorf("%d attempts", n)
				}
				if got := w.provider.Stats(); got.StaleServes == 0 {
					t.Errorf("got %+v", got)
				}
				w.issuer.Break(nil)
				time.Sleep(9 * time.Minute)
				w.good("to begin a refresh")
				synctest.Wait()
				w.refused("a wrong kid is again a definite no", unpublished("wrong"), verifier.ErrKeyNotFound)
			})
		})
	}
}

// However long it lasts, the pause between attempts stays what it is.
func TestOutageWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Break(verifiertest.Status(503))
		raw := w.issuer.Token(nil)
		for range 2 * 3600 {
			refusedFor(t, "during the outage", w.verify(raw, "192.0.2.1:1"), verifier.ErrKeysUnavailable)
			time.Sleep(time.Second)
		}
		if n := w.issuer.Fetches(); n < 2*3600/23 || n > 2*3600/15+5 {
			t.Errorf("%d attempts in two hours, of which each should be 15 to 22.5 s from the next", n)
		}
	})
}

// A fetch belongs to all callers that wait for it: none of them can end it for the others.
func TestGivingUpEndsNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Break(verifiertest.Slow(2 * time.Second))
		raw := w.issuer.Token(nil)
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := w.verifier.Verify(ctx, raw)
			refusedFor(t, "who gave up", err, verifier.ErrKeysUnavailable)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		all.Go(func() {
			if _, err := w.verifier.Verify(t.Context(), raw); err != nil {
				t.Errorf("who did not: %v", err)
			}
		})
		all.Wait()
		w.fetched(1)
	})
}

// An unknown kid that finds a fetch in progress waits for that, and asks again
// only if the fetch began before it came.
func TestUnknownKIDJoinsAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		w.issuer.Break(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			serve(rw, r) // what it says is of before
			time.Sleep(time.Second)
		})
		time.Sleep(9 * time.Minute)
		w.good("begins a refresh")
		time.Sleep(time.Millisecond)
		w.issuer.Rotate(unpublished("key-2"))
		w.good("rotated meanwhile")
		w.fetched(3)
	})
}

// At the end of the TTL, after a pause, many come at once and find the issuer
// out of order: the keys they know go on.
func TestManyFindTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.good("at first")
		time.Sleep(time.Hour)
		w.issuer.Break(func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			time.Sleep(time.Second)
			rw.WriteHeader(http.StatusBadGateway)
		})
		raw := w.issuer.Token(nil)
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond) // before, at and after the failure
				if err := w.verify(raw, "192.0.2.1:1"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.fetched(2)
	})
}

// The function of OnEvent may take its time and have tokens verified, even such
// as need a fetch.
func TestEventsMayVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var kinds []jwks.EventKind
		w = newWorld(t, jwks.OnEvent(func(e jwks.Event) {
			if kinds = append(kinds, e.Kind); e.Kind == jwks.EventRotation {
				time.Sleep(time.Minute)
				w.refused("by a key that is unknown", unpublished("unknown"), verifier.ErrKeyNotFound)
				w.good("by one that is known")
			}
		}))
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		began := time.Now()
		w.good("rotated")
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := fmt.Sprint(kinds); got != "[fetch fetch rotation fetch]" {
			t.Errorf("told %s", got)
		}
	})
}

func TestKeysWithoutKID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Withdraw("key-1")
		nameless := unpublished("")
		w.issuer.Publish(nameless)
		named := verifiertest.Claims{"kid": "its own name"}
		for range 10 {
			for _, header := range []verifiertest.Claims{nil, named} {
				if err := w.verify(w.issuer.TokenBy(nameless, header, nil), "192.0.2.1:1"); err != nil {
					t.Errorf("%v: %v", header, err)
				}
			}
		}
		w.fetched(1)
		// Beside a key with a kid, those without are the last resort.
		w.issuer.Publish(unpublished("key-2"))
		time.Sleep(time.Hour)
		for range 10 {
			if err := w.verify(w.issuer.TokenBy(nameless, named, nil), "192.0.2.1:1"); err != nil {
				t.Error(err)
			}
		}
		w.fetched(2)
	})
}
