package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// absence is a failure of Redis, or of the network to it or to the clients.
type absence struct {
	name       string
	redis      string // one, sentinel or cluster
	begin, end func(*stage) error
	every      func(*stage) error // each second meanwhile; may be nil
}

// stage is two servers, one of each binding, that share a Redis, and the clients.
type stage struct {
	n       int
	revoked int // the first so many clients are revoked
	nodes   []*process
	links   []*outage.Link // from each node to Redis; none with a Sentinel or a cluster
	fronts  []*outage.Link // from the clients to each node
	redis   *outage.Redis  // the one, or the master
	others  []*outage.Redis
	cluster *outage.Cluster
	clients *clients
}

func absences() []absence {
	nothing := func(*stage) error { return nil }
	links := func(of func(*stage) []*outage.Link, do func(*outage.Link)) func(*stage) error {
		return func(s *stage) error {
			for _, l := range of(s) {
				do(l)
			}
			return nil
		}
	}
	toRedis := func(s *stage) []*outage.Link { return s.links }
	toNodes := func(s *stage) []*outage.Link { return s.fronts }
	slow := func(l *outage.Link) { l.Slow(300*time.Millisecond, 0) }
	quick := func(l *outage.Link) { l.Slow(0, 0) }
	command := func(args ...any) func(*stage) error {
		return func(s *stage) error {
			c := redis.NewClient(&redis.Options{Addr: s.redis.Address()})
			defer c.Close()
			return c.Do(context.Background(), args...).Err()
		}
	}
	both := func(all ...func(*stage) error) func(*stage) error {
		return func(s *stage) error {
			for _, f := range all {
				if err := f(s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return []absence{
		{name: "redis-stopped", redis: "one", begin: func(s *stage) error { s.redis.Stop(); return nil }, end: func(s *stage) error { return s.redis.Start() }},
		{name: "redis-paused", redis: "one", begin: func(s *stage) error { return s.redis.Pause() }, end: func(s *stage) error { return s.redis.Resume() }},
		{name: "redis-flushed-every-second", redis: "one", begin: nothing, end: nothing, every: command("FLUSHALL")},
		{name: "redis-may-evict", redis: "one", begin: command("CONFIG", "SET", "maxmemory-policy", "allkeys-random"), end: command("CONFIG", "SET", "maxmemory-policy", "noeviction")},
		{name: "redis-without-memory", redis: "one", begin: command("CONFIG", "SET", "maxmemory", "1kb"), end: command("CONFIG", "SET", "maxmemory", "0")},
		{name: "redis-clients-killed-every-second", redis: "one", begin: nothing, end: nothing,
			every: both(command("CLIENT", "KILL", "TYPE", "normal"), command("CLIENT", "KILL", "TYPE", "pubsub"))},
		{name: "redis-slow", redis: "one", begin: links(toRedis, slow), end: links(toRedis, quick)},
		{name: "redis-half-open", redis: "one", begin: links(toRedis, (*outage.Link).Silence), end: links(toRedis, (*outage.Link).Mend)},
		{name: "clients-slow", redis: "one", begin: links(toNodes, slow), end: links(toNodes, quick)},
		{name: "clients-half-open", redis: "one", begin: links(toNodes, (*outage.Link).Silence), end: links(toNodes, (*outage.Link).Mend)},
		{name: "sentinel-replaces-the-master", redis: "sentinel", begin: func(s *stage) error { s.redis.Stop(); return nil }, end: nothing},
		{name: "one-master-of-three-lost", redis: "cluster", begin: (*stage).loseMaster, end: nothing},
	}
}

// newStage starts everything. Its close ends what has been started, also after an error.
func newStage(kind string, n int) (s *stage, err error) {
	s = &stage{n: n}
	m, err := newMinter("HS256")
	if err != nil {
		return s, err
	}
	v := m.verify
	v.Lease, v.Limit = 3*time.Second, 1
	if err := s.startRedis(kind, &v); err != nil {
		return s, err
	}
	var urls []string
	for _, kind := range []string{"gosio", "zishang"} {
		v := v
		if v.Redis == s.address() {
			l, err := outage.NewLink(v.Redis)
			if err != nil {
				return s, err
			}
			s.links = append(s.links, l)
			v.Redis = l.Address()
		}
		p, err := start(v, kind, "handshake", "-ping", "1s")
		if err != nil {
			return s, err
		}
		s.nodes = append(s.nodes, p)
		front, err := outage.NewLink(strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			return s, err
		}
		s.fronts = append(s.fronts, front)
		urls = append(urls, "http://"+front.Address())
	}
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = m.token(fmt.Sprint("user ", i), time.Hour)
	}
	s.clients, err = startClients(urls, tokens)
	return s, err
}

func (s *stage) address() string {
	if s.redis == nil {
		return ""
	}
	return s.redis.Address()
}

// startRedis starts a Redis, one with a replica and a Sentinel, or a Redis Cluster.
func (s *stage) startRedis(kind string, v *verification) (err error) {
	if kind == "cluster" {
		if s.cluster, err = outage.NewCluster(2 * time.Second); err == nil {
			v.Redis = strings.Join(s.cluster.Addresses(), ",")
		}
		return err
	}
	if s.redis, err = outage.NewRedis(); err != nil {
		return err
	}
	v.Redis = s.redis.Address()
	if kind != "sentinel" {
		return nil
	}
	replica, err := outage.NewRedis("--replicaof", strings.Replace(s.redis.Address(), ":", " ", 1), "--repl-diskless-sync-delay", "0")
	if err != nil {
		return err
	}
	s.others = append(s.others, replica)
	sentinel, err := outage.NewSentinel(s.redis.Address())
	if err != nil {
		return err
	}
	s.others = append(s.others, sentinel)
	v.Redis, v.Master = sentinel.Address(), "main"
	c := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Address()})
	defer c.Close()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		replicas, err := c.Replicas(context.Background(), "main").Result()
		if err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok" {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(err, fmt.Errorf("the Sentinel knows %v", replicas))
		}
	}
}

