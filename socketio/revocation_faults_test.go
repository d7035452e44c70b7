package socketio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// oddStore is a memoryStore whose Put and Follow do what a test has them do first.
type oddStore struct {
	*memoryStore
	put    func(context.Context, socketio.Revocation) error
	follow func(ctx context.Context, apply func(socketio.Revocation), synced func()) error
}

func (o *oddStore) Put(ctx context.Context, v socketio.Revocation) error {
	if o.put != nil {
		if err := o.put(ctx, v); err != nil {
			return err
		}
	}
	return o.memoryStore.Put(ctx, v)
}

func (o *oddStore) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	if o.follow != nil {
		if err := o.follow(ctx, apply, synced); err != nil {
			return err
		}
	}
	return o.memoryStore.Follow(ctx, apply, synced)
}

// cluster is two registries on one store: here may be odd, there is not.
func cluster(t *testing.T, here *oddStore) (a, b *socketio.Registry) {
	t.Helper()
	here.memoryStore = newMemoryStore()
	a = socketio.NewRegistry(&socketio.RegistryOptions{Store: here, Logger: slog.New(slog.DiscardHandler)})
	b = socketio.NewRegistry(&socketio.RegistryOptions{Store: here.memoryStore, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return a, b
}

// admits reports whether a registry's namespace accepts a new client.
func admits(t *testing.T, r *socketio.Registry, word string) error {
	t.Helper()
	_, err := newLive(t, socketio.ByHandshake(), socketio.WithRegistry(r)).Admit(t.Context(), withToken("/", word))
	return err
}

// TestFaultsI1RevocationsThatAreNotStored: whatever makes Put fail while the list is
// followed, the revocation gets into the store, and until then Err says that it is
// not there.
func TestFaultsI1RevocationsThatAreNotStored(t *testing.T) {
	broken := errors.New("OOM command not allowed")
	tests := map[string]struct {
		put func(context.Context, socketio.Revocation) error
		ctx func(context.Context) context.Context
	}{
		"the store refuses writes": {put: func(context.Context, socketio.Revocation) error { return broken }},
		"the caller has given up": {
			put: func(ctx context.Context, _ socketio.Revocation) error { return cmp.Or(ctx.Err(), broken) },
			ctx: func(ctx context.Context) context.Context {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx
			},
		},
		"the store panics": {put: func(context.Context, socketio.Revocation) error { panic(broken) }},
	}
	for name, test := range tests {
		for _, action := range []string{"Revoke", "Unrevoke"} {
			t.Run(name+", "+action, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &oddStore{}
					a, b := cluster(t, store)
					act, want := a.Revoke, error(socketio.ErrTokenRevoked)
					if action == "Unrevoke" {
						revoke(t, a, socketio.Revocation{Subject: "mallory"})
						act, want = a.Unrevoke, nil
					}
					fails := 3
					store.put = func(ctx context.Context, v socketio.Revocation) error {
						if fails--; fails >= 0 {
							return test.put(ctx, v)
						}
						return nil
					}
					ctx := t.Context()
					if test.ctx != nil {
						ctx = test.ctx(ctx)
					}
					if err := act(ctx, socketio.Revocation{Subject: "mallory"}); err == nil || !strings.Contains(err.Error(), "in this process only") {
						t.Fatalf("%s: %v", action, err)
					}
					if err := a.Err(); err == nil || !strings.Contains(err.Error(), "1 revocations are not in the store yet") {
						t.Errorf("Err: %v", err)
					}
					if err := admits(t, a, "alice"); err != nil {
						t.Errorf("a process that knows everything refuses others: %v", err)
					}
					time.Sleep(5 * time.Second)
					if err := a.Err(); err != nil {
						t.Errorf("Err afterwards: %v", err)
					}
					for _, r := range []*socketio.Registry{a, b} {
						if err := admits(t, r, "mallory"); !errors.Is(err, want) && (want != nil || err != nil) {
							t.Errorf("mallory: %v, want %v", err, want)
						}
					}
				})
			})
		}
	}
}

