package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// sentinels is a master, reached by most through a link, its replica, and a Sentinel
// that watches it through the link.
type sentinels struct {
	master, replica, sentinel *outage.Redis
	link                      *outage.Link
}

func startSentinels(t *testing.T) *sentinels {
	t.Helper()
	s := &sentinels{master: startRedis(t)}
	s.link = startLink(t, s.master.Address())
	_, port, _ := net.SplitHostPort(s.link.Address())
	var err error
	if s.replica, err = outage.NewRedis("--replicaof", "127.0.0.1 "+port, "--repl-diskless-sync-delay", "0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.replica.Close)
	if s.sentinel, err = outage.NewSentinel(s.link.Address()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sentinel.Close)
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: s.sentinel.Address()})
	defer sentinel.Close()
	eventually(t, func() error {
		replicas, err := sentinel.Replicas(t.Context(), "main").Result()
		if err == nil && (len(replicas) != 1 || replicas[0]["master-link-status"] != "ok") {
			err = fmt.Errorf("the Sentinel knows %v", replicas)
		}
		return err
	})
	return s
}

// client asks the Sentinel. direct has it reach the old master past the link.
func (s *sentinels) client(direct bool) redis.UniversalClient {
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "main", SentinelAddrs: []string{s.sentinel.Address()}, MaxRetries: -1, DialTimeout: time.Second,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			if direct && address == s.link.Address() {
				address = s.master.Address()
			}
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
		},
	})
}

// TestFaultsI6Sentinel: whatever happens to the master, a process follows the new one
// soon after the Sentinel has named it, and so do processes that still reach the old
// one.
func TestFaultsI6Sentinel(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*sentinels){
		"killed":      func(s *sentinels) { s.master.Stop() },
		"paused":      func(s *sentinels) { _ = s.master.Pause() },
		"partitioned": func(s *sentinels) { s.link.Silence() },
		"cut off":     func(s *sentinels) { s.link.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSentinels(t)
			a, b := startProcess(t, s.client(false), key), startProcess(t, s.client(true), key)
			a.sync(t, bound)
			b.sync(t, bound)
			a.revokes(t, "before")
			fail(s)
			sentinel := redis.NewSentinelClient(&redis.Options{Addr: s.sentinel.Address()})
			defer sentinel.Close()
			eventually(t, func() error {
				address, err := sentinel.GetMasterAddrByName(t.Context(), "main").Result()
				if err == nil && net.JoinHostPort(address[0], address[1]) != s.replica.Address() {
					err = fmt.Errorf("the master is %v", address)
				}
				return err
			})
			within(t, bound, func() error { return a.client.Set(t.Context(), "x", 1, 0).Err() })
			a.revokes(t, "after")
			for _, p := range []*process{a, b} {
				p.refuses(t, "after", bound)
				p.sync(t, bound)
				p.refuses(t, "before", 0)
			}
			late := startProcess(t, s.client(false), key)
			late.sync(t, bound)
			late.refuses(t, "before", 0)
			late.refuses(t, "after", 0)
		})
	}
}

// startCluster starts three masters with a replica each, and returns them by address,
// and what makes a client. A master that is silent for so long is replaced.
func startCluster(t *testing.T, silence time.Duration) (map[string]*outage.Redis, func() *redis.ClusterClient) {
	t.Helper()
	c, err := outage.NewCluster(silence)
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Nodes, func() *redis.ClusterClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addresses(), MaxRedirects: 8, DialTimeout: time.Second})
	}
}

// TestFaultsI6Cluster: one master of three is lost, the one that has the list.
func TestFaultsI6Cluster(t *testing.T) {
	t.Parallel()
	nodes, newClient := startCluster(t, 2*time.Second)
	a, b := startProcess(t, newClient(), key), startProcess(t, newClient(), key)
	a.sync(t, bound)
	b.sync(t, bound)
	a.revokes(t, "before")
	b.refuses(t, "before", bound)
	master, err := a.client.(*redis.ClusterClient).MasterForKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if n := master.Do(t.Context(), "WAIT", 1, 1000).Val(); n != int64(1) {
			return fmt.Errorf("%v replicas", n)
		}
		return nil
	})
	nodes[master.Options().Addr].Stop()
	// The cluster takes its node timeout, twice at most, to choose the replica.
	a.isBehind(t, bound)
	within(t, 2*bound, a.Err)
	a.revokes(t, "after")
	b.refuses(t, "after", bound)
	b.sync(t, bound)
	late := startProcess(t, newClient(), key)
	late.sync(t, bound)
	late.refuses(t, "before", 0)
	late.refuses(t, "after", 0)
}

// TestPresenceCluster: a presence works in a Redis Cluster, and survives the loss of
// the master that has it.
func TestPresenceCluster(t *testing.T) {
	t.Parallel()
	nodes, newClient := startCluster(t, 2*time.Second)
	limit := socketio.SessionLimit(1, socketio.RejectNewest)
	a, b := startSite(t, newClient(), limit), startSite(t, newClient(), limit)
	a.mustLogin(t, "sub=alice&jti=1")
	b.mustLogin(t, "sub=bob&jti=2")
	if _, _, err := b.login("sub=alice"); !errors.Is(err, socketio.ErrSessionLimit) {
		t.Errorf("a second session: %v", err)
	}
	a.finds(t, socketio.Filter{}, "1 2")
	client := newClient()
	defer client.Close()
	master, err := client.MasterForKey(t.Context(), "{"+presenceKey+"}")
	if err != nil {
		t.Fatal(err)
	}
	nodes[master.Options().Addr].Stop()
	within(t, bound, func() error {
		if a.Err() == nil {
			return errors.New("the loss is not noticed")
		}
		return nil
	})
	within(t, 2*bound, a.Err)
	within(t, bound, b.Err)
	a.finds(t, socketio.Filter{}, "1 2")
}
