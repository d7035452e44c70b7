package verifier

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// CacheVerified remembers the last n tokens that were accepted and spares the
// signature of those that come again, as all of them do when a server restarts
// its clients' connections. It is off by default.
//
// A token that is remembered is not trusted for that: its key is asked for again
// and must still be among those that may verify it, and its time, its claims and
// every validator are checked again, so that a withdrawn key, an expiry or a
// revocation counts at once.
//
// What is remembered is what the token says, under a code of the whole token that
// only this verifier can make: neither the token nor its signature, so that no
// token can be had from the cache. It does keep claims in memory, some 700 bytes of a usual token
// and at most twice [MaxTokenLength], until n others have come. A token that
// does not come again costs a third of a microsecond more.
func CacheVerified(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("verifier: CacheVerified is %d: expected a positive number of tokens", n)
		}
		cache, err := newVerifiedCache(n)
		c.verified = cache
		return errors.Join(err, c.once("CacheVerified"))
	}
}

// verifiedCache holds tokens that were accepted. It is cut into shards, each
// with a lock of its own, that cores may not wait for each other.
type verifiedCache struct {
	mac    cipher.AEAD // see code; nil where that is not to be had
	key    [32]byte    // random
	shards []*lru.Cache[cacheKey, *verifiedToken]
	counts []cacheCount // of the shards
}

// cacheCount stands apart from its neighbours, as the shards do.
type cacheCount struct {
	hits, misses atomic.Uint64
	_            [48]byte
}

// CacheStats returns how many tokens so far were among those that [CacheVerified]
// remembers, and how many were not. Both are zero without that option.
func (v *Verifier) CacheStats() (hits, misses uint64) {
	if v.verified != nil {
		for i := range v.verified.counts {
			hits += v.verified.counts[i].hits.Load()
			misses += v.verified.counts[i].misses.Load()
		}
	}
	return hits, misses
}

// cacheKey is a code of the whole token: see code.
type cacheKey [16]byte

// ownAudience makes the list of a copied token its own.
func (t *Token) ownAudience() {
	if len(t.Audience) == 1 {
		t.one[0] = t.Audience[0]
		t.Audience = t.one[:]
	} else {
		t.Audience = slices.Clone(t.Audience)
	}
}

// verifiedToken is a token and what its checks need, without Token.raw.
type verifiedToken struct {
	token  Token
	claims claims
}

func newVerifiedCache(n int) (*verifiedCache, error) {
	c := &verifiedCache{shards: make([]*lru.Cache[cacheKey, *verifiedToken], min(16, n))}
	c.counts = make([]cacheCount, len(c.shards))
	rand.Read(c.key[:])
	if block, err := aes.NewCipher(c.key[:]); err == nil {
		c.mac, _ = cipher.NewGCM(block) // it fails under GODEBUG=fips140=only
	}
	for i := range c.shards {
		var err error
		if c.shards[i], err = lru.New[cacheKey, *verifiedToken]((n + i) / len(c.shards)); err != nil {
			return nil, fmt.Errorf("verifier: CacheVerified: %w", err)
		}
	}
	return c, nil
}

// noNonce is the nonce of every code.
var noNonce [12]byte

// code returns the code under which a token is remembered: GMAC with a random key
// (NIST SP 800-38D), in a third of the time of SHA-256. Its strength here is that of
// the universal hash in it: whatever two tokens somebody writes, the random key has
// them share a code with a probability below 2^-110. That one nonce serves for all
// would help only who sees codes, and none leaves this cache.
func (c *verifiedCache) code(raw string) (key cacheKey) {
	s := scratches.Get().(*scratch)
	if c.mac != nil {
		s.input = append(s.input[:0], raw...)
		s.decoded = c.mac.Seal(s.decoded[:0], noNonce[:], nil, s.input)
		key = cacheKey(s.decoded)
	} else {
		s.input = append(append(s.input[:0], c.key[:]...), raw...)
		sum := sha256.Sum256(s.input)
		key = cacheKey(sum[:len(key)])
	}
	scratches.Put(s)
	return key
}

// get returns the key of a token, and its entry if it has one.
func (c *verifiedCache) get(raw string) (cacheKey, *verifiedToken) {
	key := c.code(raw)
	i := c.shard(key)
	known, ok := c.shards[i].Get(key)
	if ok {
		c.counts[i].hits.Add(1)
	} else {
		c.counts[i].misses.Add(1)
	}
	return key, known
}

func (c *verifiedCache) add(key cacheKey, t *Token, claims claims) {
	entry := &verifiedToken{*t, claims}
	entry.token.raw = ""
	entry.token.ownAudience()
	c.shards[c.shard(key)].Add(key, entry)
}

func (c *verifiedCache) shard(key cacheKey) int { return int(key[0]) % len(c.shards) }
