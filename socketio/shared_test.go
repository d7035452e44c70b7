package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// memoryCounter is a [socketio.FailureCounter] that several authorizers share.
type memoryCounter struct {
	mu    sync.Mutex
	keys  map[string]int
	calls int
	fail  func() error // nil: it works
}

func (c *memoryCounter) Add(_ context.Context, key string, n int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.fail != nil {
		if err := c.fail(); err != nil {
			return 0, err
		}
	}
	c.keys[key] += n
	return c.keys[key], nil
}

// TestShareFailures: what fails at one process counts at the others.
func TestShareFailures(t *testing.T) {
	try := func(t *testing.T, a *socketio.Authorizer, address, word string, want error) {
		t.Helper()
		if _, err := a.Admit(t.Context(), from(address, word)); !errors.Is(err, want) {
			t.Errorf("%s from %s: %v, want %v", word, address, err, want)
		}
		synctest.Wait()
	}
	for name, test := range map[string]struct {
		perAddress, total int
		others            error // what is told to an address that failed once here
	}{
		"by address": {20, 0, nil},
		"in total":   {0, 20, socketio.ErrTooManyAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &memoryCounter{keys: make(map[string]int)}
				node := func() *socketio.Authorizer {
					return newLive(t, socketio.ByHandshake(), socketio.MaxFailures(test.perAddress, test.total), socketio.ShareFailures(c))
				}
				a, b := node(), node()
				for i := range 20 {
					try(t, a, fmt.Sprint("203.0.113.1:", i), "forged", verifier.ErrSignatureInvalid)
				}
				try(t, b, "203.0.113.1:1", "alice", nil) // nothing failed here
				try(t, b, "203.0.113.1:1", "forged", verifier.ErrSignatureInvalid)
				try(t, b, "203.0.113.1:1", "alice", socketio.ErrTooManyAttempts)
				try(t, b, "203.0.113.2:1", "alice", nil)
				try(t, b, "203.0.113.2:1", "forged", verifier.ErrSignatureInvalid)
				try(t, b, "203.0.113.2:1", "alice", test.others)
				time.Sleep(time.Minute)
				try(t, b, "203.0.113.1:1", "alice", nil)
			})
		})
	}
	t.Run("out of reach", func(t *testing.T) {
		for name, fail := range map[string]func() error{
			"error": func() error { return errors.New("connection refused") }, "panic": func() error { panic("no counter") },
		} {
			synctest.Test(t, func(t *testing.T) {
				c := &memoryCounter{keys: make(map[string]int), fail: fail}
				a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(3, 0), socketio.ShareFailures(c))
				for range 3 {
					try(t, a, "203.0.113.1:1", "forged", verifier.ErrSignatureInvalid)
				}
				try(t, a, "203.0.113.1:1", "alice", socketio.ErrTooManyAttempts)
				if c.calls == 0 {
					t.Errorf("%s: the counter was not asked", name)
				}
			})
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		for _, options := range [][]socketio.Option{
			{socketio.ShareFailures(nil)}, {socketio.ShareFailures(&memoryCounter{}), socketio.MaxFailures(0, 0)},
		} {
			if _, err := socketio.New(socketio.AuthenticatorFunc(words), options...); err == nil || !strings.Contains(err.Error(), "ShareFailures") {
				t.Errorf("New: %v", err)
			}
		}
	})
}

// usedIDs is a [socketio.UsedIDs] in memory.
type usedIDs struct {
	mu   sync.Mutex
	ids  map[string]bool
	fail error
}

func (u *usedIDs) Add(_ context.Context, id string, _ time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail != nil {
		return false, u.fail
	}
	added := !u.ids[id]
	u.ids[id] = true
	return added, nil
}

// TestLogoutUsed: of processes that share which logout tokens were received, one
// accepts a token; a failure to say so lets the provider send it again.
func TestLogoutUsed(t *testing.T) {
	used := &usedIDs{ids: make(map[string]bool)}
	node := func() http.Handler {
		o := &socketio.LogoutOptions{Used: used, Logger: slog.New(slog.DiscardHandler)}
		return newLogoutOf(t, socketio.NewRegistry(nil), o, verifier.Issuer("issuer"), verifier.Audience("chat"), verifier.Type("logout+jwt"))
	}
	a, b := node(), node()
	send := func(h http.Handler, jti string, want int, says string) {
		t.Helper()
		form := url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(map[string]any{"jti": jti}))}}
		if w := post(h, form); w.Code != want || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s is answered %d %s, want %d %s", jti, w.Code, w.Body, want, says)
		}
	}
	send(a, "1", http.StatusOK, "")
	send(b, "1", http.StatusBadRequest, "received before")
	send(b, "2", http.StatusOK, "")
	used.fail = errors.New("connection refused")
	send(a, "3", http.StatusBadRequest, "temporarily_unavailable")
	used.fail = nil
	send(b, "3", http.StatusOK, "")
}
