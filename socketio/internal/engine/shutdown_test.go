package engine

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// visits counts those who come and go.
type visits struct {
	came, left, asked atomic.Int64
	begin             func(asked int64)
}

func (v *visits) Decide(context.Context, *Arrival) Verdict {
	v.begin(v.asked.Add(1))
	return Admit(Open, nil)
}
func (v *visits) Admitted(*Stay)                              { v.came.Add(1) }
func (v *visits) Left(*Stay, string)                          { v.left.Add(1) }
func (v *visits) Authenticate(*Stay, []json.RawMessage, bool) {}
func (v *visits) Packet(*Stay, *Packet)                       {}
func (v *visits) Done(*Stay, string)                          {}
func (v *visits) Closed(*Session, string)                     {}

// TestShutdownDuringHandshakes: a client that comes while the server shuts down leaves
// again, or does not get in.
func TestShutdownDuringHandshakes(t *testing.T) {
	const clients = 8
	for round := range 500 {
		shutdown := make(chan struct{})
		v := &visits{begin: func(asked int64) {
			if asked == int64(1+round%clients) {
				close(shutdown)
			}
		}}
		e, err := New(Config{CloseTimeout: time.Millisecond}, v)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?EIO=3&transport=polling", nil))
			})
		}
		<-shutdown
		for range round / clients % 20 { // at another moment each time
			runtime.Gosched()
		}
		if err := e.Shutdown(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if err := e.tasks.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if came, left := v.came.Load(), v.left.Load(); came != left {
			t.Fatalf("round %d: %d came, and %d left", round, came, left)
		}
	}
}

// TestShutdownIdle: a server without sessions shuts down whatever the context says.
func TestShutdownIdle(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		e, err := New(Config{}, &visits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Shutdown(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
}
