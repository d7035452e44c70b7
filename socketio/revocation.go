package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

	// IssuedBefore spares tokens that were issued (iat) at that time or later:
	// a user who logs in anew is accepted. A token that does not tell is not
	// spared. Zero spares none. Mind that iat is in whole seconds.
	//
	// An iat that lies ahead is not proof: a session that began before that time is
	// not spared whatever its token's iat, and a token that claims to be issued more
	// than a second from now is refused until then ([verifier.UnauthorizedError]
	// says that it may be tried again).
	IssuedBefore time.Time `json:"before,omitzero"`

	// WithoutSessionID narrows the revocation to tokens that have no sid.
	WithoutSessionID bool `json:"nosid,omitempty"`

	// Expires is when the revocation may be forgotten, since the tokens it is
	// about have expired by then. [DefaultRevocationTTL] from now if zero.
	Expires time.Time `json:"exp"`

	// Withdrawn marks the opposite of a revocation: every revocation of exactly
	// these claims that expires at Expires or earlier no longer counts.
	// [Registry.Unrevoke] sets it, and stores carry it like any other field.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

var (
	errRevoked = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt revoked", Reason: ErrTokenRevoked,
	}
	// errRevokedAhead is for a token whose iat lies ahead: it may be a new one of an
	// issuer whose clock is fast.
	errRevokedAhead = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt revoked", Reason: ErrTokenRevoked, Retryable: true,
	}
)

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

// names reports whether a token has the claims that the revocation names.
func (r Revocation) names(t *verifier.Token) bool {
	return (r.Issuer == "" || r.Issuer == t.Issuer) && (r.Subject == "" || r.Subject == t.Subject) &&
		(r.SessionID == "" || r.SessionID == t.SessionID) && (r.TokenID == "" || r.TokenID == t.ID) &&
		(!r.WithoutSessionID || t.SessionID == "")
}

// aheadTolerance is how far ahead an iat may lie before it is no longer believed.
const aheadTolerance = time.Second

// coverage is whether a revocation is about a token, and why.
type coverage int

const (
	spared    coverage = iota // it is not
	covered                   // it is
	ahead                     // it is until its iat has passed, which nobody can believe yet
	longSince                 // it is, for the session is older than the token claims to be
)

// match reports whether the revocation is about a token: now, and for that of a live
// session since when it is here, by the monotonic clock.
func (r Revocation) match(t *verifier.Token, now, here time.Time) coverage {
	switch {
	case !r.names(t):
		return spared
	case r.IssuedBefore.IsZero() || t.IssuedAt.Before(r.IssuedBefore): // no iat is the zero time
		return covered
	case !here.IsZero() && now.Add(-time.Since(here)).Before(r.IssuedBefore):
		return longSince
	case t.IssuedAt.After(now.Add(aheadTolerance)):
		return ahead
	}
	return spared
}

// keepOut returns a revocation that refuses the token of a session that ended although
// its iat would spare it: by its jti, or else with what was issued by then. The clock
// is its issuer's, so that the next login is spared.
func (r Revocation) keepOut(t *verifier.Token) Revocation {
	if t.ID != "" {
		return Revocation{Issuer: t.Issuer, TokenID: t.ID, Expires: r.Expires}
	}
	r.Issuer, r.IssuedBefore = t.Issuer, t.IssuedAt.Add(1).UTC().Round(0)
	return r
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
	return r.filter() == other.filter() && !r.Expires.Before(other.Expires) && (!r.WithoutSessionID || other.WithoutSessionID) &&
		(r.IssuedBefore.IsZero() || !other.IssuedBefore.IsZero() && !r.IssuedBefore.Before(other.IssuedBefore))
}

// maxRevocationSize bounds the JSON of a revocation, in bytes.
const maxRevocationSize = 64 << 10

