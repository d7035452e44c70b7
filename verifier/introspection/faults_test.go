package introspection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsB2ShutOut: ten tokens a second that the endpoint fails for, of whatever
// kind the failure is, shut out none of a hundred honest new clients. The endpoint
// answers for nobody else, so that nothing but the honest show that it is up.
func TestFaultsB2ShutOut(t *testing.T) {
	for name, bad := range map[string]func(ctx context.Context) (int, string){
		"500":              func(context.Context) (int, string) { return 500, "" },
		"502":              func(context.Context) (int, string) { return 502, "" },
		"401":              func(context.Context) (int, string) { return 401, "" },
		"a status of ours": func(context.Context) (int, string) { return 299, "" },
		"no JSON":          func(context.Context) (int, string) { return 200, "<html>" },
		"an odd exp":       func(context.Context) (int, string) { return 200, `{"active":true,"exp":"soon"}` },
		"an odd active":    func(context.Context) (int, string) { return 200, `{"active":"yes"}` },
		"too long":         func(context.Context) (int, string) { return 200, strings.Repeat(" ", maxSize+1) },
		"a panic":          func(context.Context) (int, string) { panic("at the transport") },
		"400":              func(context.Context) (int, string) { return 400, `{"error":"invalid_request"}` },
		"inactive":         func(context.Context) (int, string) { return 200, `{"active":false}` },
		"slow":             func(context.Context) (int, string) { time.Sleep(4 * time.Second); return 500, "" },
		"no answer":        func(ctx context.Context) (int, string) { <-ctx.Done(); panic(ctx.Err()) },
	} {
		for _, head := range []time.Duration{0, time.Second, 30 * time.Second} {
			t.Run(fmt.Sprint(name, ", ", head, " before"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := answering(t, func(ctx context.Context, token string) (int, string) {
						if strings.HasPrefix(token, "honest") {
							return http.StatusOK, `{"active":true}`
						}
						return bad(ctx)
					})
					var wg sync.WaitGroup
					var shutOut atomic.Int64
					wg.Go(func() {
						for i := range int((head + 50*time.Second) / (100 * time.Millisecond)) {
							wg.Go(func() { _, _ = c.Introspect(t.Context(), fmt.Sprint("bad", i)) })
							time.Sleep(100 * time.Millisecond)
						}
					})
					time.Sleep(head + 30*time.Millisecond)
					for i := range 100 {
						wg.Go(func() {
							if _, err := c.Introspect(t.Context(), fmt.Sprint("honest", i)); err != nil {
								shutOut.Add(1)
							}
						})
						time.Sleep(500 * time.Millisecond)
					}
					wg.Wait()
					if n := shutOut.Load(); n != 0 {
						t.Errorf("%d of 100 honest new clients were shut out", n)
					}
				})
			})
		}
	}
}

// TestFaultsB2Outage: what several different tokens share is an outage, in which
// the endpoint is asked little; it ends with the first answer.
func TestFaultsB2Outage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, asked := false, 0
		c := answering(t, func(context.Context, string) (int, string) {
			if asked++; up {
				return http.StatusOK, `{"active":true}`
			}
			return http.StatusServiceUnavailable, ""
		})
		for i := range 6000 { // a minute, 100 tokens a second
			if _, err := c.Introspect(t.Context(), fmt.Sprint(i)); err == nil || errors.Is(err, verifier.ErrTokenInactive) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if asked > 60*maxTries+sharedFailures {
			t.Errorf("the endpoint was asked %d times in a minute", asked)
		}
		up = true
		time.Sleep(time.Second)
		for i := range 100 {
			if _, err := c.Introspect(t.Context(), fmt.Sprint("after", i)); err != nil {
				t.Errorf("after the outage: %v", err)
			}
		}
	})
}

