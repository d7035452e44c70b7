package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestOneMark: a process that tries again and again to follow a Redis that it does not
// accept leaves one mark there, not one of each attempt: others, and the process itself,
// would wait for each of them.
func TestOneMark(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	admin := clientOf(r.Address())
	defer admin.Close()
	p := startProcess(t, clientOf(r.Address()), key)
	p.sync(t, bound)
	p.revokes(t, "mallory")
	if err := admin.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	until := make(map[float64]bool) // until when it counts: each attempt says so anew
	within(t, bound, func() error {
		marks, err := admin.ZRangeByScoreWithScores(t.Context(), key, &redis.ZRangeBy{Min: "-inf", Max: "-1"}).Result()
		if err != nil {
			return err
		}
		if len(marks) > 1 {
			t.Fatalf("%d marks: %v", len(marks), marks)
		}
		for _, m := range marks {
			until[m.Score] = true
		}
		if len(until) < 3 {
			return fmt.Errorf("%d attempts", len(until))
		}
		return nil
	})
	if err := admin.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	within(t, bound, p.Err)
	if n := admin.ZCount(t.Context(), key, "-inf", "-1").Val(); n != 0 {
		t.Errorf("%d marks are left", n)
	}
}

// TestFaultsI10Flapping: a link that is cut again and again is one line in the log.
func TestFaultsI10Flapping(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	link := startLink(t, r.Address())
	p := startProcess(t, clientOf(link.Address()), key)
	p.sync(t, bound)
	for range 30 {
		link.Cut()
		link.Mend()
		time.Sleep(100 * time.Millisecond)
	}
	p.sync(t, bound)
	if n := strings.Count(p.log.String(), "\n"); n < 1 || n > 2 {
		t.Errorf("%d lines:\n%s", n, p.log.String())
	}
	if n := link.Hindered(); n > 150 {
		t.Errorf("%d connections in 3 s", n)
	}
}

// TestFaultsI10StrangeEntries: what this version does not understand is neither
// passed over nor guessed, and hides no other entry.
func TestFaultsI10StrangeEntries(t *testing.T) {
	t.Parallel()
	for name, member := range map[string]string{
		"a field of a later version": `{"sub":"mallory","tenant":"acme","exp":"2100-01-01T00:00:00Z"}`,
		"no claim":                   `{"exp":"2100-01-01T00:00:00Z"}`,
		"an empty claim":             `{"sub":"","exp":"2100-01-01T00:00:00Z"}`,
		"no expiry":                  `{"sub":"mallory"}`,
		"two values":                 `{"sub":"mallory","exp":"2100-01-01T00:00:00Z"}{}`,
		"another type":               `{"sub":7,"exp":"2100-01-01T00:00:00Z"}`,
		"a mark with claims":         `{"list":"x","sub":"mallory","exp":"2100-01-01T00:00:00Z"}`,
		"nothing":                    `null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			admin := clientOf(r.Address())
			defer admin.Close()
			if err := admin.ZAdd(t.Context(), key, redis.Z{Score: 4e9, Member: member}).Err(); err != nil {
				t.Fatal(err)
			}
			s, err := redisstore.New(admin, key)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), socketio.Revocation{Subject: "trudy", Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			p := startProcess(t, clientOf(r.Address()), key)
			p.refuses(t, "trudy", bound)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := p.Synced(ctx); err == nil || !strings.Contains(err.Error(), "not a revocation that this version understands") {
				t.Errorf("Synced: %v", err)
			}
			p.isBehind(t, 0)
			if err := admin.ZRem(t.Context(), key, member).Err(); err != nil {
				t.Fatal(err)
			}
			p.sync(t, bound)
		})
	}
}

// TestFaultsI10Separation: applications with different keys or database numbers do
// not hear of each other.
func TestFaultsI10Separation(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	at := func(db int) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: r.Address(), DB: db, MaxRetries: -1})
	}
	a, same := startProcess(t, at(0), key), startProcess(t, at(0), key)
	others := map[string]*process{
		"another database": startProcess(t, at(1), key), "another key": startProcess(t, at(0), "other:revocations"),
	}
	for _, p := range others {
		p.sync(t, bound)
	}
	a.sync(t, bound)
	same.sync(t, bound)
	a.revokes(t, "mallory")
	same.refuses(t, "mallory", bound)
	for name, p := range others {
		p.revokes(t, "trudy")
		p.refuses(t, "trudy", bound)
		if err := p.admit("mallory"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.admit("trudy"); err != nil {
		t.Error(err)
	}
}

// TestFaultsI12SlowLink: a list that takes longer than the client's time-outs is
// read nevertheless.
func TestFaultsI12SlowLink(t *testing.T) {
	t.Parallel()
	const many = 20_000
	r := startRedis(t)
	fill(t, r.Address(), many)
	for name, slow := range map[string]struct {
		delay time.Duration
		rate  int
	}{"12.5 Mbit/s": {0, 25e6 / 8 / 2}, "a second there and back": {500 * time.Millisecond, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := startLink(t, r.Address())
			link.Slow(slow.delay, slow.rate)
			client := redis.NewClient(&redis.Options{Addr: link.Address(), MaxRetries: -1, ReadTimeout: 1100 * time.Millisecond})
			p := startProcess(t, client, key)
			p.sync(t, 6*bound)
			if n := p.Revocations(); n != many {
				t.Errorf("%d of %d are known", n, many)
			}
		})
	}
}

// fill writes revocations of user0, user1 and so on.
func fill(t testing.TB, address string, many int) {
	t.Helper()
	admin := clientOf(address)
	defer admin.Close()
	exp := time.Now().Add(time.Hour).UTC()
	for i := 0; i < many; {
		var batch []redis.Z
		for ; len(batch) < 10_000 && i < many; i++ {
			batch = append(batch, redis.Z{Score: float64(exp.Unix()), Member: fmt.Sprintf(`{"sub":"user%d","exp":%q}`, i, exp.Format(time.RFC3339Nano))})
		}
		if err := admin.ZAdd(t.Context(), key, batch...).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultsI14Unrevoke: through Redis, and after it has lost the list.
func TestFaultsI14Unrevoke(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := startProcess(t, clientOf(r.Address()), key), startProcess(t, clientOf(r.Address()), key)
	a.sync(t, bound)
	b.sync(t, bound)
	a.revokes(t, "alice", "bob")
	b.refuses(t, "alice", bound)
	if err := b.Unrevoke(t.Context(), socketio.Revocation{Subject: "alice"}); err != nil {
		t.Fatal(err)
	}
	within(t, bound, func() error { return a.admit("alice") })
	if err := a.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	late := startProcess(t, clientOf(r.Address()), key)
	late.sync(t, bound)
	if err := late.admit("alice"); err != nil {
		t.Errorf("alice, taken back: %v", err)
	}
	late.refuses(t, "bob", 0)
}
