package jwks

import (
	"context"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// errTooEarly has the client retry.
var errTooEarly = fmt.Errorf("the last fetch for an unknown kid was less than %v ago, too early for another", perSource)

// lookUp looks for a kid that is not in the set, if need be by fetching it again.
func (s *source) lookUp(ctx context.Context, t *verifier.UnverifiedToken, now moment) ([]*verifier.Key, error) {
	l := search{source: s, kid: t.Header.KeyID, who: s.sourceOf(t), now: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.arrived = s.flights
	for {
		if found, known := l.known(); known {
			return found, nil
		}
		f, mine, err := l.join()
		if err == nil {
			err = s.await(ctx, f)
		}
		if err != nil {
			return l.unfetched(err)
		}
		if found, known := l.landed(f, mine); known {
			return found, nil
		}
	}
}

// search is a search for the keys of a kid. source.mu is held in all its methods.
type search struct {
	*source
	kid     string
	who     string // where the token came from, for the limits
	now     moment
	arrived uint64 // how many fetches there were before it
	gone    bool   // the set is within its TTL, and lost the key
}

// known returns the answer if it is known without a fetch: the keys, if the set has them
// by now, or that there are none.
func (l *search) known() (found []*verifier.Key, known bool) {
	set := l.current.Load()
	if found := set.find(l.kid); len(found) > 0 {
		return found, true
	}
	limits := l.limiter(l.now)
	// A set within its TTL that lost the key is an answer, also if the limits are
	// used up. The next fetch is due when it ages.
	l.gone = set.fresh(l.now) && l.lost(l.kid)
	absent := limits.absent.within(l.kid, limits.time(l.now), absentFor)
	return set.unnamed, absent || l.gone && l.now.since(set.asked) < perSource
}

// join returns the fetch in progress, or begins one within the limits, which then is mine.
func (l *search) join() (f *flight, mine bool, err error) {
	if l.flight != nil {
		return l.flight, false, nil
	}
	err = l.resting(l.now)
	if limits := l.limiter(l.now); err == nil && !limits.take(l.who, limits.time(l.now)) {
		err = errTooEarly
	}
	if err == nil {
		return l.launch(flight{kid: l.kid}), true, nil
	}
	if !l.gone {
		l.early.Add(1)
	}
	return nil, false, err
}

// unfetched returns the answer if the set could not be fetched.
func (l *search) unfetched(err error) ([]*verifier.Key, error) {
	set := l.current.Load()
	if l.gone && set.fresh(l.now) {
		err = nil
	}
	return set.unnamed, err
}

// landed returns the answer after a fetch. It is not known yet after one that began
// before the search, since that may be older than the key, and so may what is in a store.
func (l *search) landed(f *flight, mine bool) (found []*verifier.Key, known bool) {
	limits, set := l.limiter(l.now), l.current.Load()
	if found := set.find(l.kid); len(found) > 0 {
		if mine {
			limits.giveBack(l.who)
		}
		return found, true
	}
	if !f.asked || f.number <= l.arrived {
		return nil, false
	}
	limits.absent.add(l.kid, limits.time(l.now))
	return set.unnamed, true
}

// foundNothing has the source wait for its next fetch, after one that did not show its kid.
func (s *source) foundNothing(who string, now moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.limiter(now)
	limits.charge(who, limits.time(now))
}

// limiter returns the limits on fetches for unknown kids. s.mu is held.
func (s *source) limiter(now moment) *limiter {
	if s.limits == nil {
		s.limits = newLimiter(now)
	}
	return s.limits
}

// sourceOf names where the token came from, for the limits. It calls a function of the
// application's: never with s.mu held.
func (s *source) sourceOf(t *verifier.UnverifiedToken) string {
	return sourceOf(s.clientAddress(t.Handshake))
}
