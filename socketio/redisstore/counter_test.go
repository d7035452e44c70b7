package redisstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestCounter: processes count together, for a minute.
func TestCounter(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	client := clientOf(r.Address())
	defer client.Close()
	var wg sync.WaitGroup
	for range 2 {
		c, err := redisstore.NewCounter(client, "test:failures:")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			wg.Go(func() {
				if _, err := c.Add(t.Context(), "203.0.113.1", 3); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	c, _ := redisstore.NewCounter(client, "test:failures:")
	if n, err := c.Add(t.Context(), "203.0.113.1", 1); n != 61 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := c.Add(t.Context(), "203.0.113.2", 1); n != 1 || err != nil {
		t.Errorf("another: %d, %v", n, err)
	}
	if ttl := client.PTTL(t.Context(), "test:failures:203.0.113.1").Val(); ttl < 30*time.Second || ttl > time.Minute {
		t.Errorf("it is kept for %v", ttl)
	}
	for _, nonsense := range []func() (*redisstore.Counter, error){
		func() (*redisstore.Counter, error) { return redisstore.NewCounter(nil, "x") },
		func() (*redisstore.Counter, error) { return redisstore.NewCounter(client, "") },
	} {
		if _, err := nonsense(); err == nil || !strings.Contains(err.Error(), "NewCounter") {
			t.Errorf("got %v", err)
		}
	}
}

// TestFaultsI4UsedPolicy: ids that Redis may evict before their time are an error, as
// keys with a time to live are under volatile policies too.
func TestFaultsI4UsedPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"allkeys-lru", "volatile-lru", "volatile-ttl"} {
		r := startRedis(t)
		client := clientOf(r.Address())
		defer client.Close()
		late := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1}) // out of reach
		defer late.Close()
		if _, err := redisstore.NewUsed(late, "x"); err != nil {
			t.Errorf("without Redis: %v", err)
		}
		if err := client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := redisstore.NewUsed(client, "x"); !errors.Is(err, socketio.ErrStoreMisconfigured) || !strings.Contains(err.Error(), policy) {
			t.Errorf("%s: %v", policy, err)
		}
	}
}
