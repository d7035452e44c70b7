package socketio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// DefaultRevocationTTL is how long a revocation is kept that does not say when
// it expires.
const DefaultRevocationTTL = 24 * time.Hour

// Revocation says which tokens are not good any more: those whose claims are all
// the given ones. At least one of the first four fields must be set.
type Revocation struct {
	Issuer    string `json:"iss,omitempty"` // with another field, narrows it to the issuer
	Subject   string `json:"sub,omitempty"` // the user
	SessionID string `json:"sid,omitempty"` // the issuer's session
	TokenID   string `json:"jti,omitempty"` // the one token

	// IssuedBefore spares tokens that were issued (iat) at that time or
	// later: a user who logs in anew is let in. A token that does not tell
	// is not spared. Zero spares none. Mind that iat is in whole seconds.
	IssuedBefore time.Time `json:"before,omitzero"`

	// Expires is when the revocation may be forgotten, since the tokens it is
	// about have expired by then. [DefaultRevocationTTL] from now if zero.
	Expires time.Time `json:"exp"`
}

// RevocationStore shares revocations between processes. An implementation must
// be safe for concurrent use. Package redisstore has one.
type RevocationStore interface {
	// Put stores a revocation until it expires, and has all who follow told of
	// it. One that is there already is stored again, and does no harm.
	Put(ctx context.Context, r Revocation) error

	// Follow calls apply for every revocation in the store, then calls synced
	// once, and from then on apply for every one that is put: none that was
	// put before Follow returns may be missed, some may come twice. It returns
	// when ctx ends, and with an error when it cannot tell any more: when the
	// link to the store is lost. It is then called again.
	Follow(ctx context.Context, apply func(Revocation), synced func()) error
}

var (
	errNotYet  = errors.New("socketio: the revocation store has not yet answered")
	errStopped = errors.New("socketio: the registry is closed")

	errRevoked = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt revoked", Reason: ErrTokenRevoked,
	}
)

func unavailable(cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: "try again later", Reason: ErrRevocationsUnavailable, Retryable: true, Err: cause,
	}
}

// indexed is the most telling of the claims that a revocation names.
type indexed struct {
	by   int
	name string
}

func (r Revocation) filter() Filter {
	return Filter{Issuer: r.Issuer, Subject: r.Subject, SessionID: r.SessionID, TokenID: r.TokenID}
}

func (r Revocation) key() indexed {
	by, name := r.filter().ring()
	return indexed{by, name}
}

func (r Revocation) match(t *verifier.Token) bool {
	return (r.Issuer == "" || r.Issuer == t.Issuer) && (r.Subject == "" || r.Subject == t.Subject) &&
		(r.SessionID == "" || r.SessionID == t.SessionID) && (r.TokenID == "" || r.TokenID == t.ID) &&
		(r.IssuedBefore.IsZero() || t.IssuedAt.Before(r.IssuedBefore)) // no iat is the zero time
}

