package zishang

import (
	"fmt"
	"slices"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// TestTransitions: a stay never goes back to an earlier state, and one that is over stays
// over.
func TestTransitions(t *testing.T) {
	for e, row := range transitions {
		for s, next := range row {
			from := state(s)
			if next != joining && next <= from {
				t.Errorf("event %d leads from state %d back to %d", e, from, next)
			}
			if from.over() && next != joining && next != disconnected {
				t.Errorf("event %d leads from state %d to %d, expected to disconnected only", e, from, next)
			}
		}
	}
}

// TestQueueIsBounded: when a handler blocks the client has to wait, and what it sent is
// handled in order afterwards.
func TestQueueIsBounded(t *testing.T) {
	const events = 300
	busy, proceed, handled := make(chan *guarded), make(chan struct{}), make(chan string, events)
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		_ = public(t, io, "/").On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			g := s.Conn().(*conn).guarded
			_ = s.On("wait", func(...any) { busy <- g; <-proceed })
			_ = s.On("say", func(args ...any) {
				g.mu.Lock()
				defer g.mu.Unlock()
				if n := len(g.queue); n > maxQueue {
					t.Errorf("%d packets are queued, expected at most %d", n, maxQueue)
				}
				handled <- fmt.Sprint(args[0])
			})
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.send(`42["wait"]`)
	g := <-busy
	var want []string
	for i := range events {
		want = append(want, fmt.Sprint(i))
		f.send(fmt.Sprintf(`42["say",%d]`, i))
	}
	f.send("40/public,") // which is answered when the engine has those
	f.expect("40/public,")
	eventually(t, func() (bool, string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.queue) >= maxQueue, fmt.Sprintf("%d packets are queued", len(g.queue))
	})
	close(proceed)
	var got []string
	for range events {
		got = append(got, <-handled)
	}
	if !slices.Equal(got, want) {
		t.Errorf("handled %v", got)
	}
}
