package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// pause is how long an attacker takes before it comes again.
const pause = time.Second

// attack measures honest logins: without attackers, and while attackers keep coming.
func attack(args []string, out io.Writer) error {
	f := flags("attack")
	during := f.Duration("for", 5*time.Second, "how long each attack lasts")
	rate := f.Int("rate", 50, "honest logins a second")
	timeout := f.Duration("timeout", 2*time.Second, "within which a socket is to authenticate")
	only := list(f, "servers", "gosio,zishang", "servers: gosio, zishang")
	revisions := list(f, "eio", "3,4", "revisions of Engine.IO that attackers and logins speak")
	which := list(f, "attacks", "", "none and the names of attackers; floods are of 10,000")
	m, table, err := begin(f, args, out, "server\tEIO\tattack\tattackers\tlongest\tlogins\tp50\tp99\tin use at most MiB\tleft KiB\tgoroutines left")
	if err != nil {
		return err
	}
	defer table.Flush()
	for _, kind := range only() {
		for _, revision := range revisions() {
			eio, err := strconv.Atoi(revision)
			if err != nil {
				return fmt.Errorf("attack: the revision %q: expected 3 or 4", revision)
			}
			for _, a := range append([]attacker{{name: "none"}}, attackers...) {
				if !wanted(which(), a.name) {
					continue
				}
				s := &siege{attacker: a, kind: kind, eio: eio, during: *during, timeout: *timeout, rate: *rate}
				err := s.run(table, m)
				_ = table.Flush() // what there is so far
				if err != nil {
					return fmt.Errorf("%s, Engine.IO %d, %s: %w", kind, eio, a.name, err)
				}
			}
		}
	}
	return nil
}

// siege is one attack on one server, with honest logins meanwhile.
type siege struct {
	attacker
	kind            string
	eio             int
	during, timeout time.Duration
	rate            int // logins a second

	p       *process
	c       client
	attacks atomic.Int64
	most    int64 // bytes in use; of one goroutine

	mu      sync.Mutex // guards what follows
	failed  error
	longest time.Duration
	latency []time.Duration
}

func (s *siege) run(out io.Writer, m *minter) (err error) {
	if s.p, err = start(m.verify, s.kind, "event", "-timeout", s.timeout.String()); err != nil {
		return err
	}
	defer s.p.stop()
	s.c = client{url: s.p.url, eio: s.eio, in: "event"}
	token := m.token("alice", time.Hour)
	if _, err := s.p.run(s.c, 200, 20, false, func(int) string { return token }); err != nil {
		return err
	}
	before, err := s.p.ask("rest")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.during)
	defer cancel()
	var wg sync.WaitGroup
	for i := range s.width {
		wg.Go(func() { s.attack(ctx, i) })
	}
	wg.Go(func() { s.watch(ctx) })
	pace := time.NewTicker(time.Second / time.Duration(s.rate))
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		wg.Go(func() { s.login(token) })
	}
	wg.Wait()
	if s.failed != nil {
		return s.failed
	}
	polls.CloseIdleConnections() // of attackers; the server has a goroutine for each
	after, err := s.p.rested(20*time.Second, 200*time.Millisecond)
	if err != nil {
		return err
	}
	slices.Sort(s.latency)
	r := result{latency: s.latency}
	fmt.Fprintf(out, "%s\t%d\t%s\t%d\t%v\t%d\t%v\t%v\t%.1f\t%d\t%d\n", s.kind, s.eio, s.name, s.attacks.Load(), s.longest.Round(10*time.Millisecond), len(s.latency),
		r.percentile(.5).Round(100*time.Microsecond), r.percentile(.99).Round(100*time.Microsecond), float64(s.most)/(1<<20), (after.inUse()-before.inUse())>>10, after.Goroutines-before.Goroutines)
	return after.leftBehind(before)
}

func (s *siege) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
}

// attack is the i-th attacker, who comes again and again.
func (s *siege) attack(ctx context.Context, i int) {
	// Evenly, that it is the server which is measured: the clients all have one
	// processor.
	time.Sleep(pause * time.Duration(i) / time.Duration(s.width))
	for ctx.Err() == nil {
		began := time.Now()
		if err := s.do(s.c); err != nil {
			s.fail(fmt.Errorf("an attacker: %w", err))
			return
		}
		s.attacks.Add(1)
		s.mu.Lock()
		s.longest = max(s.longest, time.Since(began))
		s.mu.Unlock()
		time.Sleep(pause)
	}
}

// watch notes how much memory the server uses at most.
func (s *siege) watch(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		r, err := s.p.ask("size")
		if err != nil {
			s.fail(err)
			return
		}
		s.most = max(s.most, r.inUse())
	}
}

func (s *siege) login(token string) {
	began := time.Now()
	conn, err := s.c.open(token, false)
	took := time.Since(began)
	if err != nil {
		s.fail(fmt.Errorf("an honest login: %w", err))
		return
	}
	conn.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = append(s.latency, took)
}
