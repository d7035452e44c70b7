package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestDrain: sessions end one by one, those that begin meanwhile too, and for a reason
// that has clients come back.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := socketio.NewRegistry(nil)
		defer r.Close()
		a := newLive(t, socketio.WithRegistry(r))
		var sessions []*socketio.Session
		for i := range 10 {
			g, _ := enter(t, a, "/", fmt.Sprint("alice jti=", i))
			sessions = append(sessions, g.Session())
		}
		done := make(chan error)
		go func() { done <- r.Drain(t.Context(), 10*time.Second) }()
		for i := range 10 {
			synctest.Wait()
			if n := r.Count(socketio.Filter{}); n != 9-i {
				t.Errorf("after %d s %d sessions are left, want %d", i, n, 9-i)
			}
			if i == 9 {
				break
			}
			time.Sleep(time.Second)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, s := range sessions {
			var u *verifier.UnauthorizedError
			if err := context.Cause(s.Context()); !errors.As(err, &u) || u.Reason != socketio.ErrRestarting || !u.Retryable {
				t.Errorf("a session ended by %v", err)
			}
		}

		// The context ends it early; a session that begins meanwhile is ended at the end.
		enter(t, a, "/", "alice jti=a")
		enter(t, a, "/", "alice jti=b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Drain(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || r.Count(socketio.Filter{}) != 1 {
			t.Errorf("a context that ends: %v, %d sessions", err, r.Count(socketio.Filter{}))
		}
		enter(t, a, "/", "alice jti=c")
		go func() { done <- r.Drain(t.Context(), time.Second) }()
		synctest.Wait() // b has ended, and c waits for its turn
		enter(t, a, "/", "alice jti=d")
		if err := <-done; err != nil || r.Count(socketio.Filter{}) != 0 {
			t.Errorf("%v, %d sessions", err, r.Count(socketio.Filter{}))
		}
		if err := r.Drain(t.Context(), time.Hour); err != nil {
			t.Errorf("without sessions: %v", err)
		}
	})
}
