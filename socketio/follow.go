package socketio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"
)

const (
	minRetry = 50 * time.Millisecond // the pauses between attempts to reach the store
	maxRetry = time.Second

	// stable is how long the store must be followed without a failure before the
	// pauses are short again and the log says that it is back.
	stable = 5 * time.Second

	putTimeout  = 5 * time.Second // of one attempt to put a revocation that is pending
	maxPutFails = 3               // in a row, before a pause

	closeTimeout = 5 * time.Second // for what Close waits for
)

// following is how the registry stands with its store. The registry's mu guards
// it.
type following struct {
	behind   error         // why the store's revocations are not all known; nil if they are
	changed  chan struct{} // closed when behind is another
	reported error         // the loss that the log has told of; nil if it told that the store is back
	since    time.Time     // when behind became nil
	back     *time.Timer   // tells the log that the store is back; nil while nothing is to be told
}

// Err tells why revocations made elsewhere may not be known here, or why those
// made here may not be known elsewhere: nil while the Store is followed and has
// all of them, and without a Store.
func (r *Registry) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.behind == nil && len(r.pending) > 0 {
		return fmt.Errorf("socketio: %d revocations are not in the store yet: %w", len(r.pending), r.failure)
	}
	return r.behind
}

// Synced waits until the registry knows every revocation in its Store: call it
// before you serve, so that no client is told to come back. It returns nil at once
// without a Store. It returns an error when ctx ends, when the registry is closed,
// and when the Store is misconfigured ([ErrStoreMisconfigured]).
func (r *Registry) Synced(ctx context.Context) error {
	for {
		r.mu.Lock()
		err, changed := r.behind, r.changed
		r.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errStopped) || errors.Is(err, ErrStoreMisconfigured):
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("socketio: Synced: %w, since %w", ctx.Err(), err)
		}
	}
}

// setBehind notes why revocations may be unknown. The caller holds mu.
func (r *Registry) setBehind(err error) {
	r.behind = err
	close(r.changed)
	r.changed = make(chan struct{})
}

// follow keeps the list as the store has it, until ctx ends.
func (r *Registry) follow(ctx context.Context) {
	pause := minRetry
	for {
		err := r.followOnce(ctx)
		if ctx.Err() != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.stopReport()
			r.setBehind(errStopped)
			return
		}
		if err == nil {
			err = errors.New("socketio: the revocation store stopped telling")
		}
		if r.lost(err) {
			pause = minRetry
		}
		wait(ctx, pause)
		pause = min(2*pause, maxRetry)
	}
}

// wait waits for about a pause, so that not all processes come at once.
func wait(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// followOnce follows the store until that fails.
func (r *Registry) followOnce(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.recovered("the revocation store's Follow", &err)
	apply := func(v Revocation) {
		if ends := r.learn(v, true); len(ends) > 0 {
			go endAll(ends) // many sessions take their time
		}
	}
	if s, ok := r.store.(RevocationSyncer); ok {
		return s.Sync(ctx, &RevocationSync{Begin: r.begin, Apply: apply, Missing: r.missing, Clock: r.setClock, Synced: r.found})
	}
	r.begin()
	return r.store.Follow(ctx, apply, func() {
		r.postpone(errNotStored, slices.Collect(r.missing())...)
		r.found()
	})
}

func endAll(ends []func()) {
	for _, end := range ends {
		end()
	}
}

// recovered makes an error of a panic of the store's.
func (r *Registry) recovered(who string, err *error) {
	if p := recover(); p != nil {
		r.logger.Error("socketio: "+who+" panicked", "panic", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("socketio: %s panicked: %v", who, p)
	}
}

func (r *Registry) begin() (known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	return r.entries > 0
}

func (r *Registry) setClock(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew = time.Until(now.Round(0))
}

// found and lost note whether the store is followed. The log tells of a loss at
// once, and that the store is back when it has stayed for a while: a connection
// that is cut again and again is one line.
func (r *Registry) found() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.behind == nil {
		return
	}
	r.setBehind(nil)
	for v := range r.made {
		if _, ok := r.pending[v]; !ok {
			delete(r.made, v)
		}
	}
	r.since = time.Now()
	if r.reported != nil {
		r.back = time.AfterFunc(stable, func() {
			r.mu.Lock()
			back := r.behind == nil && r.reported != nil
			if back {
				r.reported = nil
			}
			r.mu.Unlock()
			if back {
				r.logger.Info("socketio: the revocation store is back")
			}
		})
	}
}

// lost reports whether the store had been followed for a while.
func (r *Registry) lost(err error) (wasStable bool) {
	r.mu.Lock()
	wasStable = r.behind == nil && time.Since(r.since) >= stable
	r.stopReport()
	r.setBehind(err)
	report := r.reported == nil || errors.Is(err, ErrStoreMisconfigured) && !errors.Is(r.reported, ErrStoreMisconfigured)
	if report {
		r.reported = err
	}
	r.mu.Unlock()
	if report {
		policy := "new sessions and renewals are refused until it is back"
		if r.failOpen {
			policy = "new sessions and renewals are accepted, whatever was revoked elsewhere"
		}
		r.logger.Error("socketio: the revocation store is out of reach: "+policy, "error", err)
	}
	return wasStable
}

// stopReport stops what would tell that the store is back. The caller holds mu.
func (r *Registry) stopReport() {
	if r.back != nil {
		r.back.Stop()
		r.back = nil
	}
}

// put puts one revocation into the store.
func (r *Registry) put(ctx context.Context, v Revocation) (err error) {
	defer r.recovered("the revocation store's Put", &err)
	return r.store.Put(ctx, v)
}

// putDone notes that a revocation was put. The caller holds mu.
func (r *Registry) putDone(v Revocation) {
	r.sawStored(v)
	if r.behind == nil {
		delete(r.made, v)
	}
}

// postpone notes revocations that the store does not have, for err, and has them
// put later.
func (r *Registry) postpone(err error, all ...Revocation) {
	if len(all) == 0 {
		return
	}
	r.mu.Lock()
	r.failure = err
	for _, v := range all {
		r.pending[v] = struct{}{}
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// putPending puts into the store what is not there yet, until ctx ends.
func (r *Registry) putPending(ctx context.Context) {
	pause := minRetry
	for {
		left := r.putRound(ctx)
		switch {
		case left == 0:
			pause = minRetry
			select {
			case <-r.wake:
			case <-ctx.Done():
			}
		default:
			wait(ctx, pause)
			pause = min(2*pause, maxRetry)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// putRound tries to put each pending revocation once, in random order, and stops
// after some failures in a row: one that cannot be put stops no other. It returns
// how many are left.
func (r *Registry) putRound(ctx context.Context) (left int) {
	r.mu.Lock()
	var all []Revocation
	now := r.now()
	for v := range r.pending {
		if v.Expires.After(now) {
			all = append(all, v)
		} else {
			delete(r.pending, v)
		}
	}
	r.mu.Unlock()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	fails := 0
	for _, v := range all {
		if fails >= maxPutFails || ctx.Err() != nil {
			break
		}
		ctx, cancel := context.WithTimeout(ctx, putTimeout)
		err := r.put(ctx, v)
		cancel()
		r.mu.Lock()
		if err == nil {
			fails = 0
			delete(r.pending, v)
			r.putDone(v)
		} else {
			fails++
			r.failure = err
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}
