package jwks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// The back-off after failures: it doubles, and is lengthened by up to half at
// random. While keys are at hand nothing is lost by asking seldom; when somebody
// needs keys that are not, an issuer that is back should be found out soon.
const (
	backoff      = 5 * time.Second
	maxBackoff   = 5 * time.Minute
	neededWithin = 15 * time.Second
)

// maxRetryAfter is the longest pause that an issuer can ask for by Retry-After.
const maxRetryAfter = 15 * time.Minute

// flight is a fetch. Those who wait for it share it.
type flight struct {
	number  uint64
	kid     string        // the unknown kid that it is for, or ""
	whole   bool          // neither a store's set nor "not modified" will do
	quietly bool          // nobody waits for it
	done    chan struct{} // closed at its end, when what follows is set
	asked   bool          // the issuer answered, rather than the store
	err     error
}

// launch begins a fetch. s.mu is held, and there is no other. Its goroutine ends by
// itself, at the latest by the timeout.
func (s *source) launch(f flight) *flight {
	s.flights++
	f.number, f.done = s.flights, make(chan struct{})
	s.flight = &f
	s.quiet.Store(&pause{time: endless})
	go s.fly(&f)
	return &f
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
	began := s.moment()
	old := s.current.Load()
	s.fetches.Add(1)
	var set *snapshot
	err := guarded(func() (err error) {
		set, err = s.load(ctx, f, old, began)
		return err
	})
	now := s.moment()

	rotated := set != nil && old != nil && !old.sameKeys(set)
	if rotated {
		s.rotations.Add(1)
	}

	s.mu.Lock()
	s.flight = nil
	if set != nil {
		if old != nil {
			s.remember(old, set)
		}
		s.current.Store(set)
	}
	if f.err = err; err != nil {
		s.failed(err, now)
	} else {
		s.failures, s.lastErr, s.retry = 0, nil, nil
		s.failing.Store(false)
		s.quiet.Store(nil)
	}
	s.report(f, err, now.machine.Sub(began.machine), old == nil || rotated, rotated)
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
func (s *source) failed(err error, now moment) {
	s.counters.failures.Add(1)
	wait := maxBackoff
	if s.failures < 10 {
		wait = min(wait, backoff<<s.failures)
	}
	s.failures++
	spread := 1 + rand.Float64()/2
	var status *statusError
	var least time.Duration
	if errors.As(err, &status) {
		least = min(status.retryAfter, maxRetryAfter)
	}
	s.lastErr = err
	s.retry = &pause{now, max(least, time.Duration(spread*float64(min(wait, neededWithin))))}
	s.failing.Store(true)
	s.quiet.Store(&pause{now, max(least, time.Duration(spread*float64(wait)))})
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
func (s *source) load(ctx context.Context, f *flight, old *snapshot, began moment) (*snapshot, error) {
	var stored *snapshot
	if s.store != nil && !f.whole {
		stored = s.restore(ctx, began)
		if stored != nil && old != nil && began.since(stored.asked) >= began.since(old.asked) {
			stored = nil
		}
		if stored != nil {
			if !stored.due(began) && (f.kid == "" || stored.find(f.kid) != nil) {
				return stored, nil
			}
			old = stored
		}
	}
	set, err := s.fetch(ctx, f, old, began)
	if err != nil {
		s.location.forget()
		return stored, err
	}
	f.asked = true
	return set, nil
}

// fetch gets the set from the issuer.
func (s *source) fetch(ctx context.Context, f *flight, old *snapshot, began moment) (*snapshot, error) {
	u, err := s.location.locate(ctx, s.config, f, began)
	if err != nil {
		return nil, err
	}
	// An ETag is the word of a server that may be wrong forever: it saves a
	// transfer, but it neither hides a new key nor keeps an old one for long.
	etag := ""
	if old != nil && old.url == u.String() && f.kid == "" && !f.whole && began.since(old.received) <= s.ttl {
		etag = old.etag
	}
	d, err := s.location.get(ctx, s.config, u, etag)
	if errors.Is(err, errNotModified) {
		s.notModified.Add(1)
		ttl := s.lifetime(d.header)
		if d.header.Get("Cache-Control") == "" { // then what it said before holds (RFC 9111 §4.3.4)
			ttl = old.ttl
		}
		return old.renewed().dated(began, ttl, s.maxStale), nil
	}
	if err != nil && !s.location.missing(err) {
		return nil, err
	}
	if err != nil {
		d = new(document)
	}
	set, err := s.location.parse(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %s%w", shown(u), d.page(), err)
	}
	s.counters.skipped.Add(uint64(len(set.skipped)))
	set.url, set.etag, set.received = u.String(), d.header.Get("ETag"), began
	if s.store != nil {
		set.body = d.body
	}
	return set.dated(began, s.lifetime(d.header), s.maxStale), nil
}
