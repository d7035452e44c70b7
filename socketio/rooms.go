package socketio

import (
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// grant is why a session is in a room: by the rules, or by a room token.
type grant struct {
	token *verifier.Token // nil: the rules
	since time.Time       // when the token came, by the monotonic clock
	left  time.Duration   // from then to its end
	lead  time.Duration   // how long before its end the client is told; zero for not at all, or not again
}

// rooms are the rooms that a session joined by a decision. The zero value is empty.
type rooms struct {
	mu    sync.Mutex // guards the rest; held while the binding joins and leaves rooms
	in    map[string]*grant
	timer *time.Timer // for the end of room tokens
}

func (b *grant) remaining(now times) time.Duration {
	return min(b.left-now.mono.Sub(b.since), b.token.ValidUntil().Sub(now.wall))
}

// stop empties the rooms at the end of the session.
func (r *rooms) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in = nil; r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// schedule sets the timer to the first notice or end of a room token. due is called
// then. The caller holds mu.
func (r *rooms) schedule(now times, due func()) {
	next := time.Duration(-1)
	for _, by := range r.in {
		if by.token != nil {
			if left := by.remaining(now) - by.lead; next < 0 || left < next {
				next = max(left, 0)
			}
		}
	}
	switch {
	case next < 0:
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
	case r.timer == nil:
		r.timer = time.AfterFunc(min(next, clockCheck), due)
	default:
		r.timer.Reset(min(next, clockCheck))
	}
}
