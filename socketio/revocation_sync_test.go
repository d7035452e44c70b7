package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// syncStore is a store that may lose its list, with its own clock.
type syncStore struct {
	*memoryStore
	ahead time.Duration
	mu    sync.Mutex
	lost  []socketio.Revocation // what was put back
}

func (s *syncStore) Sync(ctx context.Context, to *socketio.RevocationSync) error {
	to.Begin()
	to.Clock(time.Now().Add(s.ahead))
	return s.Follow(ctx, to.Apply, func() {
		s.mu.Lock()
		s.lost = slices.AppendSeq(s.lost, iter.Seq[socketio.Revocation](to.Missing()))
		s.mu.Unlock()
		to.Synced()
	})
}

func (s *syncStore) missing() []socketio.Revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost)
}

// TestFaultsI7Clocks: a revocation counts until the store's clock says that it has
// expired, and its life is never shorter than asked for by either clock.
func TestFaultsI7Clocks(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &syncStore{memoryStore: newMemoryStore(), ahead: ahead}
				r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
				defer r.Close()
				synctest.Wait()
				// Made elsewhere, by a clock that is right.
				if err := store.Put(t.Context(), socketio.Revocation{Subject: "mallory", Expires: time.Now().Add(ahead + time.Minute)}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				time.Sleep(50 * time.Second)
				if err := admits(t, r, "mallory"); ahead <= 0 && !errors.Is(err, socketio.ErrTokenRevoked) {
					t.Errorf("before the revocation expires: %v", err)
				}
				revoke(t, r, socketio.Revocation{Subject: "trudy"})
				store.memoryStore.mu.Lock()
				last := store.all[len(store.all)-1].Expires
				store.memoryStore.mu.Unlock()
				if until := time.Now().Add(max(0, ahead) + socketio.DefaultRevocationTTL); last.Before(until) {
					t.Errorf("the revocation ends at %v, %v early", last, until.Sub(last))
				}
			})
		})
	}
}

// TestMissing: a store that lost its list is told what the process knows and the
// store has not told of since.
func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &syncStore{memoryStore: newMemoryStore()}
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		defer r.Close()
		synctest.Wait()
		for _, name := range []string{"alice", "bob", "carol"} {
			revoke(t, r, socketio.Revocation{Subject: name})
		}
		if lost := store.missing(); len(lost) != 0 {
			t.Errorf("missing from a full list: %v", lost)
		}
		store.memoryStore.mu.Lock()
		store.all = store.all[1:2]
		store.memoryStore.mu.Unlock()
		store.lose(errors.New("restarted"))
		store.restore()
		time.Sleep(2 * time.Second)
		var names []string
		for _, v := range store.missing() {
			names = append(names, v.Subject)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != "alice carol" {
			t.Errorf("missing are %q", got)
		}
	})
}

// TestSynced waits for the list, and tells why it waits no longer.
func TestSynced(t *testing.T) {
	if err := socketio.NewRegistry(nil).Synced(t.Context()); err != nil {
		t.Errorf("without a store: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection refused")
		store := newMemoryStore()
		store.lose(down)
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Synced(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, down) {
			t.Errorf("while the store is away: %v", err)
		}
		time.AfterFunc(3*time.Second, store.restore)
		if err := r.Synced(t.Context()); err != nil || r.Err() != nil {
			t.Errorf("when it is back: %v, Err %v", err, r.Err())
		}
		store.lose(fmt.Errorf("policy: %w", socketio.ErrStoreMisconfigured))
		synctest.Wait()
		if err := r.Synced(t.Context()); !errors.Is(err, socketio.ErrStoreMisconfigured) {
			t.Errorf("a store that is set up wrongly: %v", err)
		}
		store.lose(down)
		time.AfterFunc(5*time.Second, func() { _ = r.Close() })
		time.Sleep(2 * time.Second)
		if err := r.Synced(t.Context()); err == nil {
			t.Error("a closed registry is synced")
		}
	})
}
