package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// bound is the longest of those of the reasons.
func (f fault) bound() time.Duration {
	var longest time.Duration
	for _, d := range f.excuses {
		longest = max(longest, d)
	}
	return longest
}

// scene is servers that share an issuer and a Redis.
type scene struct {
	issuer *verifiertest.Issuer
	redis  *outage.Redis
	nodes  []*node
	broken atomic.Int64 // answers of an issuer that is
	crowd
}

// node is a server, and the network between it and everything else.
type node struct {
	kind, mode             string
	p                      *process
	c                      client
	clients, issuer, redis *outage.Link
}

// links are those that were made.
func (n *node) links() []*outage.Link {
	return slices.DeleteFunc([]*outage.Link{n.clients, n.issuer, n.redis}, func(l *outage.Link) bool { return l == nil })
}

// newScene starts servers of these kinds and modes. v is what they verify with, except for
// the issuer and Redis, which are the scene's; flags are those of serve.
func newScene(nodes []node, v verification, flags ...string) (_ *scene, err error) {
	s := &scene{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.redis, err = outage.NewRedis(); err != nil {
		return nil, err
	}
	key := verifiertest.NewKey(verifier.ES256, "key 1")
	s.issuer = verifiertest.Serve(key)
	s.crowd = newCrowd(s.issuer, key)
	v.Issuer = s.issuer.URL()
	for _, n := range nodes {
		s.nodes = append(s.nodes, &n)
		if err := s.start(&n, v, flags); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// start starts one server, behind links.
func (s *scene) start(n *node, v verification, flags []string) (err error) {
	if n.issuer, err = outage.NewLink(strings.Trim(strings.TrimPrefix(s.issuer.URL(), "http:"), "/")); err != nil {
		return err
	}
	if n.redis, err = outage.NewLink(s.redis.Address()); err != nil {
		return err
	}
	v.KeySet = "http://" + n.issuer.Address() + "/" + strings.TrimPrefix(s.issuer.JWKSURL(), s.issuer.URL())
	v.Redis = n.redis.Address()
	if n.p, err = start(v, n.kind, n.mode, flags...); err != nil {
		return err
	}
	if n.clients, err = outage.NewLink(strings.TrimPrefix(n.p.url, "http://")); err != nil {
		return err
	}
	n.c = client{url: "http://" + n.clients.Address()}.of(3, n.mode)
	if n.kind == "zishang" {
		n.c = n.c.of(4, n.mode)
	}
	return s.greet(n)
}

// of returns the client as one of a revision of Engine.IO, which presents its token where
// a server in that mode looks for it.
func (c client) of(eio int, mode string) client {
	c.eio, c.in = eio, "event"
	if mode == "handshake" {
		c.in = map[int]string{3: "query", 4: "auth"}[eio]
	}
	return c
}

// greet waits until a server accepts a client: it has to hear from Redis first.
func (s *scene) greet(n *node) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := n.c.open(s.crowd.honest("first"), false)
		if err == nil {
			c.leave()
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s accepts no client: %w", n.kind, err)
		}
	}
}

// rest measures the servers when nobody is there.
func (s *scene) rest() ([]report, error) {
	var all []report
	for _, n := range s.nodes {
		r, err := n.p.rested(15*time.Second, 500*time.Millisecond)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// met is how often a fault was met so far that nobody is told of: by a connection,
// or a request to the issuer.
func (s *scene) met() int {
	n := int(s.broken.Load())
	for _, k := range s.nodes {
		for _, l := range k.links() {
			n += l.Hindered()
		}
	}
	return n
}

func (s *scene) close() {
	for _, n := range s.nodes {
		for _, l := range n.links() {
			l.Mend()
		}
		if n.p != nil {
			n.p.stop()
		}
		for _, l := range n.links() {
			l.Close()
		}
	}
	if s.issuer != nil {
		s.issuer.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}

// arrivals has people come to every server, one after another, until it is
// stopped.
func (s *scene) arrivals(rate int) (stop func()) {
	done := make(chan struct{})
	for _, n := range s.nodes {
		s.tasks.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				if who := s.next(n, i); who != nil {
					s.tasks.Go(func() { s.come(n, who) })
				}
			}
		})
	}
	var stopped bool
	return func() {
		if !stopped {
			stopped = true
			close(done)
			s.tasks.Wait()
		}
	}
}

// begin opens the sockets that are to live through a fault: some stay, some
// expire, and some are revoked.
func (s *scene) begin(f fault) (*witnesses, error) {
	l := &witnesses{scene: s, fault: f, name: "revoked-during-" + f.name}
	for _, n := range s.nodes {
		for range 5 {
			if err := l.open(n, staying, "stays", time.Hour); err != nil {
				return l, err
			}
		}
		for range 2 {
			if err := l.open(n, expiring, "expires", max(2*time.Second, f.lasting/2)); err != nil {
				return l, err
			}
		}
		if err := l.open(n, revoked, l.name, time.Hour); err != nil {
			return l, err
		}
	}
	return l, nil
}

// inTime says whether those who had to go went when they had to.
func (l *witnesses) inTime(over time.Time) error {
	f := l.fault
	if f.unwatched {
		return nil
	}
	const slack = 2 * time.Second
	for _, x := range l.all {
		due := x.exp
		if x.fate == revoked {
			due = l.revokedAt
			if f.late && x.node != l.scene.nodes[f.revokesAt] && over.After(due) {
				due = over.Add(f.bound())
			}
			if x.endedAt().Before(l.revokedAt.Add(-slack)) {
				return fmt.Errorf("%s: a socket ended before it was revoked: %w", x.node.kind, x.err)
			}
		}
		if x.fate == staying || due.IsZero() {
			continue
		}
		if at := x.endedAt(); at.After(due.Add(slack)) || x.fate == expiring && at.Before(due.Add(-slack)) {
			return fmt.Errorf("%s: a socket that was to be %s at %v ended at %v", x.node.kind, x.fate, due.Format(clock), at.Format(clock))
		}
	}
	return nil
}

const clock = "15:04:05.000"

// asTheyShould says whether those who had to go are gone and the others are here.
func (l *witnesses) asTheyShould() error {
	for _, x := range l.all {
		gone := !x.endedAt().IsZero()
		if want := x.fate != staying || l.fault.loses; gone != want {
			why := errors.New("it goes on")
			if gone {
				why = x.err
			}
			return fmt.Errorf("%s: a socket that is %s: %w", x.node.kind, x.fate, why)
		}
	}
	return nil
}

func (l *witnesses) stayed() int {
	return len(l.all) - l.ended()
}

func (l *witnesses) ended() int {
	return len(slices.DeleteFunc(slices.Clone(l.all), func(x *witness) bool { return x.endedAt().IsZero() }))
}
