package redisstore_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

var _ dpop.Cache = (*redisstore.Used)(nil)

func TestUsed(t *testing.T) {
	server := startRedis(t)
	one, client := newUsed(t, server.Address())
	other, _ := newUsed(t, server.Address())
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }

	// Of many who use one id at once, in two processes, one is the first.
	var first atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		u := []*redisstore.Used{one, other}[i%2]
		wg.Go(func() {
			added, err := u.Add(t.Context(), "key.jti", in(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if added {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if first.Load() != 1 {
		t.Errorf("%d were the first", first.Load())
	}
	if added, err := other.Add(t.Context(), "key.another", in(time.Minute)); err != nil || !added {
		t.Errorf("another id: %v, %v", added, err)
	}

	// It is kept until its time, and little longer.
	ttl, err := client.PTTL(t.Context(), "test:proofs:key.jti").Result()
	if err != nil || ttl < 30*time.Second || ttl > time.Minute+time.Second {
		t.Errorf("it is kept for %v (%v)", ttl, err)
	}
	if _, err := one.Add(t.Context(), "key.past", in(-time.Hour)); err != nil {
		t.Error(err)
	}
	if ttl := client.PTTL(t.Context(), "test:proofs:key.past").Val(); ttl > time.Second {
		t.Errorf("what is over is kept for %v", ttl)
	}

	// Redis out of reach is an error, not a new id.
	server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if added, err := one.Add(ctx, "key.outage", in(time.Minute)); err == nil || added {
		t.Errorf("without Redis: %v, %v", added, err)
	}
}

func newUsed(t *testing.T, address string) (*redisstore.Used, *redis.Client) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	u, err := redisstore.NewUsed(client, "test:proofs:")
	if err != nil {
		t.Fatal(err)
	}
	return u, client
}

// TestUsedMisconfigured: the constructor names what is missing.
func TestUsedMisconfigured(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	for word, f := range map[string]func() (*redisstore.Used, error){
		"the client": func() (*redisstore.Used, error) { return redisstore.NewUsed(nil, "x") },
		"the prefix": func() (*redisstore.Used, error) { return redisstore.NewUsed(client, "") },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error with %q", err, word)
		}
	}
}
