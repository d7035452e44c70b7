package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// source is one key set on the network: its current snapshot, and the one fetch
// that may be in progress to replace it.
type source struct {
	*config
	*counters
	location location
	name     string // for events

	current atomic.Pointer[snapshot]
	quiet   atomic.Pointer[pause] // in which no refresh begins
	failing atomic.Bool           // the last fetch failed

	mu        sync.Mutex // guards what follows; not taken while a key is at hand
	flight    *flight    // the fetch in progress, or nil
	flights   uint64     // how many there were
	failures  int        // in a row
	retry     *pause     // after a failure, for callers who need keys
	lastErr   error
	limits    *limiter        // nil until a kid is unknown
	withdrawn []*verifier.Key // keys that the set had and lost, the last ones at the end

	news news
}

// maxWithdrawn is how many keys a source remembers that its set had and lost.
const maxWithdrawn = 256

func newSource(c *config, l location, n *counters) *source {
	return &source{config: c, counters: n, location: l, name: shown(l.url)}
}

// errTooEarly has the client retry.
var errTooEarly = errors.New("the key set was fetched for unknown kids too recently, and is not yet again")

// keys returns the keys for the token.
func (s *source) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	kid := t.Header.KeyID
	now := s.moment()
	set := s.current.Load()
	if strings.HasPrefix(string(t.Header.Algorithm), "HS") { // no fetch would bring a shared secret
		if set == nil {
			return nil, nil
		}
		return set.find(kid), nil
	}
	asked := false
	if set == nil || set.due(now) {
		var mine bool
		var err error
		if set, asked, mine, err = s.upToDate(ctx, set, now); err != nil {
			return nil, s.fail(err)
		}
		if mine && set.find(kid) == nil { // a fetch in vain, like those of lookUp
			who := s.sourceOf(t)
			s.mu.Lock()
			limits := s.limiter(now)
			limits.charge(who, limits.time(now))
			s.mu.Unlock()
		}
	}
	if found := set.find(kid); len(found) > 0 {
		s.hits.Add(1)
		return found, nil
	}
	s.unknown.Add(1)
	if asked {
		return set.unnamed, nil
	}
	found, err := s.lookUp(ctx, t, now)
	if err != nil && len(found) == 0 {
		return nil, s.fail(fmt.Errorf("kid %.64q is unknown, and %w", kid, err))
	}
	return found, nil
}

func (s *source) fail(err error) error { return fmt.Errorf("jwks: %s: %w", s.name, err) }

// sourceOf names where the token came from, for the limits.
func (s *source) sourceOf(t *verifier.UnverifiedToken) string {
	return sourceOf(s.clientAddress(t.Handshake))
}

// hasKey reports whether the key is in the set: see [verifier.KeyChecker]. It
// spends nothing of the limits on unknown kids.
func (s *source) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	now, kid := s.moment(), t.Header.KeyID
	set := s.current.Load()
	asked := false
	if set == nil || set.due(now) {
		var err error
		if set, asked, _, err = s.upToDate(ctx, set, now); err != nil {
			return false, s.fail(err)
		}
	}
	if set.has(kid, key) {
		return true, nil
	}
	s.mu.Lock()
	known := slices.ContainsFunc(s.withdrawn, key.Equal)
	s.mu.Unlock()
	if known || asked {
		return false, nil
	}
	// The set never had the key. Another provider may have seen it first, so only a
	// fetch that begins now can say that it is gone.
	set, err := s.renew(ctx, now, false)
	if err != nil {
		return false, s.fail(err)
	}
	return set.has(kid, key), nil
}

// upToDate is asked when the set is due for a refresh, or there is none, and
// returns one that may be used. asked says that the issuer was asked for it since
// the call, and mine that it was asked by this call.
func (s *source) upToDate(ctx context.Context, set *snapshot, now moment) (_ *snapshot, asked, mine bool, err error) {
	if set != nil && set.fresh(now) {
		s.refresh(now)
		return set, false, false, nil
	}
	if set != nil && set.usable(now) && s.failing.Load() { // known to be out of order: nobody need wait to find out
		s.refresh(now)
		return s.stale(set), false, false, nil
	}

	s.mu.Lock()
	if newer := s.current.Load(); newer != nil && newer.fresh(now) { // somebody was faster
		s.mu.Unlock()
		return newer, false, false, nil
	}
	arrived, f := s.flights, s.flight
	mine = f == nil
	if mine && s.failing.Load() && !s.retry.over(now) {
		err = fmt.Errorf("it is not asked again yet after: %w", s.lastErr)
	} else if mine {
		f = s.launch(flight{})
	}
	s.mu.Unlock()

	if f != nil {
		err = f.wait(ctx)
	}
	if set = s.current.Load(); err != nil {
		switch {
		case set != nil && set.fresh(now): // from a store
			return set, false, false, nil
		case set != nil && set.usable(now):
			return s.stale(set), false, false, nil
		}
		return nil, false, false, err
	}
	return set, f.asked && f.number > arrived, mine && f.asked, nil
}