// TestFaultsI2UnstorableRevocation: what cannot be stored is refused at once and
// takes no effect.
func TestFaultsI2UnstorableRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, &oddStore{})
		for name, v := range map[string]socketio.Revocation{
			"the year 10000":           {Subject: "mallory", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
			"issued in the year -1":    {Subject: "mallory", IssuedBefore: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
			"bytes that are not UTF-8": {Subject: "mallory", SessionID: "\xff"},
			"more than any token has":  {Subject: "mallory", TokenID: strings.Repeat("x", 1<<20)},
			"a withdrawal":             {Subject: "mallory", Withdrawn: true},
		} {
			if err := a.Revoke(t.Context(), v); err == nil || strings.Contains(err.Error(), "in this process only") {
				t.Errorf("%s: %v", name, err)
			}
			if err := a.Err(); err != nil || a.Revocations() != 0 {
				t.Errorf("%s: Err %v, %d are kept", name, err, a.Revocations())
			}
		}
	})
}

// TestFaultsI2OneBlocksNoOther: a revocation that the store never takes stops none
// of the others, after an outage as well as after a restart.
func TestFaultsI2OneBlocksNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		poison := errors.New("this one is too large")
		down := errors.New("connection refused")
		store := &oddStore{}
		a, b := cluster(t, store)
		store.put = func(_ context.Context, v socketio.Revocation) error {
			switch {
			case strings.HasPrefix(v.Subject, "poison"):
				return poison
			case away.Load():
				return down
			}
			return nil
		}
		for i := range 200 {
			name := fmt.Sprint("user", i)
			if i%20 == 0 {
				name = "poison" + name
			}
			if err := a.Revoke(t.Context(), socketio.Revocation{Subject: name}); err == nil {
				t.Fatal("it was stored")
			}
		}
		away.Store(false)
		time.Sleep(2 * time.Minute)
		if n := b.Revocations(); n != 190 {
			t.Errorf("%d of 190 are known elsewhere", n)
		}
		if err := a.Err(); !errors.Is(err, poison) || !strings.Contains(err.Error(), "10 revocations") {
			t.Errorf("Err: %v", err)
		}
	})
}

// TestFaultsI3SlowCallback: revocations from elsewhere take effect while functions
// of the application's take their time.
func TestFaultsI3SlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, &oddStore{})
		release := make(chan struct{})
		live := newLive(t, socketio.WithRegistry(b), socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { <-release }))
		var guards []*socketio.Guard
		for i := range 5 {
			g, _ := join(t, live, fmt.Sprintf("mallory jti=%d", i))
			guards = append(guards, g)
		}
		bystander, _ := join(t, live, "bob jti=x")
		revoke(t, a, socketio.Revocation{Subject: "mallory"})
		synctest.Wait()
		revoke(t, a, socketio.Revocation{Subject: "bob"})
		revoke(t, a, socketio.Revocation{Subject: "carol"})
		synctest.Wait()
		for _, g := range append(guards, bystander) {
			if g.Session() != nil {
				t.Error("a revoked session is live while a callback runs")
			}
		}
		if err := admits(t, b, "carol"); !errors.Is(err, socketio.ErrTokenRevoked) {
			t.Errorf("carol: %v", err)
		}
		close(release)
	})
}

// TestFaultsD4CloseInCallback: a function of the application's that a revocation
// from elsewhere has called may close the registry.
func TestFaultsD4CloseInCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, &oddStore{})
		closed := make(chan error, 1)
		live := newLive(t, socketio.WithRegistry(b), socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { closed <- b.Close() }))
		join(t, live, "mallory")
		revoke(t, a, socketio.Revocation{Subject: "mallory"})
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestFaultsD4CloseReturns: also if the store does not mind its context.
func TestFaultsD4CloseReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		store := &oddStore{memoryStore: newMemoryStore(), follow: func(context.Context, func(socketio.Revocation), func()) error {
			<-stuck
			return errors.New("over")
		}}
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		if err := r.Close(); err == nil || !strings.Contains(err.Error(), "ignores its context") {
			t.Errorf("Close: %v", err)
		}
		close(stuck)
	})
}

