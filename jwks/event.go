package jwks

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// EventKind says what an [Event] tells of.
type EventKind string

// The kinds of events.
const (
	EventFetch    EventKind = "fetch"    // the set was loaded, and somebody waited for it
	EventRefresh  EventKind = "refresh"  // the set was loaded in the background
	EventRotation EventKind = "rotation" // the keys are no longer those of before; follows a fetch or refresh
	EventStale    EventKind = "stale"    // keys are used beyond their TTL; once for a set
	EventFailure  EventKind = "failure"  // the set could not be fetched
)

// Event is something that happened to a key set.
type Event struct {
	Kind EventKind

	// URL is the address of the set or of its issuer, without its query, or the
	// path of the file.
	URL string

	// Keys are those that may be used now. After a rotation, you can end the sessions
	// whose token was verified with a key that is not among them ([verifier.Key.Equal]).
	// Do not change the slice.
	Keys []*verifier.Key

	// Skipped says, after a fetch or refresh, which keys of the set are not used,
	// and why.
	Skipped []error

	// Err is the cause of [EventFailure]. With [EventStale] it is the error of the last
	// fetch, nil if there is none.
	Err error

	// Duration is how long the fetch took, whether it failed or not. It is 0 for
	// [EventRotation] and [EventStale], and for a file.
	Duration time.Duration
}

// Stats are counts since the provider was made. They never decrease.
type Stats struct {
	Fetches     uint64 // attempts to load a set from the network, or a file from the disk
	NotModified uint64 // of them, answered "not modified"
	Failures    uint64 // of them, failed
	Rotations   uint64 // loads whose keys differ from those of before
	Skipped     uint64 // keys of the loaded sets that could not be used
	Hits        uint64 // tokens whose key was in memory
	StaleServes uint64 // of them, with keys beyond their TTL
	UnknownKIDs uint64 // tokens whose key was not in memory
	TooEarly    uint64 // of them, told to retry because of a limit
}

// counters are Stats as they are counted. The hits stand apart, since only they
// are counted on every verification.
type counters struct {
	hits atomic.Uint64
	_    [56]byte

	fetches, notModified, failures, rotations, skipped, stale, unknown, early atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Fetches: c.fetches.Load(), NotModified: c.notModified.Load(), Failures: c.failures.Load(),
		Rotations: c.rotations.Load(), Skipped: c.skipped.Load(), Hits: c.hits.Load(),
		StaleServes: c.stale.Load(), UnknownKIDs: c.unknown.Load(), TooEarly: c.early.Load(),
	}
}

// add adds what another counted.
func (s *Stats) add(o Stats) {
	s.Fetches += o.Fetches
	s.NotModified += o.NotModified
	s.Failures += o.Failures
	s.Rotations += o.Rotations
	s.Skipped += o.Skipped
	s.Hits += o.Hits
	s.StaleServes += o.StaleServes
	s.UnknownKIDs += o.UnknownKIDs
	s.TooEarly += o.TooEarly
}

// news are events that are still to be told. They are told one after the other,
// in their order, while nobody waits for that: so that the function of [OnEvent]
// may take its time, and may itself have tokens verified.
type news struct {
	mu    sync.Mutex // guards the rest
	queue []bulletin
	busy  bool // somebody is telling them
}

type bulletin struct {
	event Event
	first bool // what it skipped was not said before
}

func (n *news) add(e Event, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, bulletin{e, first})
}

// deliver calls the callbacks with what is queued, unless another goroutine already does.
func (n *news) deliver(c *config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy {
		return
	}
	n.busy = true
	for len(n.queue) > 0 {
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.mu.Unlock()
		c.tell(next.event, next.first) // which does not panic
		n.mu.Lock()
	}
	n.busy = false
}

// tell reports an event. news says that what it skipped was not said before.
func (c *config) tell(e Event, news bool) {
	level := slog.LevelDebug
	attributes := []slog.Attr{slog.String("url", e.URL)}
	switch e.Kind {
	case EventFailure, EventStale:
		level = slog.LevelWarn
	case EventRotation:
		level = slog.LevelInfo
		ids := make([]string, len(e.Keys))
		for i, k := range e.Keys {
			ids[i] = k.ID()
		}
		attributes = append(attributes, slog.Any("kids", ids))
	}
	if e.Err != nil {
		attributes = append(attributes, slog.Any("error", e.Err))
	}
	c.logger.LogAttrs(context.Background(), level, "jwks: "+string(e.Kind), attributes...)
	if news {
		c.warnSkipped(e.URL, e.Skipped)
	}
	if err := guarded(func() error { c.onEvent(e); return nil }); err != nil {
		c.logger.LogAttrs(context.Background(), slog.LevelError, "jwks: the function of OnEvent failed", slog.Any("error", err))
	}
}

// warnSkipped logs which keys of a set are not used, and why.
func (c *config) warnSkipped(url string, skipped []error) {
	for _, err := range skipped {
		c.logger.LogAttrs(context.Background(), slog.LevelWarn, "jwks: a key is not used",
			slog.String("url", url), slog.Any("error", err))
	}
}
