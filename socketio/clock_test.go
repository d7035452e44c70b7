package socketio_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestClockJumps: a token expires by the wall clock, whatever timers think, and never
// later than it would have without the jump. A clock that is set is noticed by the next event at once, and otherwise within half a
// minute.
func TestClockJumps(t *testing.T) {
	var offset atomic.Int64
	jump := func(d time.Duration) { offset.Add(int64(d)) }
	newClocked := func(t *testing.T) *socketio.Authorizer {
		offset.Store(0)
		return newLive(t, socketio.WithClock(func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }))
	}
	t.Run("forward, then an event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newClocked(t), "alice exp=3600")
			session := g.Session()
			time.Sleep(10 * time.Second)
			jump(time.Hour)
			if g.Session() != nil || session.Wait() {
				t.Error("the session is still served")
			}
			s.want(t, expired, "close")
		})
	})
	t.Run("forward, then a renewal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newClocked(t), "alice exp=3600")
			jump(time.Hour)
			g.Authenticate(token("alice exp=9000"))
			s.want(t, expired, "close")
		})
	})
	t.Run("forward, and silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, s := join(t, newClocked(t), "alice exp=3600")
			time.Sleep(10 * time.Second)
			jump(time.Hour)
			s.want(t)
			time.Sleep(20 * time.Second)
			s.want(t, expired, "close")
		})
	})
	t.Run("forward into the notice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newClocked(t), "alice exp=3600")
			defer g.Closed()
			jump(3550 * time.Second)
			time.Sleep(30 * time.Second)
			s.want(t, expiring(20))
			time.Sleep(20 * time.Second)
			s.want(t, expired, "close")
		})
	})
	// A clock that is set back is not a reason to let a session outlive its token: as
	// long as it had left, so long it lasts.
	t.Run("back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newClocked(t), "alice exp=3600")
			time.Sleep(1800 * time.Second)
			jump(-time.Hour)
			time.Sleep(1800*time.Second - 1)
			s.want(t, expiring(60))
			if g.Session() == nil {
				t.Error("the session ended early")
			}
			time.Sleep(time.Nanosecond)
			s.want(t, expired, "close")
		})
	})
	t.Run("back, then an event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newClocked(t), "alice exp=10")
			jump(-24 * time.Hour)
			time.Sleep(10 * time.Second)
			if g.Session() != nil {
				t.Error("the session is still served")
			}
			s.want(t, expiring(5), expired, "close")
		})
	})
	t.Run("nothing changes for a socket that has not authenticated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &fakeSocket{}
			g := newClocked(t).Attach(s, handshake, nil)
			jump(time.Hour)
			time.Sleep(socketio.DefaultTimeout - 1)
			s.want(t)
			g.Authenticate(token("alice exp=9000"))
			s.want(t, "open authenticated", "handlers for alice")
			g.Closed()
		})
	})
}
