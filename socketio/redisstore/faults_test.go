package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestFaultsI1RedisRefusesWrites: a revocation that Redis does not take gets there
// when it does again.
func TestFaultsI1RedisRefusesWrites(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ reject, accept []any }{
		"as a replica":        {[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}},
		"too few replicas":    {[]any{"CONFIG", "SET", "min-replicas-to-write", "3"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
		"without permissions": {[]any{"ACL", "SETUSER", "default", "-zadd"}, []any{"ACL", "SETUSER", "default", "+zadd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			admin := clientOf(r.Address())
			defer admin.Close()
			a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(r.Address()), key)
			a.sync(t, bound)
			b.sync(t, bound)
			if err := admin.Do(t.Context(), test.reject...).Err(); err != nil {
				t.Fatal(err)
			}
			if err := a.Revoke(t.Context(), socketio.Revocation{Subject: "mallory"}); err == nil {
				t.Fatal("Redis took it")
			}
			if err := a.Err(); err == nil || !strings.Contains(err.Error(), "not in the store yet") {
				t.Errorf("Err: %v", err)
			}
			if err := admin.Do(t.Context(), test.accept...).Err(); err != nil {
				t.Fatal(err)
			}
			b.refuses(t, "mallory", bound)
			within(t, bound, a.Err)
		})
	}
}

// TestFaultsI1RedisWithoutMemory: a Redis that has reached its maxmemory takes
// revocations nevertheless, or Err says so.
func TestFaultsI1RedisWithoutMemory(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	admin := clientOf(r.Address())
	defer admin.Close()
	a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(r.Address()), key)
	a.sync(t, bound)
	b.sync(t, bound)
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1kb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Set(t.Context(), "x", 1, 0).Err(); err == nil {
		t.Fatal("Redis has memory")
	}
	if err := a.Revoke(t.Context(), socketio.Revocation{Subject: "mallory"}); err != nil {
		if a.Err() == nil {
			t.Errorf("Revoke: %v, and Err is nil", err)
		}
		if err := admin.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.refuses(t, "mallory", bound)
	late := startProcess(t, clientOf(r.Address()), key)
	late.sync(t, bound)
	late.refuses(t, "mallory", 0)
}

// TestFaultsI4ListLost: a list that is gone is put back at once by those who know
// it, who stay synced, and a process that starts then is not synced before.
func TestFaultsI4ListLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string][]any{
		"FLUSHALL": {"FLUSHALL"},
		"DEL":      {"DEL", key}, // and eviction
		"SWAPDB":   {"SWAPDB", 0, 1},
		"RENAME":   {"RENAME", key, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			admin := clientOf(r.Address())
			defer admin.Close()
			a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(r.Address()), key)
			a.sync(t, bound)
			b.sync(t, bound)
			a.revokes(t, "mallory")
			b.revokes(t, "trudy")
			if err := admin.Do(t.Context(), lose...).Err(); err != nil {
				t.Fatal(err)
			}
			late := startProcess(t, clientOf(r.Address()), key)
			late.sync(t, bound)
			late.refuses(t, "mallory", 0)
			late.refuses(t, "trudy", 0)
			for _, p := range []*process{a, b} {
				if log := p.log.String(); log != "" {
					t.Errorf("a process that knew everything was out of reach: %s", log)
				}
			}
		})
	}
}

// TestFaultsI4EvictionPolicy: a Redis that may evict the list is an error, at the
// start and later.
func TestFaultsI4EvictionPolicy(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	admin := clientOf(r.Address())
	defer admin.Close()
	p := startProcess(t, clientOf(r.Address()), key)
	p.sync(t, bound)
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random"} {
		if err := admin.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := redisstore.New(admin, key); !errors.Is(err, socketio.ErrStoreMisconfigured) || !strings.Contains(err.Error(), policy) {
			t.Errorf("New with %s: %v", policy, err)
		}
	}
	p.isBehind(t, bound)
	if err := p.Synced(t.Context()); !errors.Is(err, socketio.ErrStoreMisconfigured) {
		t.Errorf("Synced: %v", err)
	}
	for _, policy := range []string{"volatile-lru", "noeviction"} { // the list has no time to live
		if err := admin.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := redisstore.New(admin, key); err != nil {
			t.Errorf("New with %s: %v", policy, err)
		}
	}
	within(t, bound, p.Err)
}

