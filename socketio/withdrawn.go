package socketio

import (
	"context"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var errKeyWithdrawn = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "signing key withdrawn", Reason: ErrKeyWithdrawn,
}

// sweeper asks from time to time whether the keys of the live sessions are still
// good. Its timer runs only while there are any.
type sweeper struct {
	keys  verifier.KeyProvider // nil: nobody asks
	every time.Duration

	mu      sync.Mutex // guards the rest
	running bool
}

// start has the next sweep come, unless it is coming anyway.
func (w *sweeper) start(a *Authorizer) {
	if w.keys == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		w.running = true
		time.AfterFunc(w.every, func() { w.sweep(a) })
	}
}

// sweep ends the authorizer's sessions whose key is none of their issuer's any
// more.
func (w *sweeper) sweep(a *Authorizer) {
	w.mu.Lock()
	w.running = false // a session that begins meanwhile has the next one come
	w.mu.Unlock()
	// The key set is asked once for all sessions that it must say the same of.
	type question struct {
		key         *verifier.Key
		issuer, kid string
	}
	asked := make(map[question]bool)
	live := false
	for s := range a.registry.Sessions(Filter{}) {
		t := s.Token()
		if s.guard.a != a || t.Key() == nil {
			continue
		}
		q := question{t.Key(), t.Issuer, t.Header.KeyID}
		good, ok := asked[q]
		if !ok {
			good = w.good(a, s, t)
			asked[q] = good
		}
		if !good {
			s.guard.kickIf(errKeyWithdrawn, func() bool { return s.Token() == t })
		}
		live = live || good || s.Token() != t // renewed meanwhile, by another key
	}
	if live {
		w.start(a)
	}
}

// good reports whether the key may still verify the token. An error is not an
// answer: the session stays, and the next sweep asks again.
func (w *sweeper) good(a *Authorizer, s *Session, t *verifier.Token) (good bool) {
	good = true
	a.guarded("the key provider of EndOnWithdrawnKey", func() {
		ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
		defer cancel()
		if has, err := verifier.HasKey(ctx, w.keys, t.Unverified(s.presented(s.pass.Load())), t.Key()); err == nil {
			good = has
		}
	})
	return good
}
