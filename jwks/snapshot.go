package jwks

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// snapshot is a key set at one moment. It never changes after it is published,
// so readers need no lock.
type snapshot struct {
	all     []*verifier.Key
	named   map[string][]*verifier.Key
	unnamed []*verifier.Key
	skipped []error

	url  string // where it came from, which its ETag belongs to
	etag string
	body []byte // for a store, if there is one

	asked    moment // when it was asked for
	received moment // when the issuer sent it whole, rather than "not modified"

	refreshAfter time.Duration // the age from which on a newer one is wanted
	ttl          time.Duration // the age up to which it is used without one
	maxStale     time.Duration // how much longer it is used if none can be fetched

	toldStale atomic.Bool
}

// parseSet makes a snapshot of a JWK Set that somebody else publishes.
func parseSet(body []byte) (*snapshot, error) {
	var members map[string]json.RawMessage // exact names, unlike a struct
	var list []json.RawMessage
	if json.Unmarshal(body, &members) == nil {
		_ = json.Unmarshal(members["keys"], &list)
	}
	if n := max(len(list), len(members)); n > maxKeys {
		return nil, fmt.Errorf("the set has %d keys: at most %d are taken", n, maxKeys)
	}
	usable, skipped, err := keys.ParseJWKSet(body)
	if err != nil {
		return nil, err
	}
	return newSnapshot(usable, skipped), nil
}

// newSnapshot makes a snapshot of keys. Two of one kid are both tried; the same key
// twice, under one kid, is one key.
func newSnapshot(usable []*verifier.Key, skipped []error) *snapshot {
	s := &snapshot{skipped: skipped, named: make(map[string][]*verifier.Key)}
	for i, k := range usable {
		if !slices.ContainsFunc(usable[:i], func(other *verifier.Key) bool { return same(k, other) }) {
			s.all = append(s.all, k)
		}
	}
	for _, k := range s.all {
		if k.ID() == "" {
			s.unnamed = append(s.unnamed, k)
		} else {
			s.named[k.ID()] = append(s.named[k.ID()], k)
		}
	}
	return s
}

// same reports whether the keys are one, under one kid and for the same algorithms.
func same(a, b *verifier.Key) bool {
	return a.ID() == b.ID() && a.Equal(b) && slices.Equal(a.Algorithms(), b.Algorithms())
}

// renewed returns a copy of the snapshot, as the answer "not modified" makes one.
func (s *snapshot) renewed() *snapshot {
	return &snapshot{
		all: s.all, named: s.named, unnamed: s.unnamed, skipped: s.skipped,
		url: s.url, etag: s.etag, body: s.body, received: s.received,
	}
}

// dated sets the times, for a set that was asked for at that moment and is good
// for the TTL. The time of the refresh is random, so that the servers of a fleet do not ask at once.
func (s *snapshot) dated(asked moment, ttl, maxStale time.Duration) *snapshot {
	s.asked, s.ttl, s.maxStale = asked, ttl, maxStale
	s.refreshAfter = time.Duration((0.75 + 0.1*rand.Float64()) * float64(ttl))
	return s
}

// due reports whether a set is wanted: there is none, or a newer one would be better.
func (s *snapshot) due(now moment) bool { return s == nil || now.since(s.asked) >= s.refreshAfter }

// fresh reports whether there is a set, within its TTL.
func (s *snapshot) fresh(now moment) bool { return s != nil && now.since(s.asked) < s.ttl }

// usable reports whether there is a set that may be used if no newer one can be fetched.
func (s *snapshot) usable(now moment) bool { return s != nil && now.since(s.asked) < s.ttl+s.maxStale }

// find returns the keys of the kid, or nil. If the token has none, or no key has,
// any of them may be the one.
func (s *snapshot) find(kid string) []*verifier.Key {
	if kid == "" || len(s.named) == 0 {
		return s.all
	}
	return s.named[kid]
}

// has reports whether the key is one that a token of the kid may be verified with.
func (s *snapshot) has(kid string, key *verifier.Key) bool {
	found := s.find(kid)
	if len(found) == 0 {
		found = s.unnamed
	}
	return slices.ContainsFunc(found, key.Equal)
}

// sameKeys tells whether two snapshots hold the same keys under the same kids.
func (s *snapshot) sameKeys(other *snapshot) bool {
	return len(s.all) == len(other.all) && !slices.ContainsFunc(s.all, func(a *verifier.Key) bool {
		return !slices.ContainsFunc(other.all, func(b *verifier.Key) bool { return a.ID() == b.ID() && a.Equal(b) })
	})
}