// TestFaultsI5RestartedEmpty: a process that starts on a Redis that has lost its
// memory is synced when it knows everything that the others know.
func TestFaultsI5RestartedEmpty(t *testing.T) {
	t.Parallel()
	const many = 20_000
	r := startRedis(t)
	a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(r.Address()), key)
	a.sync(t, bound)
	b.sync(t, bound)
	// Each knows a half that the other does not.
	r.Stop()
	a.isBehind(t, bound)
	b.isBehind(t, bound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Put need not try
	for i := range many {
		p := []*process{a, b}[i%2]
		if err := p.Revoke(ctx, socketio.Revocation{Subject: fmt.Sprint("user", i)}); err == nil {
			t.Fatal("it was stored without Redis")
		}
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	late := startProcess(t, clientOf(r.Address()), key)
	late.sync(t, 3*bound)
	if n := late.Revocations(); n != many {
		t.Errorf("a process is synced and knows %d of %d", n, many)
	}
	for _, p := range []*process{a, b} {
		p.sync(t, bound)
		if n := p.Revocations(); n != many {
			t.Errorf("a process is synced again and knows %d of %d", n, many)
		}
		within(t, 3*bound, p.Err)
	}
}

// TestFaultsI5SlowRestore: a process that starts waits for one that takes longer than
// the five seconds to put back what it knows.
func TestFaultsI5SlowRestore(t *testing.T) {
	t.Parallel()
	const many = 10_000
	r := startRedis(t)
	fill(t, r.Address(), many)
	link := startLink(t, r.Address())
	a := startProcess(t, clientOf(link.Address()), key)
	a.sync(t, 2*bound) // the race detector takes its time with so many
	link.Slow(250*time.Millisecond, 0)
	admin := clientOf(r.Address())
	defer admin.Close()
	if err := admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	late := startProcess(t, clientOf(r.Address()), key)
	late.sync(t, 3*bound)
	if n := late.Revocations(); n != many {
		t.Errorf("a process is synced and knows %d of %d", n, many)
	}
}

// TestFaultsI6Silence: a process notices within the bound that Redis is silent, and
// counts again within it when Redis answers.
func TestFaultsI6Silence(t *testing.T) {
	t.Parallel()
	t.Run("a link", func(t *testing.T) {
		t.Parallel()
		r := startRedis(t)
		link := startLink(t, r.Address())
		a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(link.Address()), key)
		a.sync(t, bound)
		b.sync(t, bound)
		link.Silence()
		a.revokes(t, "mallory")
		b.isBehind(t, bound)
		link.Mend()
		b.refuses(t, "mallory", bound)
		b.sync(t, bound)
	})
	t.Run("a paused Redis", func(t *testing.T) {
		t.Parallel()
		r := startRedis(t)
		a := startProcess(t, clientOf(r.Address()), key)
		a.sync(t, bound)
		if err := r.Pause(); err != nil {
			t.Fatal(err)
		}
		a.isBehind(t, bound)
		if err := r.Resume(); err != nil {
			t.Fatal(err)
		}
		a.sync(t, bound)
	})
}

// TestFaultsI7RedisClock: what has expired by a clock stays in the list for the
// processes whose clock is slow.
func TestFaultsI7RedisClock(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	admin := clientOf(r.Address())
	defer admin.Close()
	s, err := redisstore.New(admin, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		subject string
		exp     time.Duration
		kept    bool
	}{
		{"nine minutes ago", -9 * time.Minute, true}, {"half an hour ago", -30 * time.Minute, true},
		{"long ago", -2 * time.Hour, false}, {"soon", time.Minute, true},
	} {
		if err := s.Put(t.Context(), socketio.Revocation{Subject: v.subject, Expires: time.Now().Add(v.exp)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), socketio.Revocation{Subject: "another", Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		members := strings.Join(admin.ZRange(t.Context(), key, 0, -1).Val(), " ")
		if strings.Contains(members, v.subject) != v.kept {
			t.Errorf("%s: kept is %v: %s", v.subject, !v.kept, members)
		}
	}
}
