// Package cache has the two caches of a verifier: of decoded headers, and of tokens
// that were accepted.
package cache

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// SlotCount is how many values a [Slots] holds at most.
const SlotCount = 64

// MaxKey is the length in bytes above which a key is not worth its memory.
const MaxKey = 512

// Slots remembers values by a string, one in each slot. There is no lock: a slot is
// one pointer, and the seed of its hash is random, so that nobody can tell which keys
// share one. Make it with [NewSlots].
type Slots[V any] struct {
	seed  maphash.Seed
	slots [SlotCount]atomic.Pointer[slot[V]]
}

type slot[V any] struct {
	key   string
	value V
}

// NewSlots makes an empty cache.
func NewSlots[V any]() *Slots[V] { return &Slots[V]{seed: maphash.MakeSeed()} }

func (s *Slots[V]) of(key string) *atomic.Pointer[slot[V]] {
	return &s.slots[maphash.String(s.seed, key)%SlotCount]
}

// Get returns the value that was added with the key, if it is still there.
func (s *Slots[V]) Get(key string) (value V, ok bool) {
	if len(key) <= MaxKey {
		if known := s.of(key).Load(); known != nil && known.key == key {
			return known.value, true
		}
	}
	return value, false
}

// Add remembers a value. It copies the key, which may be a part of a token.
func (s *Slots[V]) Add(key string, value V) {
	if len(key) <= MaxKey {
		s.of(key).Store(&slot[V]{strings.Clone(key), value})
	}
}

// Len returns how many values are remembered.
func (s *Slots[V]) Len() (n int) {
	for i := range s.slots {
		if s.slots[i].Load() != nil {
			n++
		}
	}
	return n
}