// named returns the names of the claims that the revocation is by.
func (r Revocation) named() string {
	var names []string
	for _, c := range []struct{ name, value string }{{"iss", r.Issuer}, {"sub", r.Subject}, {"sid", r.SessionID}, {"jti", r.TokenID}} {
		if c.value != "" {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ",")
}

// covers reports whether r makes other superfluous.
func (r Revocation) covers(other Revocation) bool {
	return r.filter() == other.filter() && !r.Expires.Before(other.Expires) &&
		(r.IssuedBefore.IsZero() || !other.IssuedBefore.IsZero() && !r.IssuedBefore.Before(other.IssuedBefore))
}

// Revoke refuses the tokens from now on, and ends the sessions that have them,
// here at once and in the processes that share the Store as soon as they hear of
// it. The error says that the revocation makes no sense, or that the Store could
// not be reached: it then holds here, and is put into the Store when that is
// back.
func (r *Registry) Revoke(ctx context.Context, v Revocation) error {
	if v.key().by == byAll {
		return errors.New("socketio: Revoke: a revocation must name an issuer, subject, sid or jti")
	}
	now := time.Now()
	if v.Expires.IsZero() {
		v.Expires = now.Add(DefaultRevocationTTL)
	}
	if !v.Expires.After(now) {
		return fmt.Errorf("socketio: Revoke: the revocation expired at %v", v.Expires)
	}
	r.apply(v)
	if r.store != nil {
		if err := r.store.Put(ctx, v); err != nil {
			return fmt.Errorf("socketio: Revoke: the revocation holds in this process only, until the store is back: %w", err)
		}
	}
	return nil
}

// apply takes note of a revocation and ends the sessions it is about.
func (r *Registry) apply(v Revocation) {
	// As a store returns them: without a monotonic clock.
	v.Expires, v.IssuedBefore = v.Expires.UTC().Round(0), v.IssuedBefore.UTC().Round(0)
	now := time.Now()
	if v.key().by == byAll || !v.Expires.After(now) {
		return
	}
	var his []*Session
	r.mu.Lock()
	r.remember(v, now)
	for _, s := range r.find(v.filter()) {
		if v.match(s.Token()) {
			his = append(his, s)
		}
	}
	r.mu.Unlock()
	r.logger.Debug("socketio: revoked", "by", v.named(), "sessions", len(his))
	for _, s := range his {
		// A renewal may just have replaced the token.
		s.guard.kickIf(errRevoked, func() bool { return v.match(s.Token()) })
	}
}

// minPrune is how many revocations are kept without a look at whether they have
// expired.
const minPrune = 1024

// remember adds a revocation to the list. The caller holds mu.
func (r *Registry) remember(v Revocation, now time.Time) {
	key := v.key()
	kept := r.revoked[key][:0]
	for _, old := range r.revoked[key] {
		if old.covers(v) {
			return
		}
		if !v.covers(old) {
			kept = append(kept, old)
		}
	}
	r.entries += len(kept) + 1 - len(r.revoked[key])
	r.revoked[key] = append(kept, v)
	if r.entries < r.prune {
		return
	}
	// Expired ones cost memory only, so that they are dropped when there may be
	// as many as live ones.
	r.entries = 0
	for key, list := range r.revoked {
		kept := list[:0]
		for _, old := range list {
			if old.Expires.After(now) {
				kept = append(kept, old)
			}
		}
		if r.revoked[key] = kept; len(kept) == 0 {
			delete(r.revoked, key)
		}
		r.entries += len(kept)
	}
	r.prune = max(minPrune, 2*r.entries)
}

// isRevoked reports whether a token is revoked. The caller holds mu.
func (r *Registry) isRevoked(t *verifier.Token, now time.Time) bool {
	if r.entries == 0 {
		return false
	}
	for by, name := range names(t) {
		if name == "" {
			continue
		}
		for _, v := range r.revoked[indexed{by, name}] {
			if v.Expires.After(now) && v.match(t) {
				return true
			}
		}
	}
	return false
}

// Revocations returns how many revocations are kept: those that have not expired,
// and some that have.
func (r *Registry) Revocations() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries
}

// Err tells why revocations made elsewhere may not be known here: nil while the
// Store is followed, and without one.
func (r *Registry) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind
}

// The pauses between attempts to reach the store.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

// follow keeps the list as the store has it, until ctx ends.
func (r *Registry) follow(ctx context.Context) {
	pause := minRetry
	for {
		there := make(map[Revocation]struct{})
		syncing := true
		err := r.store.Follow(ctx, func(v Revocation) {
			r.apply(v)
			if syncing {
				v.Expires, v.IssuedBefore = v.Expires.UTC().Round(0), v.IssuedBefore.UTC().Round(0)
				there[v] = struct{}{}
			}
		}, func() {
			syncing, pause = false, minRetry
			r.found()
			r.tasks.Go(func() { r.putMissing(ctx, there) })
		})
		if ctx.Err() != nil {
			r.mu.Lock()
			r.behind = errStopped
			r.mu.Unlock()
			return
		}
		if err == nil {
			err = errors.New("socketio: the revocation store stopped telling")
		}
		r.lost(err)
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)): // not all processes at once
		case <-ctx.Done():
		}
		pause = min(2*pause, maxRetry)
	}
}

// found and lost note whether the store is followed, and report the change.
func (r *Registry) found() {
	r.mu.Lock()
	was := r.behind
	r.behind = nil
	r.mu.Unlock()
	if was != nil && was != errNotYet {
		r.logger.Info("socketio: the revocation store is back")
	}
}

func (r *Registry) lost(err error) {
	r.mu.Lock()
	was := r.behind
	r.behind = err
	r.mu.Unlock()
	if was == nil || was == errNotYet {
		policy := "new sessions and renewals are refused until it is back"
		if r.failOpen {
			policy = "new sessions and renewals are accepted, whatever was revoked elsewhere"
		}
		r.logger.Error("socketio: the revocation store is out of reach: "+policy, "error", err)
	}
}

// putMissing puts into the store what it does not have: what was revoked here
// while it was out of reach, and what it lost.
func (r *Registry) putMissing(ctx context.Context, there map[Revocation]struct{}) {
	var missing []Revocation
	now := time.Now()
	r.mu.Lock()
	for _, list := range r.revoked {
		for _, v := range list {
			if _, ok := there[v]; !ok && v.Expires.After(now) {
				missing = append(missing, v)
			}
		}
	}
	r.mu.Unlock()
	for _, v := range missing {
		if err := r.store.Put(ctx, v); err != nil {
			r.logger.Debug("socketio: a revocation was not put into the store: it will be when that is back", "error", err)
			return // the link is lost again, and Follow will say so
		}
	}
}