// checkStorable returns an error if a revocation would not come back from a
// store as it is: a year beyond 9999, or bytes that are not UTF-8.
func (r Revocation) checkStorable() error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("the revocation has no JSON form: %w", err)
	}
	if len(b) > maxRevocationSize {
		return fmt.Errorf("the revocation has %d bytes as JSON: expected at most %d", len(b), maxRevocationSize)
	}
	var back Revocation
	if err := json.Unmarshal(b, &back); err != nil {
		return fmt.Errorf("the JSON form of the revocation cannot be read: %w", err)
	}
	if back.stored() != r {
		return errors.New("the revocation changes when it is stored: expected claims in valid UTF-8")
	}
	return nil
}

// stored returns the revocation as a store returns it: times in UTC without a
// monotonic clock reading, so that equal ones compare equal.
func (r Revocation) stored() Revocation {
	r.Expires, r.IssuedBefore = r.Expires.UTC().Round(0), r.IssuedBefore.UTC().Round(0)
	return r
}

// Revoke refuses the tokens from now on and ends their sessions: at once in this
// process, and in the processes that share the Store as soon as they hear of it.
//
// An error before the revocation takes effect says what is wrong with it. If the
// Store cannot be reached, the error says so, the revocation holds in this process,
// and the registry puts it into the Store as soon as that succeeds: until then
// [Registry.Err] is not nil.
func (r *Registry) Revoke(ctx context.Context, v Revocation) error {
	if v.Withdrawn {
		return errors.New("socketio: Revoke: Withdrawn is set: use Unrevoke to take a revocation back")
	}
	if v.key().by == byAll {
		return errors.New("socketio: Revoke: a revocation must name an issuer, subject, sid or jti")
	}
	now := time.Now()
	r.mu.Lock()
	if v.Expires.IsZero() {
		v.Expires = now.Add(max(0, r.skew) + DefaultRevocationTTL)
	}
	expired := !v.Expires.After(r.now())
	v = r.outlast(v.stored())
	r.mu.Unlock()
	if expired {
		return fmt.Errorf("socketio: Revoke: the revocation expired at %v", v.Expires)
	}
	if err := v.checkStorable(); err != nil {
		return fmt.Errorf("socketio: Revoke: %w", err)
	}
	r.apply(v)
	return r.share(ctx, "Revoke", v)
}

// Unrevoke takes back the revocations of exactly the claims that v names, in all
// processes that share the Store. The other fields of v are ignored. Sessions that
// have ended stay ended. It returns an error if there is no such revocation, and
// the errors of Revoke if the Store cannot be reached.
func (r *Registry) Unrevoke(ctx context.Context, v Revocation) error {
	withdrawal := v
	withdrawal.IssuedBefore, withdrawal.Withdrawn, withdrawal.Expires = time.Time{}, true, time.Time{}
	r.mu.Lock()
	for _, old := range r.revoked[v.key()] {
		if !old.Withdrawn && old.filter() == v.filter() && old.Expires.After(withdrawal.Expires) {
			withdrawal.Expires = old.Expires
		}
	}
	behind := r.behind.why
	r.mu.Unlock()
	if withdrawal.Expires.IsZero() {
		if behind != nil {
			return fmt.Errorf("socketio: Unrevoke: no revocation of these claims is known in this process: %w", behind)
		}
		return errors.New("socketio: Unrevoke: no revocation names exactly these claims")
	}
	r.apply(withdrawal)
	return r.share(ctx, "Unrevoke", withdrawal)
}

// share puts a revocation into the Store. One that is not stored is kept for the
// next attempt.
func (r *Registry) share(ctx context.Context, who string, v Revocation) error {
	if r.store == nil {
		return nil
	}
	if !v.Withdrawn {
		r.mu.Lock()
		r.made[v] = struct{}{}
		r.mu.Unlock()
	}
	if err := r.put(ctx, v); err != nil {
		r.postpone(err, v)
		return fmt.Errorf("socketio: %s: the change holds in this process only, until the store is back: %w", who, err)
	}
	r.mu.Lock()
	r.putDone(v)
	r.mu.Unlock()
	return nil
}
