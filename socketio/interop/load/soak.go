package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// soaking is a run of the command soak.
type soaking struct {
	*scene
	intruders []intruder
	only      []string // troubles
	out       io.Writer

	abroad, late, came atomic.Int64

	round  int // of the troubles; of one goroutine
	logged int // lines, while something was wrong; of that goroutine

	mu       sync.Mutex // guards what follows
	periods  []*period
	lived    map[string]int // by life
	refusals map[string]int // by reason and why
	longest  time.Duration
	failed   error
}

// soak leads lives at a steady rate through two nodes of each binding, which share
// revocations and a presence through Redis, while one thing after another goes wrong
// around them. It fails if a socket is told something that neither its life nor a
// trouble explains, if a server logs something while nothing is wrong, or if anything is
// left in the end.
func soak(args []string, out io.Writer) error {
	f := flags("soak")
	during := f.Duration("for", time.Minute, "how long sockets come")
	rate := f.Int("rate", 200, "sockets a second, through all nodes together")
	every := f.Duration("every", 5*time.Minute, "how long there is peace between two troubles")
	lasting := f.Duration("lasting", 10*time.Second, "how long a trouble lasts")
	only := list(f, "troubles", "", "what goes wrong: Redis stopped, clients cut off, Redis paused, issuer cut off")
	if err := f.Parse(args); err != nil {
		return err
	}
	nodes := []node{{kind: "gosio", mode: "event"}, {kind: "zishang", mode: "handshake"}, {kind: "gosio", mode: "handshake"}, {kind: "zishang", mode: "event"}}
	sc, err := newScene(nodes, verification{TTL: time.Minute, MaxStale: 10 * time.Minute, Lease: 10 * time.Second}, "-rules")
	if err != nil {
		return err
	}
	defer sc.close()
	s := &soaking{scene: sc, only: only(), out: out, lived: make(map[string]int), refusals: make(map[string]int)}
	s.intruders = s.newIntruders()
	if err := s.warmUp(); err != nil {
		return err
	}
	before, err := s.rest()
	if err != nil {
		return err
	}
	if err := s.run(*during, *rate, *every, *lasting); err != nil {
		for _, n := range s.nodes {
			err = fmt.Errorf("%w\n%s %s: %s", err, n.kind, n.mode, n.p.log)
		}
		return err
	}
	return s.left(before)
}

// newIntruders are those that no server accepts.
func (s *soaking) newIntruders() []intruder {
	by := func(key *verifiertest.Key, name string, value any) func() string {
		return func() string {
			return s.issuer.TokenBy(key, nil, verifiertest.Claims{"sub": "mallory", "aud": audience, "scope": chats, name: value})
		}
	}
	forger := verifiertest.NewKey(verifier.ES256, s.key.ID())
	return []intruder{
		{"a token that has expired", expired, by(s.key, "exp", time.Now().Add(-time.Hour).Unix())},
		{"a token for others", "audience_mismatch", by(s.key, "aud", "mail")},
		{"a forged token", "signature_invalid", by(forger, "name", "Mallory")},
		{"no token", "token_missing", func() string { return "" }},
	}
}

// warmUp has made what is made once.
func (s *soaking) warmUp() error {
	n := 4 * len(lives) * len(s.nodes)
	err := lanes(n, n, func(i int) error { return s.visit(1e9 + i) })
	s.lived, s.refusals = make(map[string]int), make(map[string]int)
	return err
}

