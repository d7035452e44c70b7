package socketio_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestPermitAllocatesNothing: a decision that has been made costs no garbage.
func TestPermitAllocatesNothing(t *testing.T) {
	asked := socketio.Cached(socketio.DeciderFunc(func(context.Context, *socketio.Session, socketio.Action, string) error { return nil }), time.Hour)
	a := ruled(t, rawTokens(t), socketio.ByHandshake(), socketio.Allow("write", socketio.Scope("w"), socketio.Permission("p")), socketio.WithDecider(asked))
	h := withToken("/", signed(`{"sub":"ada","scope":"r w","permissions":["p"]}`))
	p, err := a.Admit(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	g := a.Attach(&fakeSocket{}, h, p)
	defer g.Closed()
	g.Session().Wait()
	if n := testing.AllocsPerRun(1000, func() {
		if !g.Permit("write", nil) {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}