// loseMaster kills the master that has the revocations.
func (s *stage) loseMaster() error {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.cluster.Addresses()})
	defer c.Close()
	master, err := c.MasterForKey(context.Background(), "load:revocations")
	if err != nil {
		return err
	}
	s.cluster.Nodes[master.Options().Addr].Stop()
	return nil
}

func (s *stage) logs() (text string) {
	for _, p := range s.nodes {
		text += p.log.String()
	}
	return text
}

func (s *stage) close() {
	if s.clients != nil {
		s.clients.stop()
	}
	for _, l := range append(s.fronts, s.links...) {
		l.Close()
	}
	for _, p := range s.nodes {
		p.stop()
	}
	if s.redis != nil {
		s.others = append(s.others, s.redis)
	}
	for _, r := range s.others {
		r.Close()
	}
	if s.cluster != nil {
		s.cluster.Close()
	}
}

// clients is the process of peers/clients.js.
type clients struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// clientState is what it answers.
type clientState struct {
	Connected int            `json:"connected"`
	Told      map[string]int `json:"told"`    // reasons, since the last question
	Stopped   map[int]string `json:"stopped"` // why, by client
}

func (s clientState) addTo(told map[string]int) {
	for reason, n := range s.Told {
		told[reason] += n
	}
}

func startClients(urls, tokens []string) (*clients, error) {
	server, err := peers()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", filepath.Join(filepath.Dir(server), "clients.js"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &clients{cmd, in, bufio.NewReader(out)}
	return c, json.NewEncoder(in).Encode(map[string][]string{"urls": urls, "tokens": tokens})
}

func (c *clients) ask(question string) (s clientState, err error) {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		return s, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("the clients are gone: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}

func (c *clients) stop() {
	_ = c.in.Close()
	kill := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, c.out)
	_ = c.cmd.Wait()
}
