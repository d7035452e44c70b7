package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// result is what a run of many sockets came to.
type result struct {
	n       int
	took    time.Duration
	cpu     time.Duration // of the server, for 1,000
	latency []time.Duration
}

func (r result) percentile(p float64) time.Duration {
	if len(r.latency) == 0 {
		return 0
	}
	return r.latency[min(len(r.latency)-1, int(p*float64(len(r.latency))))]
}

// run opens n sockets, so many at a time, each of which leaves when it is accepted
// or refused.
func (p *process) run(c client, n, width int, refused bool, token func(i int) string) (result, error) {
	before, err := p.ask("use")
	if err != nil {
		return result{}, err
	}
	r := result{n: n, latency: make([]time.Duration, n)}
	begin := time.Now()
	err = lanes(n, width, func(i int) error {
		began := time.Now()
		s, err := c.open(token(i), refused)
		if s != nil {
			s.leave()
		}
		r.latency[i] = time.Since(began)
		if refused && errors.Is(err, errRefused) {
			return nil
		}
		if refused && err == nil {
			return errors.New("a socket that was to be refused was accepted")
		}
		return err
	})
	if err != nil {
		return r, err
	}
	r.took = time.Since(begin)
	slices.Sort(r.latency)
	// A server that leaks a session for every refusal never gets to none.
	after, err := p.settled(before.Sessions, 2*time.Second)
	if err != nil {
		return r, err
	}
	r.cpu = time.Duration(after.CPU-before.CPU) * 1000 / time.Duration(n)
	return r, p.counts(c, before, after, n, refused)
}

// counts checks how many sockets of a run of n the server accepted.
func (p *process) counts(c client, before, after report, n int, refused bool) (err error) {
	expected := before.Authenticated
	if !refused {
		expected += int64(n)
	}
	for end := time.Now().Add(2 * time.Second); c.in == "event" && after.Authenticated < expected && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if after, err = p.ask("use"); err != nil { // a handler may be behind
			return err
		}
	}
	// Who came by handshake hears that it is in before the handler runs, and may be
	// gone when it would. By event "authenticated" goes out first too, but the handler
	// has then begun.
	early := int64(0)
	if !refused && c.in != "event" {
		early = int64(n)
	}
	if after.Authenticated > expected || after.Authenticated < expected-early {
		return fmt.Errorf("%d of %d sockets were accepted", after.Authenticated-before.Authenticated, n)
	}
	return nil
}

// lanes runs f for every number below n, so many at a time, up to the first
// error.
func lanes(n, width int, f func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Pointer[error]
	for range width {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
