package tasks

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWait: Wait returns when the last task has ended, to each who waits, and again.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		for range 2 {
			if err := g.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			release := make(chan struct{})
			g.Go(func() { <-release })
			g.Add()
			var returned atomic.Int64
			for range 2 {
				go func() {
					if err := g.Wait(t.Context()); err != nil {
						t.Error(err)
					}
					returned.Add(1)
				}()
			}
			synctest.Wait()
			g.Done()
			synctest.Wait()
			if n := returned.Load(); n != 0 {
				t.Fatalf("%d returned while a task is running", n)
			}
			close(release)
			synctest.Wait()
			if n := returned.Load(); n != 2 {
				t.Fatalf("%d returned when no task is running, expected 2", n)
			}
		}
	})
}

// TestWaitEndsWithItsContext: who waits too long gets the context's error, and the others
// go on waiting.
func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add()
		var returned atomic.Bool
		go func() {
			_ = g.Wait(t.Context())
			returned.Store(true)
		}()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, expected %v", err, context.Canceled)
		}
		synctest.Wait()
		if returned.Load() {
			t.Error("another returned too")
		}
		g.Done()
		synctest.Wait()
		if !returned.Load() {
			t.Error("another is still waiting")
		}
	})
}

// TestTasksDuringWait: tasks may begin while somebody waits. A sync.WaitGroup panics
// here, and the race detector reports it.
func TestTasksDuringWait(t *testing.T) {
	var g Group
	var began sync.WaitGroup
	for range 4 {
		began.Go(func() {
			for range 2000 {
				g.Go(func() {})
			}
		})
		began.Go(func() {
			for range 2000 {
				if err := g.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	began.Wait()
	if err := g.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDoneWithoutAdd(t *testing.T) {
	defer func() {
		if r := recover(); r != "tasks: Done without Add" {
			t.Errorf("recovered %v", r)
		}
	}()
	new(Group).Done()
}