// refresh begins a fetch that nobody waits for, unless one is in progress or it
// is too early after a failure.
func (s *source) refresh(now moment) {
	if !s.quiet.Load().over(now) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && s.quiet.Load().over(now) {
		s.launch(flight{quietly: true})
	}
}

// renew returns the set by a fetch that begins after the call, for which others may
// wait too. After a failure it fetches only when it is time to, unless it is forced.
func (s *source) renew(ctx context.Context, now moment, forced bool) (*snapshot, error) {
	s.mu.Lock()
	arrived := s.flights
	for {
		f := s.flight
		if f == nil && !forced && s.failing.Load() && !s.retry.over(now) {
			err := fmt.Errorf("it is not asked again yet after: %w", s.lastErr)
			s.mu.Unlock()
			return nil, err
		}
		if f == nil {
			f = s.launch(flight{whole: true})
		}
		s.mu.Unlock()
		switch err := f.wait(ctx); {
		case ctx.Err() != nil, err != nil && f.number > arrived:
			return nil, err
		case f.whole && f.number > arrived:
			return s.current.Load(), nil
		}
		s.mu.Lock()
	}
}

// renewNow fetches the set: see [Provider.Refresh].
func (s *source) renewNow(ctx context.Context) error {
	if _, err := s.renew(ctx, s.moment(), true); err != nil {
		return s.fail(err)
	}
	return nil
}

// stale counts, and tells once, that the set is used beyond its TTL.
func (s *source) stale(set *snapshot) *snapshot {
	s.counters.stale.Add(1)
	if !set.toldStale.Load() && set.toldStale.CompareAndSwap(false, true) {
		s.mu.Lock()
		err := s.lastErr
		s.mu.Unlock()
		s.news.add(Event{Kind: EventStale, URL: s.name, Keys: set.all, Err: err}, false)
		s.news.deliver(s.config)
	}
	return set
}

// lookUp looks for a kid that is not in the set, if need be by fetching it again.
func (s *source) lookUp(ctx context.Context, t *verifier.UnverifiedToken, now moment) ([]*verifier.Key, error) {
	kid, who := t.Header.KeyID, s.sourceOf(t)
	s.mu.Lock()
	arrived := s.flights
	for {
		set := s.current.Load()
		if found := set.find(kid); len(found) > 0 {
			s.mu.Unlock()
			return found, nil
		}
		limits := s.limiter(now)
		// A set within its TTL that lost the key is an answer, also if the
		// limits are used up. The next fetch is due when it ages.
		gone := set.fresh(now) && s.lost(kid)
		if limits.absent.within(kid, limits.time(now), absentFor) || gone && now.since(set.asked) < perSource {
			s.mu.Unlock()
			return set.unnamed, nil
		}
		f := s.flight
		mine := f == nil
		if mine {
			var err error
			if s.failing.Load() && !s.retry.over(now) {
				err = fmt.Errorf("the set is not asked for again yet after: %w", s.lastErr)
			} else if !limits.take(who, limits.time(now)) {
				err = errTooEarly
			}
			if gone && err != nil {
				s.mu.Unlock()
				return set.unnamed, nil
			}
			if err != nil {
				s.mu.Unlock()
				s.early.Add(1)
				return set.unnamed, err
			}
			f = s.launch(flight{kid: kid})
		}
		s.mu.Unlock()
		if err := f.wait(ctx); err != nil {
			set := s.current.Load()
			if gone && set.fresh(now) {
				err = nil
			}
			return set.unnamed, err
		}
		s.mu.Lock()
		found := s.current.Load().find(kid)
		if len(found) > 0 && mine {
			limits.giveBack(who)
		}
		// A fetch that began before we came may be older than the key, and so may
		// what is in a store.
		if len(found) > 0 || f.asked && f.number > arrived {
			if len(found) == 0 {
				limits.absent.add(kid, limits.time(now))
				found = s.current.Load().unnamed
			}
			s.mu.Unlock()
			return found, nil
		}
	}
}

// lost reports whether the set had a key of the kid. s.mu is held.
func (s *source) lost(kid string) bool {
	return slices.ContainsFunc(s.withdrawn, func(k *verifier.Key) bool { return k.ID() == kid })
}

// remember notes which keys the set lost, and which it has again. s.mu is held.
func (s *source) remember(old, set *snapshot) {
	s.withdrawn = slices.DeleteFunc(s.withdrawn, func(k *verifier.Key) bool {
		return slices.ContainsFunc(set.all, k.Equal)
	})
	for _, k := range old.all {
		if !slices.ContainsFunc(set.all, k.Equal) {
			s.withdrawn = append(s.withdrawn, k)
		}
	}
	if n := len(s.withdrawn) - maxWithdrawn; n > 0 {
		s.withdrawn = slices.Delete(s.withdrawn, 0, n)
	}
}

func (s *source) limiter(now moment) *limiter {
	if s.limits == nil {
		s.limits = newLimiter(now)
	}
	return s.limits
}
