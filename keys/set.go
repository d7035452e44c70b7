package keys

import (
	"context"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Set is a set of keys that never changes. It finds keys by the kid of a token (RFC 7515 §4.1.4):
//
//   - without a kid, all keys are candidates, in their order;
//   - with a kid, the key of that id is the candidate;
//   - if no key has that id, the keys without an id are, such as a secret or those of a PEM file.
//
// A verifier tries at most 16 candidates. If more keys than that have the same algorithm, give them
// and their tokens ids. A Set is safe for concurrent use.
type Set struct {
	all     []*verifier.Key
	byID    map[string][]*verifier.Key // lists of one, so that an answer allocates nothing
	unnamed []*verifier.Key
	skipped []error
}

var _ verifier.KeyProvider = (*Set)(nil)

// NewSet makes a set of keys made by [verifier.NewKey]. Two keys of the same id are an error, since it
// would not be clear which of them a token means.
func NewSet(keys ...*verifier.Key) (*Set, error) { return newSet("NewSet", keys) }

// Join makes one set of several, in their order. Use it to rotate a secret: the new one first, then the
// old one, for as long as tokens signed with it are in use. It also joins keys from different places,
// which are found by their kid. Two keys of the same id are an error.
func Join(sets ...*Set) (*Set, error) {
	var all []*verifier.Key
	var skipped []error
	for i, s := range sets {
		if s == nil {
			return nil, fmt.Errorf("keys: Join: set %d is nil", i+1)
		}
		all = append(all, s.all...)
		skipped = append(skipped, s.skipped...)
	}
	joined, err := newSet("Join", all)
	if err != nil {
		return nil, err
	}
	joined.skipped = skipped
	return joined, nil
}

// newSet indexes the keys. what names their source in an error.
func newSet(what string, keys []*verifier.Key) (*Set, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("keys: %s: there is no key", what)
	}
	s := &Set{all: append([]*verifier.Key(nil), keys...), byID: make(map[string][]*verifier.Key)}
	for i, k := range s.all {
		if k == nil {
			return nil, fmt.Errorf("keys: %s: key %d is nil", what, i+1)
		}
		id := k.ID()
		switch {
		case id == "":
			s.unnamed = append(s.unnamed, k)
		case s.byID[id] != nil:
			return nil, fmt.Errorf("keys: %s: two keys have the kid %q, which must tell them apart", what, id)
		default:
			s.byID[id] = s.all[i : i+1 : i+1]
		}
	}
	return s, nil
}

// Keys returns the candidates for the token. The error is always nil. A nil set has no keys.
func (s *Set) Keys(_ context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	if s == nil {
		return nil, nil
	}
	if t.Header.KeyID == "" {
		return s.all, nil
	}
	if named := s.byID[t.Header.KeyID]; named != nil {
		return named, nil
	}
	return s.unnamed, nil
}

// All returns every key of the set, in order.
func (s *Set) All() []*verifier.Key { return append([]*verifier.Key(nil), s.all...) }

// Skipped says which keys of a JWK Set are not in the set, and why: see [JWKSet]. Log it, so that such
// a key is not missed.
func (s *Set) Skipped() []error { return append([]error(nil), s.skipped...) }
