package introspection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// answering is a client whose endpoint answers with a status and a body, or nil to
// have it panic.
func answering(t *testing.T, answer func(ctx context.Context, token string) (int, string), options ...Option) *Client {
	t.Helper()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		status, text := answer(r.Context(), form.Get("token"))
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	})
	c, err := New("https://login.example/introspect", append([]Option{
		ClientSecret("id", "secret"), HTTPClient(&http.Client{Transport: transport}), WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCrowdIsNotAnOutage: the client refuses tokens beyond the turns of the endpoint, and the
// endpoint does not count as down.
func TestCrowdIsNotAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := answering(t, func(context.Context, string) (int, string) {
			time.Sleep(2 * time.Second)
			return http.StatusOK, `{"active":false}`
		})
		var wg sync.WaitGroup
		var mu sync.Mutex
		busy := 0
		for i := range 5000 {
			wg.Go(func() {
				_, err := c.Introspect(t.Context(), fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, errBusy) {
					busy++
				} else if !errors.Is(err, verifier.ErrTokenInactive) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		c.mu.Lock()
		if n := len(c.flights); n > maxFlights {
			t.Errorf("%d tokens wait for the endpoint, at most %d may", n, maxFlights)
		}
		c.mu.Unlock()
		wg.Wait()
		if busy < 5000-3*maxRequests {
			t.Errorf("%d were told to come later", busy)
		}
		if _, err := c.Introspect(t.Context(), "another"); !errors.Is(err, verifier.ErrTokenInactive) {
			t.Errorf("afterwards: %v", err)
		}
		if s := c.Stats(); s.Failures != 0 || s.Requests > uint64(3*maxRequests+1) {
			t.Errorf("%+v", s)
		}
	})
}

// TestInactiveTokensPushNothingOut: invented tokens do not replace good ones in
// the cache.
func TestInactiveTokensPushNothingOut(t *testing.T) {
	asked := 0
	c := answering(t, func(_ context.Context, token string) (int, string) {
		if token == "good" {
			asked++
			return http.StatusOK, `{"active":true}`
		}
		return http.StatusOK, `{"active":false}`
	}, CacheSize(2), WithClock(newClock().now))
	for i := range 10 {
		if _, err := c.Introspect(t.Context(), "good"); err != nil {
			t.Fatal(err)
		}
		for j := range 3 {
			if _, err := c.Introspect(t.Context(), fmt.Sprint(i, j)); !errors.Is(err, verifier.ErrTokenInactive) {
				t.Fatal(err)
			}
		}
	}
	if asked != 1 {
		t.Errorf("the endpoint was asked %d times for the good token", asked)
	}
	if got, want := c.Stats(), (Stats{Requests: 31, Hits: 9}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestTokenThatCannotBeAsked: an answer about one token does not affect the
// others; otherwise such a token would block them.
func TestTokenThatCannotBeAsked(t *testing.T) {
	for _, status := range []int{400, 413, 414, 422, 431} {
		c := answering(t, func(_ context.Context, token string) (int, string) {
			if token == "odd" {
				return status, ""
			}
			return http.StatusOK, `{"active":true}`
		}, WithClock(newClock().now))
		if _, err := c.Introspect(t.Context(), "odd"); err == nil || errors.Is(err, verifier.ErrTokenInactive) {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := c.Introspect(t.Context(), "good"); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if got, want := c.Stats(), (Stats{Requests: 2, Failures: 1}); got != want {
			t.Errorf("%d: got %+v, want %+v", status, got, want)
		}
	}
}

// TestPanicOfATransport: it would end the program, in a goroutine that nobody can
// guard.
func TestPanicOfATransport(t *testing.T) {
	c := answering(t, func(context.Context, string) (int, string) { panic("at the transport") })
	if _, err := c.Introspect(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "at the transport") {
		t.Errorf("got %v", err)
	}
}
