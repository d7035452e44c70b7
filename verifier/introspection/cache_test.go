package introspection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestCache(t *testing.T) {
	at, e := newClock(), newEndpoint(t)
	e.on("a", says(ada))
	is := activity(t, e.client(t, WithClock(at.now), CacheSize(2)))

	is("a", true)
	is("a", true)
	e.expect(t, 1)
	at.advance(DefaultTTL - time.Millisecond)
	is("a", true)
	e.expect(t, 1)
	at.advance(time.Millisecond) // absolute: use does not prolong it
	is("a", true)
	e.expect(t, 2)

	// Revoked: it ends when its answer does.
	e.on("a", nil)
	is("a", true)
	at.advance(DefaultTTL)
	is("a", false)
	e.expect(t, 3)
	is("a", false)
	e.expect(t, 3)
	at.advance(inactiveTTL)
	is("a", false)
	e.expect(t, 4)
}

// activity returns a function that expects whether a token is active.
func activity(t *testing.T, c *Client) func(token string, active bool) {
	return func(token string, active bool) {
		t.Helper()
		if _, err := c.Introspect(t.Context(), token); active && err != nil || !active && !errors.Is(err, verifier.ErrTokenInactive) {
			t.Fatalf("%s: %v", token, err)
		}
	}
}

// TestCacheBounds: the cache keeps an answer until the token's exp at most, and at most as
// many answers as CacheSize.
func TestCacheBounds(t *testing.T) {
	at, e := newClock(), newEndpoint(t)
	e.on("short", says(`{"active":true,"exp":1700000010}`))
	c := e.client(t, WithClock(at.now), CacheSize(2), TTL(time.Minute))
	is := activity(t, c)
	is("short", true)
	at.advance(10*time.Second - time.Millisecond)
	is("short", true)
	e.expect(t, 1)
	at.advance(time.Millisecond)
	is("short", true)
	e.expect(t, 2)

	// The cache is bounded.
	e.asked.Store(0)
	for i := range 10 {
		is(fmt.Sprint("unknown", i), false)
	}
	if got := c.inactive.Len(); got != 2 {
		t.Errorf("%d answers are kept", got)
	}
	e.expect(t, 10)

	// Or there is none.
	e.on("a", says(ada))
	e.asked.Store(0)
	c = e.client(t, WithClock(at.now), TTL(0))
	is = activity(t, c)
	for range 3 {
		is("a", true)
		is("b", false)
	}
	e.expect(t, 6)
	if got := c.known.Len() + c.inactive.Len(); got != 0 {
		t.Errorf("%d answers are kept", got)
	}
}

// TestOneRequest: however many ask for a token at once, the endpoint is asked
// once, and one who gives up does not take the answer from the others.
func TestOneRequest(t *testing.T) {
	e, held, arrived := newEndpoint(t), make(chan struct{}), make(chan struct{})
	e.on("a", func(w http.ResponseWriter) {
		close(arrived)
		<-held
		says(ada)(w)
	})
	c := e.client(t, WithClock(newClock().now))
	impatient, giveUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := c.Introspect(impatient, "a")
		gone <- err
	}()
	<-arrived
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.Introspect(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	close(held)
	wg.Wait()
	e.expect(t, 1)
}

// TestOutage: an outage is not an inactive token, and the endpoint is spared.
func TestOutage(t *testing.T) {
	at, e := newClock(), newEndpoint(t)
	e.on("a", fails(http.StatusServiceUnavailable))
	e.on("b", says(ada))
	c := e.client(t, WithClock(at.now), TTL(time.Second))
	attempts := 0
	for range 3600 { // an hour, asked every second
		before := e.asked.Load()
		_, err := c.Introspect(t.Context(), "a")
		if err == nil || errors.Is(err, verifier.ErrTokenInactive) {
			t.Fatalf("got %v", err)
		}
		if e.asked.Load() > before {
			attempts++
		}
		at.advance(time.Second)
	}
	// A pause of at most 30 s, of which half is jitter.
	if attempts < 3600/30 || attempts > 3600/15+10 {
		t.Errorf("the endpoint was asked %d times in an hour", attempts)
	}
	at.advance(maxPause)
	if _, err := c.Introspect(t.Context(), "b"); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	if _, err := c.Introspect(t.Context(), "c"); !errors.Is(err, verifier.ErrTokenInactive) {
		t.Errorf("after the outage: %v", err)
	}
}

func TestMaxStale(t *testing.T) {
	at, e := newClock(), newEndpoint(t)
	const inAnHour = `{"active":true,"exp":1700003600}`
	e.on("a", says(inAnHour))
	c := e.client(t, WithClock(at.now), TTL(time.Minute), MaxStale(time.Hour*2))
	if _, err := c.Introspect(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	e.on("a", fails(http.StatusServiceUnavailable))
	at.advance(59 * time.Minute)
	for range 3 { // the first asks, the others find the token paused
		if claims, err := c.Introspect(t.Context(), "a"); err != nil || string(claims) != inAnHour {
			t.Fatalf("stale: %v", err)
		}
	}
	e.expect(t, 2)
	at.advance(time.Minute) // the token's own exp
	if _, err := c.Introspect(t.Context(), "a"); err == nil {
		t.Error("a stale answer is used beyond the token's exp")
	}

	// A new answer counts, whether or not the old one is stale.
	e.on("b", says(`{"active":true}`))
	at.advance(maxPause)
	if _, err := c.Introspect(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	e.on("b", says(`{"active":false}`))
	at.advance(time.Minute)
	if _, err := c.Introspect(t.Context(), "b"); !errors.Is(err, verifier.ErrTokenInactive) {
		t.Errorf("revoked: %v", err)
	}
	if got, want := c.Stats(), (Stats{Requests: 5, Failures: 2, StaleServes: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestTurns: few requests are in progress at once, and one that gets no answer ends.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var underWay, most atomic.Int64
		hang := roundTripper(func(r *http.Request) (*http.Response, error) {
			n := underWay.Add(1)
			defer underWay.Add(-1)
			for {
				if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
					break
				}
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c, err := New("https://login.example/introspect", ClientSecret("id", "secret"), HTTPClient(&http.Client{Transport: hang}))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, err := c.Introspect(context.Background(), fmt.Sprint(i)); err == nil {
					t.Error("no answer, and no error")
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != timeout {
			t.Errorf("it took %v, want %v", took, timeout)
		}
		if most.Load() != maxRequests {
			t.Errorf("%d requests were in progress at once, want %d", most.Load(), maxRequests)
		}
	})
}
