package socketio

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var (
	errKeyWithdrawn = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "signing key withdrawn", Reason: ErrKeyWithdrawn,
	}
	errTokenInactive = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "token inactive", Reason: verifier.ErrTokenInactive,
	}
)

// sweeper asks at intervals whether the tokens of the live sessions are still good, and
// ends the sessions of those that are not. Its timer runs only while there are such
// sessions.
//
// There are three answers: yes, no, and "could not ask". The last one ends nothing.
// Questions are asked in lanes, which run in parallel: a slow lane misses sweeps, and
// delays no other lane.
type sweeper struct {
	every    time.Duration // zero: nobody asks
	refusal  *verifier.UnauthorizedError
	question func(t *verifier.Token) (q question, ok bool) // ok is false for tokens of another kind
	ask      func(ctx context.Context, s *Session, p *Pass) (good bool, err error)

	mu      sync.Mutex // guards the rest
	running bool       // whether the timer runs
	busy    map[any]bool
	failing map[any]bool // the lanes that could not ask
}

// question has the same answer for all sessions that share it.
type question struct{ lane, about any }

// asked are the sessions that a question is about.
type asked struct {
	sessions []*Session
	passes   []*Pass // what each had when it was collected
}

// introspectionLanes is how many opaque tokens are asked about at the same time.
const introspectionLanes = 8

// newSweepers makes the sweepers that the configuration asks for.
func (a *Authorizer) newSweepers() []*sweeper {
	var all []*sweeper
	if a.keys != nil {
		type key struct {
			key *verifier.Key
			kid string
		}
		all = append(all, &sweeper{
			every: a.keysEvery, refusal: errKeyWithdrawn,
			question: func(t *verifier.Token) (question, bool) {
				return question{t.Issuer, key{t.Key(), t.Header.KeyID}}, t.Key() != nil
			},
			ask: func(ctx context.Context, s *Session, p *Pass) (bool, error) {
				return verifier.HasKey(ctx, a.keys, p.token.Unverified(s.presented(p)), p.token.Key())
			},
		})
	}
	if a.introspector != nil {
		all = append(all, &sweeper{
			every: a.introspectEvery, refusal: errTokenInactive,
			question: func(t *verifier.Token) (question, bool) {
				raw := t.Raw()
				if raw == "" || t.Key() != nil {
					return question{}, false
				}
				lane := 0
				for i := range len(raw) {
					lane = (lane*31 + int(raw[i])) % introspectionLanes
				}
				return question{lane, raw}, true
			},
			ask: func(ctx context.Context, _ *Session, p *Pass) (bool, error) {
				return verifier.StillActive(ctx, a.introspector, p.token.Raw())
			},
		})
	}
	return all
}

// start schedules the next sweep, unless it is scheduled already.
func (w *sweeper) start(a *Authorizer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		w.running = true
		time.AfterFunc(w.every, func() { w.sweep(a) })
	}
}

// sweep collects the questions about the authorizer's sessions and starts the lanes.
func (w *sweeper) sweep(a *Authorizer) {
	w.mu.Lock()
	w.running = false // a session that begins meanwhile has the next one come
	w.mu.Unlock()
	lanes := make(map[any]map[any]*asked)
	for s := range a.registry.Sessions(Filter{}) {
		p := s.pass.Load()
		q, ok := w.question(p.token)
		if p.rules != &a.sessionRules || !ok {
			continue
		}
		if lanes[q.lane] == nil {
			lanes[q.lane] = make(map[any]*asked)
		}
		about := lanes[q.lane][q.about]
		if about == nil {
			about = new(asked)
			lanes[q.lane][q.about] = about
		}
		about.sessions, about.passes = append(about.sessions, s), append(about.passes, p)
	}
	if len(lanes) == 0 {
		return
	}
	w.start(a)
	for lane, questions := range lanes {
		if w.claim(lane) {
			go w.work(a, lane, questions)
		}
	}
}

// claim takes the lane and reports true, unless it is busy.
func (w *sweeper) claim(lane any) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[lane] {
		return false
	}
	if w.busy == nil {
		w.busy, w.failing = make(map[any]bool), make(map[any]bool)
	}
	w.busy[lane] = true
	return true
}

// work asks the questions of a lane, one after the other.
func (w *sweeper) work(a *Authorizer, lane any, questions map[any]*asked) {
	var failed error
	for _, about := range questions {
		good, err := w.answer(a, about.sessions[0], about.passes[0])
		switch {
		case err != nil:
			failed = err
		case !good:
			for i, s := range about.sessions {
				s.owner.kickIf(w.refusal, func() bool { return s.pass.Load() == about.passes[i] })
			}
		}
	}
	w.mu.Lock()
	delete(w.busy, lane)
	was := w.failing[lane]
	if failed != nil {
		w.failing[lane] = true
	} else {
		delete(w.failing, lane)
	}
	w.mu.Unlock()
	switch {
	case failed != nil && !was:
		a.logger.Warn("socketio: could not ask whether the tokens of live sessions are still good: the sessions stay", "reason", w.refusal.Reason, "error", failed)
	case failed == nil && was:
		a.logger.Info("socketio: asked again whether the tokens of live sessions are still good", "reason", w.refusal.Reason)
	}
}

// answer asks about one session's pass. It returns an error if the function panics or
// does not return in time.
func (w *sweeper) answer(a *Authorizer, s *Session, p *Pass) (good bool, err error) {
	type result struct {
		good bool
		err  error
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	r, returned := bounded(a, ctx, func() (r result) {
		r.err = errors.New("the function that was asked panicked")
		a.guarded("what a sweep asks", func() { r.good, r.err = w.ask(ctx, s, p) })
		return r
	})
	if !returned {
		return false, context.Cause(ctx)
	}
	return r.good, r.err
}
