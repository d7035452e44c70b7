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

// errShared refuses a token for which the verifier would need a shared secret.
var errShared = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "invalid algorithm", Reason: verifier.ErrAlgorithmNotAllowed,
	Err: errors.New("alg is HS256, HS384 or HS512, which need a shared secret: a key set has public keys"),
}

func newSource(c *config, l location, n *counters) *source {
	return &source{config: c, counters: n, location: l, name: shown(l.url)}
}

// keys returns the keys for the token.
func (s *source) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	if strings.HasPrefix(string(t.Header.Algorithm), "HS") { // no fetch would bring a shared secret
		return nil, errShared
	}
	kid := t.Header.KeyID
	now := s.moment()
	set := s.current.Load()
	asked := false
	if set.due(now) {
		var err error
		if set, asked, err = s.upToDate(ctx, set, now); err != nil {
			return nil, s.fail(err)
		}
	}
	if found := set.find(kid); len(found) > 0 {
		s.hits.Add(1)
		return found, nil
	}
	s.unknown.Add(1)
	if asked {
		s.foundNothing(s.sourceOf(t), now)
		return set.unnamed, nil
	}
	found, err := s.lookUp(ctx, t, now)
	if err != nil && len(found) == 0 {
		return nil, s.fail(fmt.Errorf("kid %.64q is unknown, and %w", kid, err))
	}
	return found, nil
}

func (s *source) fail(err error) error { return fmt.Errorf("jwks: %s: %w", s.name, err) }

// hasKey reports whether the key is in the set: see [verifier.KeyChecker]. It
// spends nothing of the limits on unknown kids.
func (s *source) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	now, kid := s.moment(), t.Header.KeyID
	set := s.current.Load()
	asked := false
	if set.due(now) {
		var err error
		if set, asked, err = s.upToDate(ctx, set, now); err != nil {
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

// upToDate is asked when the set is due for a refresh, or there is none, and returns
// one that may be used. asked says that the issuer was asked for it, by this call.
func (s *source) upToDate(ctx context.Context, set *snapshot, now moment) (_ *snapshot, asked bool, err error) {
	if set.usable(now) && (set.fresh(now) || s.failing.Load()) { // or the issuer is known to be out of order: nobody need wait to find out
		s.refresh(now)
		return s.use(set, now), false, nil
	}
	s.mu.Lock()
	if newer := s.current.Load(); newer.fresh(now) { // somebody was faster
		s.mu.Unlock()
		return newer, false, nil
	}
	f, mine, err := s.join(now)
	s.mu.Unlock()
	if err == nil {
		err = f.wait(ctx)
	}
	set = s.current.Load()
	if err == nil {
		return set, mine && f.asked, nil
	}
	if set.usable(now) { // it is stale, or from a store
		return s.use(set, now), false, nil
	}
	return nil, false, err
}

// use returns a usable set. It tells if the set is stale.
func (s *source) use(set *snapshot, now moment) *snapshot {
	if set.fresh(now) {
		return set
	}
	return s.stale(set)
}

// join returns the fetch in progress, or begins one, which then is mine. s.mu is held.
func (s *source) join(now moment) (f *flight, mine bool, err error) {
	if s.flight != nil {
		return s.flight, false, nil
	}
	if err := s.resting(now); err != nil {
		return nil, false, err
	}
	return s.launch(flight{}), true, nil
}

// resting returns an error if it is too early to ask the issuer again after a failure.
// s.mu is held.
func (s *source) resting(now moment) error {
	if s.failing.Load() && !s.retry.over(now) {
		return fmt.Errorf("the set is not asked for again yet after: %w", s.lastErr)
	}
	return nil
}

// await waits for the fetch, without the lock meanwhile. s.mu is held.
func (s *source) await(ctx context.Context, f *flight) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	return f.wait(ctx)
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
	defer s.mu.Unlock()
	arrived := s.flights
	for {
		f := s.flight
		if f == nil {
			if err := s.resting(now); err != nil && !forced {
				return nil, err
			}
			f = s.launch(flight{whole: true})
		}
		switch err := s.await(ctx, f); {
		case ctx.Err() != nil, err != nil && f.number > arrived:
			return nil, err
		case f.whole && f.number > arrived:
			return s.current.Load(), nil
		}
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
