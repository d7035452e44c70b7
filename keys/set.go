package keys

import (
	"context"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Set is an unchanging set of keys, chosen from by a token's kid (RFC 7515
// §4.1.4):
//
//   - without a kid, all keys are candidates, in their order;
//   - with one, the key of that id is;
//   - where none has that id, the keys without an id are, such as a secret or
//     those of a PEM file.
//
// A verifier tries no more than sixteen candidates: where there are more of one
// algorithm, they and their tokens need ids. A Set is safe for concurrent use.
type Set struct {
	all     []*verifier.Key
	byID    map[string][]*verifier.Key // lists of one, so that an answer allocates nothing
	unnamed []*verifier.Key
	skipped []error
}

var _ verifier.KeyProvider = (*Set)(nil)

// NewSet makes a set of keys made by [verifier.NewKey]. Two of the same id are
// refused: it would not be clear which of them a token means.
func NewSet(keys ...*verifier.Key) (*Set, error) { return newSet("NewSet", keys) }

// Join makes one set of several, in their order. It is how a secret is rotated,
// the current one first, then the previous one for as long as tokens signed
// with it are about; and how keys from different places are told apart by their
// kid. Two keys of the same id are refused.
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

// Keys returns the candidates for the token. It never fails; a nil set has none.
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

// Skipped says which keys of a JWK Set are not in the set, and why: those of a type,
// curve or alg that is not known here, or that are not for signing. Log it, lest such
// a key be missed.
func (s *Set) Skipped() []error { return append([]error(nil), s.skipped...) }
