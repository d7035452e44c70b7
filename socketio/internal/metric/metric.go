// Package metric has what the packages that measure share: names, and labels that
// are bounded in number.
package metric

import (
	"errors"
	"slices"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// The ways to present a token, and the outcomes of its verification.
const (
	ByHandshake = "handshake"
	ByEvent     = "event"
	ByRenewal   = "renewal"

	Accepted = "accepted"
	Refused  = "refused"
	Guest    = "guest"

	Disconnected = "disconnected" // the reason of a session that authorization did not end
	Other        = "other"        // a reason beyond those that have their own label
)

// By returns how the client presented a token.
func By(h *verifier.Handshake, old *verifier.Token) string {
	switch {
	case old != nil:
		return ByRenewal
	case h.InBand:
		return ByEvent
	}
	return ByHandshake
}

// Outcome returns whether the token was accepted or refused, or the client is a guest.
func Outcome(t *verifier.Token, err *verifier.UnauthorizedError) string {
	switch {
	case err != nil:
		return Refused
	case t != nil:
		return Accepted
	}
	return Guest
}

// maxReasons is how many reasons of an application's own have a label each: one
// that makes them up of what clients send does not fill the memory.
const maxReasons = 32

// known are the reasons that always have a label.
var known = []verifier.Reason{
	verifier.ErrTokenMissing, verifier.ErrTokenConflict, verifier.ErrTokenMalformed, verifier.ErrTokenTooLong,
	verifier.ErrAlgorithmNotAllowed, verifier.ErrSignatureInvalid, verifier.ErrKeyNotFound, verifier.ErrKeysUnavailable,
	verifier.ErrTypeMismatch, verifier.ErrTokenNotActive, verifier.ErrTokenExpired, verifier.ErrMaxAgeExceeded,
	verifier.ErrAudienceMismatch, verifier.ErrIssuerMismatch, verifier.ErrSubjectMismatch, verifier.ErrTokenIDMismatch,
	verifier.ErrNonceMismatch, verifier.ErrClaimInvalid, verifier.ErrClaimMismatch, verifier.ErrScopeMismatch,
	verifier.ErrTokenInactive, verifier.ErrTokenBound, verifier.ErrRejected, verifier.ErrLifetimeExceeded,
	socketio.ErrTimeout, socketio.ErrTooManyAttempts, socketio.ErrTooManyPending, socketio.ErrIdentityMismatch,
	socketio.ErrSessionExpired, socketio.ErrSessionLimit, socketio.ErrTokenRevoked, socketio.ErrRevocationsUnavailable,
	socketio.ErrKeyWithdrawn, socketio.ErrRestarting, socketio.ErrServer, socketio.ErrForbidden, socketio.ErrPresenceUnavailable,
	verifier.ErrHeaderMismatch, Disconnected,
}

// Reasons gives labels to reasons. Its zero value is ready for use.
type Reasons struct {
	mu   sync.Mutex // guards seen
	seen map[verifier.Reason]bool
}

// Of returns the label of a cause: "" of none.
func (r *Reasons) Of(cause error) string {
	var err *verifier.UnauthorizedError
	switch {
	case cause == nil:
		return ""
	case !errors.As(cause, &err):
		return Disconnected
	case err == nil:
		return ""
	case err.Reason == "":
		return string(verifier.ErrRejected)
	}
	return r.label(err.Reason)
}

func (r *Reasons) label(reason verifier.Reason) string {
	if slices.Contains(known, reason) {
		return string(reason)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.seen[reason] {
		if len(r.seen) == maxReasons {
			return Other
		}
		if r.seen == nil {
			r.seen = make(map[verifier.Reason]bool)
		}
		r.seen[reason] = true
	}
	return string(reason)
}

// Count is a count that something keeps by itself, as a part of its stats.
type Count[S any] struct {
	Name, Help string
	Of         func(S) uint64
}

// Keys are what a provider of package jwks counts.
var Keys = []Count[jwks.Stats]{
	{"key_fetches", "Attempts to load a key set.", func(s jwks.Stats) uint64 { return s.Fetches }},
	{"key_fetch_failures", "Attempts to load a key set that failed.", func(s jwks.Stats) uint64 { return s.Failures }},
	{"key_fetches_not_modified", "Attempts to load a key set that were answered not modified.", func(s jwks.Stats) uint64 { return s.NotModified }},
	{"key_rotations", "Loads that brought other keys than before.", func(s jwks.Stats) uint64 { return s.Rotations }},
	{"keys_skipped", "Keys of the loaded sets that could not be used.", func(s jwks.Stats) uint64 { return s.Skipped }},
	{"key_hits", "Tokens whose key was at hand.", func(s jwks.Stats) uint64 { return s.Hits }},
	{"key_stale_serves", "Tokens whose key was at hand, and beyond its TTL.", func(s jwks.Stats) uint64 { return s.StaleServes }},
	{"key_unknown_kids", "Tokens whose key was not at hand.", func(s jwks.Stats) uint64 { return s.UnknownKIDs }},
	{"key_unknown_kids_limited", "Tokens whose key was not at hand and not fetched, because of a limit.", func(s jwks.Stats) uint64 { return s.TooEarly }},
}

// Introspection is what a client of package introspection counts.
var Introspection = []Count[introspection.Stats]{
	{"introspection_requests", "Requests to the introspection endpoint.", func(s introspection.Stats) uint64 { return s.Requests }},
	{"introspection_failures", "Requests to the introspection endpoint that failed.", func(s introspection.Stats) uint64 { return s.Failures }},
	{"introspection_hits", "Tokens whose answer was at hand.", func(s introspection.Stats) uint64 { return s.Hits }},
	{"introspection_stale_serves", "Tokens that were answered beyond the TTL.", func(s introspection.Stats) uint64 { return s.StaleServes }},
}

// Cached is what a verifier's cache counts: see [verifier.Verifier.CacheStats].
var Cached = []Count[[2]uint64]{
	{"token_cache_hits", "Tokens that were remembered, and spared the signature.", func(s [2]uint64) uint64 { return s[0] }},
	{"token_cache_misses", "Tokens that were not remembered.", func(s [2]uint64) uint64 { return s[1] }},
}

// CacheStats is Verifier.CacheStats as one value.
func CacheStats(v *verifier.Verifier) func() [2]uint64 {
	return func() [2]uint64 {
		hits, misses := v.CacheStats()
		return [2]uint64{hits, misses}
	}
}

// Buckets are the upper bounds of durations, in seconds: from a token whose keys
// are at hand to one that waits for the network without an answer.
var Buckets = []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}
