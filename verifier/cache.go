package verifier

import (
	"fmt"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
)

// CacheVerified remembers the last n tokens that were accepted. When one of them comes again, its
// signature is not checked a second time. After a restart of the server, for example, all clients
// present their tokens again. By default nothing is remembered.
//
// Everything else is checked again each time: the key provider is asked, and must still return
// the key that verified the token; the claims are checked against the time; and all validators
// run. A withdrawn key, an expiry or a revocation therefore takes effect at once.
//
// The cache holds neither tokens nor signatures. It finds a token by a code of all its bytes,
// made with a random key, so no token can be recovered from it. It does hold claims in memory
// until n other tokens have come: about 700 bytes for a usual token, and at most twice
// [MaxTokenLength]. A token that is not in the cache costs a third of a microsecond more.
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

// CacheStats returns how many tokens [CacheVerified] had remembered when they came (hits), and how
// many it had not (misses), since the verifier was made. Both are 0 without that option.
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
	token   Token
	claims  claims
	content content // of the token, for providers
}

// remember keeps an accepted token.
func (v *Verifier) remember(code cache.Code, t *Token, claims claims) {
	entry := &verifiedToken{token: *t, claims: claims, content: content{text: t.payload}}
	entry.token.raw = ""
	entry.token.ownAudience()
	v.verified.Add(code, entry)
}