// TestFaultsB2OneToken: a token that fails is not asked for again at once, and does
// not stand for others.
func TestFaultsB2OneToken(t *testing.T) {
	at, asked := newClock(), map[string]int{}
	c := answering(t, func(_ context.Context, token string) (int, string) {
		if asked[token]++; token == "bad" {
			return 500, ""
		}
		return 200, `{"active":true}`
	}, WithClock(at.now))
	for i := range 600 { // ten minutes
		if _, err := c.Introspect(t.Context(), "bad"); err == nil || errors.Is(err, verifier.ErrTokenInactive) || errors.Is(err, verifier.ErrTokenMalformed) {
			t.Fatalf("got %v", err)
		}
		if _, err := c.Introspect(t.Context(), fmt.Sprint("good", i)); err != nil {
			t.Fatalf("another token: %v", err)
		}
		at.advance(time.Second)
	}
	if n := asked["bad"]; n < 600/30 || n > 600/15+10 {
		t.Errorf("the bad token was asked for %d times in ten minutes", n)
	}
}

// TestFaultsB2NotAsked: text that is not a token is refused without a request.
func TestFaultsB2NotAsked(t *testing.T) {
	c := answering(t, func(_ context.Context, token string) (int, string) {
		if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) || token == "" {
			t.Errorf("the endpoint was asked for %q", token)
		}
		return 200, `{"active":true}`
	})
	v, err := verifier.NewOpaque(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"\x00", "a\x00b", "a\nb", "a\r\n", "\tab", "a\x7f", "tökén", "a\xff", "\u202e", "😀"} {
		_, err := c.Introspect(t.Context(), token)
		_, verr := v.Verify(t.Context(), token)
		for _, err := range []error{err, verr} {
			if !malformed(verifier.AsUnauthorized(err)) {
				t.Errorf("%q: got %v", token, err)
			}
		}
		if active, err := c.StillActive(t.Context(), token); active || err != nil {
			t.Errorf("%q: still active: %v, %v", token, active, err)
		}
	}
	if _, err := c.Introspect(t.Context(), ""); err == nil {
		t.Error("an empty token is accepted")
	}
	for _, token := range []string{"x", "a b~!\"#", "eyJhbGciOiJub25lIn0.e30."} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func malformed(u *verifier.UnauthorizedError) bool {
	return u != nil && u.Reason == verifier.ErrTokenMalformed && !u.Retryable && u.Code == verifier.CodeInvalidToken
}

// TestFaultsB8: a token that the endpoint cannot read is refused for good; that it
// does not know this server is another thing.
func TestFaultsB8(t *testing.T) {
	for _, row := range []struct {
		status  int
		body    string
		forGood bool
	}{
		{400, "", true},
		{400, `{"error":"invalid_request","error_description":"not an opaque token"}`, true},
		{400, `{"error":"unsupported_token_type"}`, true},
		{400, "<html>", true},
		{413, "", true}, {414, "", true}, {422, "", true}, {431, "", true},
		{400, `{"error":"invalid_client"}`, false},
		{400, `{"error":"unauthorized_client"}`, false},
		{401, "", false}, {403, "", false}, {404, "", false}, {429, "", false}, {500, "", false}, {503, "", false},
	} {
		asked, at := 0, newClock()
		c := answering(t, func(context.Context, string) (int, string) { asked++; return row.status, row.body }, WithClock(at.now))
		v, err := verifier.NewOpaque(c)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = v.Verify(t.Context(), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
			u := verifier.AsUnauthorized(err)
			if u == nil || u.Retryable == row.forGood || (u.Reason == verifier.ErrTokenMalformed) != row.forGood || (u.Reason == verifier.ErrKeysUnavailable) == row.forGood {
				t.Errorf("%d %s: got %#v", row.status, row.body, u)
			}
		}
		if asked != 1 {
			t.Errorf("%d %s: the endpoint was asked %d times", row.status, row.body, asked)
		}
	}
}

