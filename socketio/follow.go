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

// following is how the registry stands with its store and its presence. The
// registry's mu guards it.
type following struct {
	changed chan struct{} // closed when one of the others is another
	behind  outage        // of the store
	absent  outage        // of the presence
}

// outage says whether something outside of the process is out of reach.
type outage struct {
	name     string
	policy   string      // what happens meanwhile
	why      error       // nil while it is in reach
	reported error       // the loss that the log has told of; nil if it told that it is back
	since    time.Time   // when why became nil
	back     *time.Timer // tells the log that it is back; nil while nothing is to be told
}

// Err tells why revocations made elsewhere may not be known here, or why those
// made here may not be known elsewhere, or why the Presence is out of reach: nil
// while the Store is followed and has all of them, and without a Store.
func (r *Registry) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.behind.why != nil:
		return r.behind.why
	case len(r.pending) > 0:
		return fmt.Errorf("socketio: %d revocations are not in the store yet: %w", len(r.pending), r.failure)
	}
	return r.presenceErr()
}

// Synced waits until the registry knows every revocation in its Store and has reached
// its Presence: call it
// before you serve, so that no client is told to come back. It returns nil at once
// without a Store. It returns an error when ctx ends, when the registry is closed,
// and when the Store is misconfigured ([ErrStoreMisconfigured]).
func (r *Registry) Synced(ctx context.Context) error {
	for {
		r.mu.Lock()
		err, changed := r.behind.why, r.changed
		if err == nil {
			err = r.presenceErr()
		}
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

// set notes why something is out of reach. The caller holds mu.
func (r *Registry) set(o *outage, why error) {
	o.why = why
	close(r.changed)
	r.changed = make(chan struct{})
}

// retry calls follow again and again, until ctx ends.
func (r *Registry) retry(ctx context.Context, o *outage, follow func(context.Context) error) {
	pause := minRetry
	for {
		err := follow(ctx)
		if ctx.Err() != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			o.stopReport()
			r.set(o, errStopped)
			return
		}
		if err == nil {
			err = fmt.Errorf("socketio: %s stopped telling", o.name)
		}
		if r.lost(o, err) {
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

// startStore follows the store, until ctx ends.
func (r *Registry) startStore(ctx context.Context) {
	r.behind = outage{
		why: errNotYet, name: "the revocation store",
		policy: "new sessions and renewals are refused until it is back",
	}
	if r.failOpen {
		r.behind.policy = "new sessions and renewals are accepted, whatever was revoked elsewhere"
	}
	r.tasks.Go(func() { r.retry(ctx, &r.behind, r.followOnce) })
	r.tasks.Go(func() { r.putPending(ctx) })
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
		return s.Sync(ctx, &RevocationSync{Begin: r.begin, Apply: apply, Missing: r.missing, Clock: r.setClock, Synced: r.synced})
	}
	r.begin()
	return r.store.Follow(ctx, apply, func() {
		r.postpone(errNotStored, slices.Collect(r.missing())...)
		r.synced()
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

// synced notes that all revocations in the store are known.
func (r *Registry) synced() {
	r.mu.Lock()
	for v := range r.made {
		if _, ok := r.pending[v]; !ok {
			delete(r.made, v)
		}
	}
	r.mu.Unlock()
	r.found(&r.behind)
}

// found and lost note whether something is in reach. The log tells of a loss at once,
// and that it is back when it has stayed for a while: a connection that is cut again
// and again is one line.
func (r *Registry) found(o *outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.why == nil {
		return
	}
	r.set(o, nil)
	o.since = time.Now()
	if o.reported != nil {
		o.back = time.AfterFunc(stable, func() {
			r.mu.Lock()
			back := o.why == nil && o.reported != nil
			if back {
				o.reported = nil
			}
			r.mu.Unlock()
			if back {
				r.logger.Info("socketio: " + o.name + " is back")
			}
		})
	}
}

// lost reports whether it had been in reach for a while.
func (r *Registry) lost(o *outage, err error) (wasStable bool) {
	r.mu.Lock()
	wasStable = o.why == nil && time.Since(o.since) >= stable
	o.stopReport()
	r.set(o, err)
	report := o.reported == nil || errors.Is(err, ErrStoreMisconfigured) && !errors.Is(o.reported, ErrStoreMisconfigured)
	if report {
		o.reported = err
	}
	r.mu.Unlock()
	if report {
		r.logger.Error("socketio: "+o.name+" is out of reach: "+o.policy, "error", err)
	}
	return wasStable
}

// stopReport stops what would tell that it is back. The caller holds mu.
func (o *outage) stopReport() {
	if o.back != nil {
		o.back.Stop()
		o.back = nil
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
	if r.behind.why == nil {
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
