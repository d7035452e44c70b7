package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Tokens remembers values by tokens, of which it keeps no more than a [Code]. It is
// cut into shards, each with its own lock, that cores may not wait for each other.
// Make it with [NewTokens].
type Tokens[V any] struct {
	mac    cipher.AEAD // see Code; nil where that is not available
	key    [32]byte    // random
	shards []*lru.Cache[Code, V]
	counts []count // of the shards
}

// count stands apart from its neighbours, as the shards do.
type count struct {
	hits, misses atomic.Uint64
	_            [48]byte
}

// Code stands for a whole token. It is GMAC with a random key (NIST SP 800-38D), in
// a third of the time of SHA-256. Its strength here is that of the universal hash in
// it: whatever two tokens somebody writes, the random key has them share a code with
// a probability below 2^-110. That one nonce serves for all would help only an
// attacker who sees codes, and none leaves the cache.
type Code [16]byte

// noNonce is the nonce of every code.
var noNonce [12]byte

// NewTokens makes a cache of at most n tokens; n is 1 or more.
func NewTokens[V any](n int) (*Tokens[V], error) {
	c := &Tokens[V]{shards: make([]*lru.Cache[Code, V], min(16, n))}
	c.counts = make([]count, len(c.shards))
	rand.Read(c.key[:])
	if block, err := aes.NewCipher(c.key[:]); err == nil {
		c.mac, _ = cipher.NewGCM(block) // it fails under GODEBUG=fips140=only
	}
	for i := range c.shards {
		var err error
		if c.shards[i], err = lru.New[Code, V]((n + i) / len(c.shards)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// scratch is what a code is made in.
type scratch struct{ in, out []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// code returns the code of a token.
func (c *Tokens[V]) code(token string) (code Code) {
	s := scratches.Get().(*scratch)
	if c.mac != nil {
		s.in = append(s.in[:0], token...)
		s.out = c.mac.Seal(s.out[:0], noNonce[:], nil, s.in)
		code = Code(s.out)
	} else {
		s.in = append(append(s.in[:0], c.key[:]...), token...)
		sum := sha256.Sum256(s.in)
		code = Code(sum[:len(code)])
	}
	scratches.Put(s)
	return code
}

// Get returns the code of a token, and its value if it has one.
func (c *Tokens[V]) Get(token string) (code Code, value V, ok bool) {
	code = c.code(token)
	i := c.shard(code)
	if value, ok = c.shards[i].Get(code); ok {
		c.counts[i].hits.Add(1)
	} else {
		c.counts[i].misses.Add(1)
	}
	return code, value, ok
}

// Add remembers a value by the code of its token.
func (c *Tokens[V]) Add(code Code, value V) { c.shards[c.shard(code)].Add(code, value) }

func (c *Tokens[V]) shard(code Code) int { return int(code[0]) % len(c.shards) }

// Stats returns how many tokens that were asked for had a value, and how many not.
func (c *Tokens[V]) Stats() (hits, misses uint64) {
	for i := range c.counts {
		hits += c.counts[i].hits.Load()
		misses += c.counts[i].misses.Load()
	}
	return hits, misses
}

// Values returns what is remembered.
func (c *Tokens[V]) Values() (values []V) {
	for _, s := range c.shards {
		values = append(values, s.Values()...)
	}
	return values
}
