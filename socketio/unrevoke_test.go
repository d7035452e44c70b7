package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestFaultsI14Unrevoke: a revocation can be taken back, in all processes, and the
// same user can be revoked again.
func TestFaultsI14Unrevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &oddStore{}
		a, b := cluster(t, store)
		refused := func(word string, want bool, when string) { t.Helper(); refusedBy(t, word, want, when, a, b) }
		exp := time.Now().Add(time.Hour)
		v := socketio.Revocation{Subject: "alice", Expires: exp}
		for range 3 {
			revoke(t, a, v)
			revoke(t, b, socketio.Revocation{Subject: "alice", Expires: exp.Add(-time.Minute)}) // the list drops it as covered
			revoke(t, a, socketio.Revocation{Subject: "alice", Issuer: "issuer"})
			refused("alice", true, "revoked")
			if err := b.Unrevoke(t.Context(), socketio.Revocation{Subject: "alice"}); err != nil {
				t.Fatal(err)
			}
			refused("alice iss=other", false, "taken back")
			refused("alice", true, "the narrower one still counts")
			if err := a.Unrevoke(t.Context(), socketio.Revocation{Subject: "alice", Issuer: "issuer"}); err != nil {
				t.Fatal(err)
			}
			refused("alice", false, "both taken back")
		}
		if err := a.Unrevoke(t.Context(), socketio.Revocation{Subject: "nobody"}); err == nil {
			t.Error("what was never revoked was taken back")
		}
		// The order in which a process reads the list does not matter.
		slices.Reverse(store.all)
		late := socketio.NewRegistry(&socketio.RegistryOptions{Store: store.memoryStore})
		defer late.Close()
		synctest.Wait()
		if err := admits(t, late, "alice"); err != nil {
			t.Errorf("a process that reads the list backwards: %v", err)
		}
	})
}

// refusedBy checks whether each of the processes refuses a user as revoked.
func refusedBy(t *testing.T, word string, want bool, when string, processes ...*socketio.Registry) {
	t.Helper()
	synctest.Wait()
	for i, r := range processes {
		if err := admits(t, r, word); errors.Is(err, socketio.ErrTokenRevoked) != want {
			t.Errorf("%s, %s is told %v by process %d, want refused: %v", when, word, err, i, want)
		}
	}
}

// TestRevokedBesideUnrevoke: if a process that does not know of a withdrawal revokes
// with the same expiry, the revocation counts.
func TestRevokedBesideUnrevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &oddStore{}
		a, b := cluster(t, store)
		bob := socketio.Revocation{Subject: "bob", Expires: time.Now().Add(time.Hour)}
		var away atomic.Bool
		away.Store(true)
		offline := func(context.Context) error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		}
		c := socketio.NewRegistry(&socketio.RegistryOptions{Logger: slog.New(slog.DiscardHandler), Store: &oddStore{
			memoryStore: store.memoryStore,
			put:         func(ctx context.Context, _ socketio.Revocation) error { return offline(ctx) },
			follow:      func(ctx context.Context, _ func(socketio.Revocation), _ func()) error { return offline(ctx) },
		}})
		defer c.Close()
		revoke(t, b, bob)
		if err := c.Revoke(t.Context(), bob); err == nil {
			t.Fatal("it was stored")
		}
		if err := b.Unrevoke(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		refusedBy(t, "bob", false, "taken back", a, b)
		away.Store(false)
		time.Sleep(5 * time.Second)
		refusedBy(t, "bob", true, "revoked elsewhere meanwhile", a, b)
	})
}