// visit leads the i-th life. Nodes, lives, transports and revisions take turns.
func (s *soaking) visit(i int) error {
	v := &visit{s: s, turn: i, subject: fmt.Sprint("user-", i)}
	turn := func(of int) int { t := i % of; i /= of; return t }
	at := turn(len(s.nodes))
	life := lives[turn(len(lives))]
	v.node = s.nodes[at]
	v.c = v.node.c.of(3+turn(2), v.node.mode)
	v.c.upgrade = turn(2) == 1
	v.other = s.nodes[(at+1+turn(len(s.nodes)-1))%len(s.nodes)]
	v.turn = i
	began := time.Now()
	err := life.lead(v)
	if v.conn != nil {
		v.conn.leave()
	}
	if err = s.judge(v, life.name, began, err); err != nil {
		return fmt.Errorf("%s of %s (%s, Engine.IO %d, upgrade %v), which began %v ago and was to be %s: %w", v.subject, v.node.kind, v.node.mode, v.c.eio, v.c.upgrade, time.Since(began).Round(time.Millisecond), life.name, err)
	}
	return nil
}

// run has sockets come.
func (s *soaking) run(during time.Duration, rate int, every, lasting time.Duration) error {
	begin := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { s.note(s.suffer(every, lasting, done), begin) })
	wg.Go(func() { s.note(s.watch(done), begin) })
	wg.Go(func() { s.tell(begin, done) })
	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	for i := 0; time.Since(begin) < during && s.failure() == nil; i++ {
		<-pace.C
		if s.abroad.Load() > 5000 {
			s.late.Add(1) // the machine does not keep up, and the figures say so
			continue
		}
		s.abroad.Add(1)
		s.came.Add(1)
		wg.Go(func() {
			defer s.abroad.Add(-1)
			s.note(s.visit(i), begin)
		})
	}
	close(done)
	wg.Wait()
	s.status(begin)
	return s.failure()
}

// note keeps the first error.
func (s *soaking) note(err error, begin time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.failed == nil {
		s.failed = fmt.Errorf("after %v: %w", time.Since(begin).Round(time.Second), err)
	}
}

func (s *soaking) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// tell tells every minute how it goes.
func (s *soaking) tell(begin time.Time, done <-chan struct{}) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			s.status(begin)
		}
	}
}

// status writes what there was so far.
func (s *soaking) status(begin time.Time) {
	took := time.Since(begin)
	var servers []string
	for _, n := range s.nodes {
		if r, err := n.p.ask("size"); err == nil {
			servers = append(servers, fmt.Sprintf("%s %s: %d connections, %d goroutines, %d MiB", n.kind, n.mode, r.Sessions, r.Goroutines, r.inUse()>>20))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make(map[string]int)
	for _, p := range s.periods {
		names[p.name]++
	}
	fmt.Fprintf(s.out, "%s %v: %d sockets, %.0f a second, %d left out, longest %v; %s; troubles: %s; refusals, all explained: %s; %s\n",
		time.Now().Format(time.TimeOnly), took.Round(time.Second), s.came.Load(), float64(s.came.Load())/took.Seconds(), s.late.Load(), s.longest.Round(10*time.Millisecond),
		counts(s.lived), counts(names), counts(s.refusals), strings.Join(servers, "; "))
}

// counts lists numbers by name.
func counts(of map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprint(name, " ", of[name]))
	}
	return strings.Join(all, ", ")
}

// left says what is left when all have gone.
func (s *soaking) left(before []report) error {
	var left []error
	for i, n := range s.nodes {
		if _, err := present(n.p, 0, patience); err != nil {
			left = append(left, fmt.Errorf("%s: %w", n.kind, err))
		}
		polls.CloseIdleConnections()
		a, err := n.p.rested(15*time.Second, 500*time.Millisecond)
		if err != nil {
			return err
		}
		b := before[i]
		fmt.Fprintf(s.out, "%s %s: goroutines %d, then %d; in use %d KiB, then %d; sessions %d; CPU %.1f s\n", n.kind, n.mode, b.Goroutines, a.Goroutines,
			b.inUse()>>10, a.inUse()>>10, a.Sessions, time.Duration(a.CPU-b.CPU).Seconds())
		if err := a.leftBehind(b); err != nil {
			left = append(left, fmt.Errorf("%s: %w", n.kind, err))
		}
	}
	fmt.Fprintf(s.out, "%d lines logged while something was wrong\n", s.logged)
	return errors.Join(append(left, s.silence())...)
}
