package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// held is the memory of idle sockets, each.
type held struct {
	n                      int
	inUse, rss, goroutines int64 // in use: heap and stacks
}

// hold opens n sockets, keeps them with pings, and measures.
func (p *process) hold(c client, n int, ping time.Duration, token func(i int) string) (held, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var holding sync.WaitGroup
	defer holding.Wait()
	defer cancel()
	var lost atomic.Pointer[error]
	open := func(n int) error {
		return lanes(n, 50, func(i int) error {
			s, err := c.open(token(i), false)
			if err != nil {
				return err
			}
			holding.Go(func() {
				defer s.leave()
				if err := s.hold(ctx, ping); err != nil {
					lost.CompareAndSwap(nil, &err)
				}
			})
			return nil
		})
	}
	rest := func() (report, error) { time.Sleep(ping + ping/2); return p.ask("rest") } // a ping at least
	if err := open(200); err != nil {                                                  // what is made once is made now
		return held{}, err
	}
	before, err := rest()
	if err != nil {
		return held{}, err
	}
	if err := open(n); err != nil {
		return held{}, err
	}
	after, err := rest()
	if err != nil {
		return held{}, err
	}
	if err := lost.Load(); err != nil {
		return held{}, fmt.Errorf("a socket that was held was lost: %w", *err)
	}
	return held{
		n, (after.inUse() - before.inUse()) / int64(n),
		(after.RSS - before.RSS) / int64(n), int64(after.Goroutines-before.Goroutines) / int64(n),
	}, nil
}
