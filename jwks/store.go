package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Store keeps key sets outside of the process, in Redis or a file for example: several servers share
// what one of them fetched, and a server can start while the issuer is down. Anyone who can write to the
// store chooses the keys.
//
// A value is opaque, and has at most a megabyte. The methods are called only when a set is fetched. Each
// has 1 s, by its context. An error is logged, and the issuer is asked as if there were no store.
type Store interface {
	// Load returns the value last saved for the URL of a key set, or nil if there
	// is none.
	Load(ctx context.Context, url string) ([]byte, error)

	// Save keeps the value for that time, after which it is of no use.
	Save(ctx context.Context, url string, value []byte, keep time.Duration) error
}

// WithStore also keeps key sets in the store: see [Store]. By default they are in memory only.
func WithStore(s Store) Option {
	return func(c *config) error {
		if s == nil {
			return errors.New("WithStore: the store is nil")
		}
		c.store = s
		return nil
	}
}

// kept is a snapshot as it is stored.
type kept struct {
	URL   string          `json:"url"`
	ETag  string          `json:"etag,omitempty"`
	Asked time.Time       `json:"asked"`
	Whole time.Time       `json:"whole"` // when it was last received whole
	TTL   time.Duration   `json:"ttl"`
	Set   json.RawMessage `json:"set"`
}

// restore returns the stored snapshot, nil if there is none to be used.
func (s *source) restore(ctx context.Context, now moment) *snapshot {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	value, err := s.store.Load(ctx, s.location.url.String())
	if err != nil || value == nil {
		s.complain("load", err)
		return nil
	}
	var k kept
	if err := json.Unmarshal(value, &k); err != nil {
		s.complain("load", err)
		return nil
	}
	set, err := parseSet(k.Set)
	if err != nil {
		s.complain("load", err)
		return nil
	}
	if k.Asked.After(now.clock.Add(time.Minute)) {
		s.complain("load", fmt.Errorf("the set was fetched at %v, which lies ahead", k.Asked))
		return nil
	}
	set.url, set.etag, set.body = k.URL, k.ETag, k.Set
	set.received = now.before(max(0, now.clock.Sub(k.Whole)))
	set.dated(now.before(max(0, now.clock.Sub(k.Asked))), min(k.TTL, s.ttl), s.maxStale)
	if !set.usable(now) {
		return nil
	}
	return set
}

// keep stores a snapshot that the issuer gave.
func (s *source) keep(set *snapshot) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	value, err := json.Marshal(kept{set.url, set.etag, set.asked.clock, set.received.clock, set.ttl, set.body})
	if err != nil {
		return err
	}
	return s.store.Save(ctx, s.location.url.String(), value, set.ttl+set.maxStale)
}

func (s *source) complain(what string, err error) {
	if err != nil {
		s.logger.Warn("jwks: the store could not "+what, slog.String("url", s.name), slog.Any("error", err))
	}
}
