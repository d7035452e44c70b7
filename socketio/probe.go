package socketio

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Bounds of what [RejectNewest] asks the connections of a user.
const (
	probePatience = 2 * time.Second
	doubtPatience = 1500 * time.Millisecond // the process that asked waits for beginTimeout
	maxProbes     = 32
)

// makeRoom ends those sessions of the token's user in this process whose connections
// give no sign of life. It reports whether there may be room now. One call at a time
// asks a user's connections; the registry refuses clients that come meanwhile, with a
// retryable error.
func (r *Registry) makeRoom(ctx context.Context, rules *sessionRules, t *verifier.Token, namespace string) bool {
	g := r.placeOf(rules, t, namespace).group
	if g == nil {
		return r.presences.shared == nil // otherwise the presence has asked
	}
	r.mu.Lock()
	if g.probing {
		r.mu.Unlock()
		return false
	}
	g.probing = true
	sessions := g.oldest(maxProbes)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		g.probing = false
		r.mu.Unlock()
	}()
	// A client that gives up meanwhile must not cut short the others' time to answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probePatience)
	defer cancel()
	var asked sync.WaitGroup
	var gone atomic.Bool
	for _, s := range sessions {
		asked.Go(func() {
			if s.probe(ctx) {
				gone.Store(true)
			}
		})
	}
	asked.Wait()
	return gone.Load()
}

// probe asks the session's connection for a sign of life until ctx ends. It ends the
// session if none came, and reports whether it did.
func (s *Session) probe(ctx context.Context) (gone bool) {
	if !s.owner.silent(ctx) {
		return false
	}
	s.owner.kickIf(errReplaced, nil)
	return true
}

// doubted asks the connection of a session of this process for a sign of life, because
// its user wants to log in elsewhere. If one comes, an update tells the other processes;
// otherwise the session ends, and they learn of that.
func (r *Registry) doubted(id string) {
	l := &r.presences
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.mine[id]
	if in == nil || in.doubted {
		return
	}
	in.doubted = true
	s := in.session
	r.tasks.Go(func() { // of a task, so that Close waits
		ctx, cancel := context.WithTimeout(context.Background(), doubtPatience)
		defer cancel()
		gone := s != nil && s.probe(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		in.doubted = false
		if !gone && l.mine[id] == in {
			l.tell(id, true)
		}
	})
}