// TestFaultsI8Panics: a store that panics counts as out of reach, and is followed
// again.
func TestFaultsI8Panics(t *testing.T) {
	for name, follow := range map[string]func(context.Context, func(socketio.Revocation), func()) error{
		"at once": func(context.Context, func(socketio.Revocation), func()) error { panic("at once") },
		"nil": func(context.Context, func(socketio.Revocation), func()) error {
			var r *socketio.Revocation
			return errors.New(r.Subject)
		},
		"after synced": func(_ context.Context, _ func(socketio.Revocation), synced func()) error { synced(); panic("later") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				store := &oddStore{follow: func(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
					if calls++; calls > 3 {
						return nil
					}
					return follow(ctx, apply, synced)
				}}
				a, _ := cluster(t, store)
				if err := a.Err(); err == nil || !strings.Contains(err.Error(), "panicked") {
					t.Errorf("Err: %v", err)
				}
				if err := admits(t, a, "alice"); !errors.Is(err, socketio.ErrRevocationsUnavailable) {
					t.Errorf("alice: %v", err)
				}
				if err := a.Synced(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestFaultsI8ClockPanics: a clock that panics ends nothing.
func TestFaultsI8ClockPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Buffer
		a := newLive(t, socketio.WithClock(func() time.Time { panic("no clock") }), socketio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		g, _ := enter(t, a, "/", "alice exp=60")
		if g.Session() == nil {
			t.Error("no session")
		}
		time.Sleep(2 * time.Minute)
		if g.Session() != nil {
			t.Error("the session outlives its token")
		}
		if !strings.Contains(log.String(), "no clock") {
			t.Errorf("the log has %q", log.String())
		}
	})
}

// TestFaultsI10OneLogLine: a connection that breaks again and again is one line in
// the log, and is not tried without a pause.
func TestFaultsI10OneLogLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Buffer
		var follows atomic.Int64
		var flapping atomic.Bool
		flapping.Store(true)
		store := &oddStore{memoryStore: newMemoryStore(), follow: func(_ context.Context, _ func(socketio.Revocation), synced func()) error {
			follows.Add(1)
			if !flapping.Load() {
				return nil
			}
			synced()
			return errors.New("connection reset by peer")
		}}
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer r.Close()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := follows.Load(); n > 40 {
			t.Errorf("the store was tried %d times in 10 s", n)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, log.String())
		}
		flapping.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := strings.Count(log.String(), "store is back"); n != 1 {
			t.Errorf("that it is back is logged %d times:\n%s", n, log.String())
		}
		// The next loss is told again, and tried again soon.
		store.lose(errors.New("gone"))
		store.restore()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := strings.Count(log.String(), "out of reach"); n != 2 || r.Err() != nil {
			t.Errorf("the second loss: %d lines, Err %v:\n%s", n, r.Err(), log.String())
		}
	})
}

// TestFaultsI11LogoutGivenUp: a logout whose request the provider gives up is
// applied everywhere nevertheless.
func TestFaultsI11LogoutGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &oddStore{put: func(ctx context.Context, _ socketio.Revocation) error { return ctx.Err() }}
		a, b := cluster(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		form := url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(map[string]any{"jti": "x"}))}}
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/logout", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		newLogout(t, a).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		for _, r := range []*socketio.Registry{a, b} {
			if err := admits(t, r, "alice sid=s1"); !errors.Is(err, socketio.ErrTokenRevoked) {
				t.Errorf("alice: %v", err)
			}
		}
	})
}