// TestFaultsB5StillActive: a sweep learns of a revocation, and takes no outage for
// one.
func TestFaultsB5StillActive(t *testing.T) {
	at, answer, status := newClock(), `{"active":true}`, 200
	c := answering(t, func(context.Context, string) (int, string) { return status, answer }, WithClock(at.now), MaxStale(time.Hour))
	is := func(what string, active, failed bool) {
		t.Helper()
		got, err := verifier.StillActive(t.Context(), c, "x")
		if got != active || (err != nil) != failed {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	is("at first", true, false)
	answer = `{"active":false}`
	is("within the TTL", true, false)
	at.advance(DefaultTTL)
	status = 503
	is("an outage", false, true)
	if _, err := c.Introspect(t.Context(), "x"); err != nil { // which MaxStale accepts meanwhile
		t.Errorf("within MaxStale: %v", err)
	}
	is("an outage, and MaxStale", false, true)
	at.advance(maxPause)
	status = 200
	is("revoked", false, false)
	is("revoked, from memory", false, false)
}

// TestFaultsB5FloodedSweep: however many invented tokens hang at the endpoint, the
// sweep is answered.
func TestFaultsB5FloodedSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := answering(t, func(ctx context.Context, token string) (int, string) {
			if token == "session" {
				return 200, `{"active":false}`
			}
			<-ctx.Done()
			panic(ctx.Err())
		})
		var wg sync.WaitGroup
		for i := range 6000 {
			wg.Go(func() { _, _ = c.Introspect(t.Context(), fmt.Sprint(i)) })
			if i%1000 == 999 {
				time.Sleep(time.Second)
				if active, err := c.StillActive(t.Context(), "session"); active || err != nil {
					t.Errorf("after %d: %v, %v", i, active, err)
				}
			}
		}
		wg.Wait()
	})
}

// TestRefusalOfAFunction: a refusal in the error of a function of the application's
// says nothing of the token that is asked for.
func TestRefusalOfAFunction(t *testing.T) {
	c, err := New("https://login.example/introspect", BearerToken(func(context.Context) (string, error) {
		return "", verifier.Inactive(nil) // of this server's own token
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Introspect(t.Context(), "x"); err == nil || errors.Is(err, verifier.ErrTokenInactive) {
		t.Errorf("got %v", err)
	}
	if active, err := c.StillActive(t.Context(), "y"); active || err == nil {
		t.Errorf("got %v, %v", active, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(verifier.Inactive(nil))
	c = answering(t, func(ctx context.Context, _ string) (int, string) {
		time.Sleep(time.Millisecond)
		return 200, `{"active":true}`
	})
	if _, err := c.Introspect(ctx, "x"); err == nil || errors.Is(err, verifier.ErrTokenInactive) {
		t.Errorf("a caller that gave up: %v", err)
	}
}

// crashing is a log handler that panics.
type crashing struct{ slog.Handler }

func (crashing) Enabled(context.Context, slog.Level) bool  { return true }
func (crashing) Handle(context.Context, slog.Record) error { panic("the logger") }

// TestFaultsD3Panics: neither a clock nor a logger of the application's ends the
// process, nor do they keep a turn.
func TestFaultsD3Panics(t *testing.T) {
	calls := 0
	for name, option := range map[string]Option{
		"the clock": WithClock(func() time.Time {
			if calls++; calls%3 == 2 { // in the goroutine that asks
				panic("the clock")
			}
			return time.Now()
		}),
		"the logger": WithLogger(slog.New(crashing{slog.DiscardHandler})),
	} {
		c := answering(t, func(context.Context, string) (int, string) { return 200, `{"active":true}` }, option)
		for i := range 3 * maxRequests {
			if _, err := c.Introspect(t.Context(), fmt.Sprint(i)); err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s, %d: got %v", name, i, err)
			}
			calls = 0
		}
	}
	calls = 0
	c := answering(t, func(context.Context, string) (int, string) { return 200, `{"active":true}` }, WithClock(func() time.Time {
		if calls++; calls == 2 {
			panic("the clock")
		}
		return time.Now()
	}))
	_, _ = c.Introspect(t.Context(), "x")
	if _, err := c.Introspect(t.Context(), "x"); err != nil {
		t.Errorf("the same token, after the clock panicked: %v", err)
	}
}
