package jwks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The back-off after failures: it doubles, and is lengthened by up to half at
// random. While keys are at hand nothing is lost by asking seldom; when somebody
// needs keys that are not, an issuer that is back should be found out soon.
const (
	backoff      = 5 * time.Second
	maxBackoff   = 5 * time.Minute
	neededWithin = 15 * time.Second
)

// source is one key set on the network: its current snapshot, and the one fetch
// that may be under way to replace it.
type source struct {
	*config
	*counters
	location location
	name     string // for events

	current atomic.Pointer[snapshot]
	quiet   atomic.Int64 // until when no refresh is to begin, in Unix nanoseconds
	failing atomic.Bool  // the last fetch failed

	mu       sync.Mutex // guards what follows; not taken while a key is at hand
	flight   *flight    // the fetch under way, or nil
	flights  uint64     // how many there were
	failures int        // in a row
	retry    time.Time  // when to fetch again after a failure, for who needs keys
	lastErr  error
	limits   *limiter // nil until a kid is unknown

	news news
}

// flight is a fetch. Those who wait for it share it.
type flight struct {
	number  uint64
	kid     string        // the unknown kid that it is for, or ""
	quietly bool          // nobody waits for it
	done    chan struct{} // closed at its end, when what follows is set
	asked   bool          // the issuer answered, rather than the store
	err     error
}

func newSource(c *config, l location, n *counters) *source {
	return &source{config: c, counters: n, location: l, name: shown(l.url)}
}

// errTooEarly has its bearer told to retry.
var errTooEarly = errors.New("the key set was fetched for unknown kids too recently, and is not yet again")

// keys returns the keys for the token.
func (s *source) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	kid := t.Header.KeyID
	now := s.now()
	set := s.current.Load()
	if strings.HasPrefix(string(t.Header.Algorithm), "HS") { // no fetch would bring a shared secret
		if set == nil {
			return nil, nil
		}
		return set.find(kid), nil
	}
	asked := false
	if set == nil || !now.Before(set.refreshAt) {
		var err error
		if set, asked, err = s.upToDate(ctx, t, set, now); err != nil {
			return nil, fmt.Errorf("jwks: %s: %w", s.name, err)
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
		return nil, fmt.Errorf("jwks: %s: kid %.64q is unknown, and %w", s.name, kid, err)
	}
	return found, nil
}

// upToDate is asked when the set is due for a refresh, or there is none, and
// returns one that may be used. asked says that the issuer was asked for it since the
// call.
func (s *source) upToDate(ctx context.Context, t *verifier.UnverifiedToken, set *snapshot, now time.Time) (_ *snapshot, asked bool, err error) {
	if set != nil && now.Before(set.expires) {
		s.refresh(now)
		return set, false, nil
	}
	usable := set != nil && now.Before(set.dead)
	if usable && s.failing.Load() { // known to be out of order: nobody need wait to find out
		s.refresh(now)
		return s.stale(set), false, nil
	}

	s.mu.Lock()
	if newer := s.current.Load(); newer != nil && now.Before(newer.expires) { // somebody was faster
		s.mu.Unlock()
		return newer, false, nil
	}
	arrived, f := s.flights, s.flight
	mine := f == nil
	if mine && s.failing.Load() && now.Before(s.retry) {
		err = fmt.Errorf("it is not asked again yet after: %w", s.lastErr)
	} else if mine {
		f = s.launch("", false)
	}
	s.mu.Unlock()

	if f != nil {
		err = f.wait(ctx)
	}
	if set = s.current.Load(); err != nil {
		switch {
		case set != nil && now.Before(set.expires): // from a store
			return set, false, nil
		case set != nil && now.Before(set.dead):
			return s.stale(set), false, nil
		}
		return nil, false, err
	}
	if mine && f.asked && set.find(t.Header.KeyID) == nil { // a fetch in vain, as those of lookUp
		s.mu.Lock()
		s.limiter().charge(sourceOf(s.clientAddress(t.Handshake)), now)
		s.mu.Unlock()
	}
	return set, f.asked && f.number > arrived, nil
}

// refresh begins a fetch that nobody waits for, unless one is under way or it is
// too early after a failure.
func (s *source) refresh(now time.Time) {
	if now.UnixNano() < s.quiet.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && now.UnixNano() >= s.quiet.Load() {
		s.launch("", true)
	}
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
func (s *source) lookUp(ctx context.Context, t *verifier.UnverifiedToken, now time.Time) ([]*verifier.Key, error) {
	kid, who := t.Header.KeyID, sourceOf(s.clientAddress(t.Handshake))
	s.mu.Lock()
	arrived := s.flights
	for {
		set := s.current.Load()
		if found := set.find(kid); len(found) > 0 {
			s.mu.Unlock()
			return found, nil
		}
		limits := s.limiter()
		if limits.absent.within(kid, now, absentFor) {
			s.mu.Unlock()
			return set.unnamed, nil
		}
		f := s.flight
		mine := f == nil
		if mine {
			if s.failing.Load() && now.Before(s.retry) {
				err := fmt.Errorf("the set is not asked for again yet after: %w", s.lastErr)
				s.mu.Unlock()
				s.early.Add(1)
				return set.unnamed, err
			}
			if !limits.take(who, now) {
				s.mu.Unlock()
				s.early.Add(1)
				return set.unnamed, errTooEarly
			}
			f = s.launch(kid, false)
		}
		s.mu.Unlock()
		err := f.wait(ctx)
		if err != nil {
			return s.current.Load().unnamed, err
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
				limits.absent.add(kid, now)
				found = s.current.Load().unnamed
			}
			s.mu.Unlock()
			return found, nil
		}
	}
}

