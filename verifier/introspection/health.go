package introspection

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A failure is first of all the one token's: it is not asked for again until its
// own pause is over, and everybody else's tokens are. That the endpoint is down is
// concluded only when several different tokens have failed and none was answered
// for a while. Then some tokens a second are tried nevertheless, so that anyone
// who presents tokens that the endpoint fails for does not shut out the others.

// failure is that the endpoint could not be asked for one token.
type failure struct {
	count int // in a row
	until time.Time
}

// next is the failure after f: its pause is twice as long, and half of it jitter.
func (f failure) next(now time.Time) failure {
	d := min(minPause<<min(f.count, 10), maxPause)
	return failure{f.count + 1, now.Add(d/2 + rand.N(d/2))}
}

// health is what is known of the endpoint. The client's mu guards it.
type health struct {
	suspects []tokenHash // different tokens that failed since the last answer
	answered time.Time   // when a token was answered last
	tick     time.Time   // when the second began in which tries were made
	tries    int
}

// good notes that a token was answered.
func (h *health) good(now time.Time) { h.suspects, h.answered = h.suspects[:0], now }

// bad notes that the endpoint could not be asked for a token, and reports whether
// it is taken to be down from now on.
func (h *health) bad(hash tokenHash, now time.Time) (down bool) {
	before := h.down(now)
	if len(h.suspects) < sharedFailures && !slices.Contains(h.suspects, hash) {
		h.suspects = append(h.suspects, hash)
	}
	return !before && h.down(now)
}

func (h *health) down(now time.Time) bool {
	since := now.Sub(h.answered)
	return len(h.suspects) >= sharedFailures && (since < 0 || since >= trust)
}

// mayTry reports whether another token may be asked for.
func (h *health) mayTry(now time.Time) bool {
	if !h.down(now) {
		return true
	}
	if since := now.Sub(h.tick); since < 0 || since >= time.Second {
		h.tick, h.tries = now, 0
	}
	h.tries++
	return h.tries <= maxTries
}
