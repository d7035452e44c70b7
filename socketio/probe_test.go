package socketio_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// slowPhone is a client that takes a second to answer.
type slowPhone struct{ fakeSocket }

func (*slowPhone) Alive(ctx context.Context) bool {
	select {
	case <-time.After(time.Second):
		return true
	case <-ctx.Done():
		return false
	}
}

// TestProbeOutlivesLogin: a client that is there keeps its session although the one that
// had it asked for a sign of life leaves before the answer.
func TestProbeOutlivesLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.SessionLimit(1, socketio.RejectNewest))
		first := a.Attach(&slowPhone{}, handshake, nil)
		defer first.Closed()
		first.Authenticate(token("good"))
		synctest.Wait()
		second := a.Attach(&fakeSocket{}, handshake, nil)
		second.Authenticate(token("good"))
		time.Sleep(100 * time.Millisecond)
		second.Closed()
		time.Sleep(5 * time.Second)
		if first.Session() == nil {
			t.Error("a client that is there lost its session")
		}
	})
}