func (s *source) limiter() *limiter {
	if s.limits == nil {
		s.limits = newLimiter()
	}
	return s.limits
}

// launch begins a fetch. s.mu is held, and there is no other. Its goroutine ends by
// itself, at the latest by the timeout.
func (s *source) launch(kid string, quietly bool) *flight {
	s.flights++
	s.flight = &flight{number: s.flights, kid: kid, quietly: quietly, done: make(chan struct{})}
	s.quiet.Store(math.MaxInt64)
	go s.fly(s.flight)
	return s.flight
}

// wait waits for the end of the flight, or of the context.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *source) fly(f *flight) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	began := s.now()
	old := s.current.Load()
	s.fetches.Add(1)
	var set *snapshot
	err := guarded(func() (err error) {
		set, err = s.load(ctx, f, old, began)
		return err
	})
	took := s.now().Sub(began)

	rotated := set != nil && old != nil && !old.sameKeys(set)
	if rotated {
		s.rotations.Add(1)
	}

	s.mu.Lock()
	s.flight = nil
	if set != nil {
		s.current.Store(set)
	}
	if f.err = err; err != nil {
		s.failed(err, s.now())
	} else {
		s.failures, s.lastErr = 0, nil
		s.failing.Store(false)
		s.quiet.Store(0)
	}
	s.report(f, err, took, old == nil || rotated, rotated)
	s.mu.Unlock()
	close(f.done)
	s.news.deliver(s.config)
	if s.store != nil && f.asked {
		s.complain("save", guarded(func() error { return s.keep(set) }))
	}
}

// guarded turns a panic of f into an error: in a goroutine of a fetch it would end
// the program, and what panics is not ours, but a transport, a store or a hook.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// failed sets when to try again. s.mu is held.
func (s *source) failed(err error, now time.Time) {
	s.counters.failures.Add(1)
	wait := maxBackoff
	if s.failures < 10 {
		wait = min(wait, backoff<<s.failures)
	}
	s.failures++
	spread := 1 + rand.Float64()/2
	s.lastErr = err
	s.retry = now.Add(time.Duration(spread * float64(min(wait, neededWithin))))
	s.failing.Store(true)
	s.quiet.Store(now.Add(time.Duration(spread * float64(wait))).UnixNano())
}

// report tells of the end of a flight, with s.mu held for the order. news says
// that the keys are not those of before, or the first.
func (s *source) report(f *flight, err error, took time.Duration, news, rotated bool) {
	e := Event{Kind: EventFetch, URL: s.name, Err: err, Duration: took}
	set := s.current.Load()
	if set != nil {
		e.Keys = set.all
	}
	switch {
	case err != nil:
		e.Kind = EventFailure
	case f.quietly:
		e.Kind = EventRefresh
	}
	if err == nil {
		e.Skipped = set.skipped
	}
	s.news.add(e, news)
	if rotated {
		s.news.add(Event{Kind: EventRotation, URL: s.name, Keys: set.all}, false)
	}
}

// load gets the set, from the store if what is there will do, or else from the
// issuer. With an error it may return a set too: one from the store that is newer
// than the old one, if not as new as was wanted.
func (s *source) load(ctx context.Context, f *flight, old *snapshot, began time.Time) (*snapshot, error) {
	var stored *snapshot
	if s.store != nil {
		stored = s.restore(ctx, began)
		if stored != nil && old != nil && !stored.asked.After(old.asked) {
			stored = nil
		}
		if stored != nil {
			if began.Before(stored.refreshAt) && (f.kid == "" || stored.find(f.kid) != nil) {
				return stored, nil
			}
			old = stored
		}
	}
	set, err := s.fetch(ctx, old, began)
	if err != nil {
		s.location.forget()
		return stored, cause(ctx, err)
	}
	f.asked = true
	return set, nil
}

// fetch gets the set from the issuer.
func (s *source) fetch(ctx context.Context, old *snapshot, began time.Time) (*snapshot, error) {
	u, err := s.location.locate(ctx, s.config)
	if err != nil {
		return nil, err
	}
	etag := ""
	if old != nil && old.url == u.String() {
		etag = old.etag
	}
	d, err := s.get(ctx, u, etag)
	if errors.Is(err, errNotModified) {
		s.notModified.Add(1)
		ttl := s.lifetime(d.header)
		if d.header.Get("Cache-Control") == "" { // then what it said before holds (RFC 9111 §4.3.4)
			ttl = old.expires.Sub(old.asked)
		}
		return old.renewed().dated(began, ttl, s.maxStale), nil
	}
	if err != nil {
		return nil, err
	}
	set, err := parseSet(d.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(u), err)
	}
	s.counters.skipped.Add(uint64(len(set.skipped)))
	set.url, set.etag = u.String(), d.header.Get("ETag")
	if s.store != nil {
		set.body = d.body
	}
	return set.dated(began, s.lifetime(d.header), s.maxStale), nil
}

// cause says that the time was up, where net/http only says that the context
// ended.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return fmt.Errorf("%w (%w)", c, err)
	}
	return err
}
