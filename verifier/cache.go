package verifier

import (
	"fmt"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
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
// What is remembered is what the token says, under a code of the whole token that only this
// verifier can make: neither the token nor its signature, so that no token can be recovered
// from the cache. It does keep claims in memory, some 700 bytes of a usual token and at most
// twice [MaxTokenLength], until n others have come. A token that does not come again costs a
// third of a microsecond more.
func CacheVerified(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("verifier: CacheVerified is %d: expected a positive number of tokens", n)
		}
		tokens, err := cache.NewTokens[*verifiedToken](n)
		if err != nil {
			return fmt.Errorf("verifier: CacheVerified: %w", err)
		}
		c.verified = tokens
		return c.once("CacheVerified")
	}
}

// CacheStats returns how many tokens so far were among those that [CacheVerified]
// remembers, and how many were not. Both are zero without that option.
func (v *Verifier) CacheStats() (hits, misses uint64) {
	if v.verified == nil {
		return 0, 0
	}
	return v.verified.Stats()
}

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

// remember keeps an accepted token.
func (v *Verifier) remember(code cache.Code, t *Token, claims claims) {
	entry := &verifiedToken{*t, claims}
	entry.token.raw = ""
	entry.token.ownAudience()
	v.verified.Add(code, entry)
}
