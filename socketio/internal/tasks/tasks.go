// Package tasks counts what is running, for those who wait until nothing is.
package tasks

import (
	"context"
	"sync"
	"sync/atomic"
)

// Group is a [sync.WaitGroup] to which tasks may be added at any time, also while
// somebody waits and none is running: there that is a misuse, which may panic. A server
// that shuts down cannot rule it out: its application and its clients go on meanwhile. The
// zero value is ready.
type Group struct {
	running atomic.Int64
	waiting atomic.Bool // somebody waits, so that Done has to look at idle

	mu   sync.Mutex
	idle chan struct{} // closed when nothing is running; nil if nobody waits
}

// Go runs f in a goroutine, as a task.
func (g *Group) Go(f func()) {
	g.Add()
	go func() {
		defer g.Done()
		f()
	}()
}

// Add counts a task, until Done.
func (g *Group) Add() { g.running.Add(1) }

// Done ends a task.
func (g *Group) Done() {
	switch n := g.running.Add(-1); {
	case n < 0:
		panic("tasks: Done without Add")
	case n > 0 || !g.waiting.Load():
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running.Load() > 0 {
		return // another has begun
	}
	if g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
	g.waiting.Store(false)
}

// Wait waits until no task is running. If ctx ends before, it returns its error.
func (g *Group) Wait(ctx context.Context) error {
	g.mu.Lock()
	// In this order: either Done sees that somebody waits, or nothing is running here.
	g.waiting.Store(true)
	if g.running.Load() == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
