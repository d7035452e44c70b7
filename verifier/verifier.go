package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
)

// Verifier verifies tokens: see the package comment. Its zero value is not
// usable, [New] makes one. It is safe for concurrent use.
type Verifier struct {
	keys         KeyProvider
	introspector Introspector // of NewOpaque
	config
	// headers remembers decoded headers: an issuer sends the same segment again and
	// again, and to read it costs as much as to allocate the token. Only headers whose
	// signature held come in, so that who has no key can neither fill it nor push
	// anything out.
	headers *cache.Slots[Header]
}

// New makes a verifier of signed tokens from a key provider and options. It returns an error for an
// invalid option, and for options that contradict each other.
//
// Without options, a token must be signed by one of the keys, and now must be within its exp and nbf
// if it has them. Most servers also need [Audience] and [Issuer].
func New(keys KeyProvider, options ...Option) (*Verifier, error) {
	if isNil(keys) {
		return nil, errors.New("verifier: New: the key provider is nil")
	}
	v, err := compose(options)
	if err != nil {
		return nil, err
	}
	if err := v.checkKeys(keys); err != nil {
		return nil, err
	}
	v.keys = keys
	v.refusedKinds = kindRefresh
	if v.refuseID {
		v.refusedKinds = anotherKind | shapeOfIDToken
	}
	if v.ignoreUse {
		v.refusedKinds = 0
	}
	return v, nil
}

// TokenLimit returns the length in bytes of the longest token that is read: see
// [MaxTokenLength]. A server must let messages of that size in.
func (v *Verifier) TokenLimit() int { return v.maxLength }

// compose makes the part of a verifier that does not depend on where its claims
// come from.
func compose(options []Option) (*Verifier, error) {
	v := &Verifier{
		config: config{
			extractor:  DefaultExtractor(),
			algorithms: allAlgorithms,
			now:        time.Now,
			maxLength:  DefaultMaxTokenLength,
			skew:       DefaultClockTolerance,
		},
		headers: cache.NewSlots[Header](),
	}
	for _, option := range options {
		if option == nil {
			return nil, errors.New("verifier: New: an option is nil")
		}
		if err := option(&v.config); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(v.validators, func(a, b ClaimValidator) int { return rank(a) - rank(b) })
	if v.profile && (v.issuer == nil || v.audience == nil) {
		return nil, errors.New("verifier: AccessTokenProfile needs Issuer and Audience too (RFC 9068 §4)")
	}
	return v, v.contradiction()
}

// checkKeys refuses keys that Algorithms leaves nothing to verify, where the
// provider has a list of all its keys, as that of package keys has.
func (c *config) checkKeys(provider KeyProvider) error {
	set, ok := provider.(interface{ All() []*Key })
	if !ok {
		return nil
	}
	var fits algorithmSet
	for _, k := range set.All() {
		if k != nil {
			fits |= k.allowed
		}
	}
	if fits&c.algorithms == 0 {
		return fmt.Errorf("verifier: New: Algorithms allows %s, but the keys are for %s: no token could be accepted", names(c.algorithms), cmp.Or(names(fits), "none"))
	}
	return nil
}

// contradiction reports options of which one undoes the other.
func (c *config) contradiction() error {
	switch {
	case c.ignoreUse && c.refuseID:
		return errors.New("verifier: RefuseIDTokens and IgnoreTokenUse contradict each other: give one of them")
	case c.ignoreCnf && len(c.confirmed) > 0:
		return errors.New("verifier: IgnoreConfirmation contradicts a validator that confirms who holds the token: leave one out")
	case len(c.prefixes) > 0 && !c.opaque:
		return errors.New("verifier: TokenPrefix is about opaque tokens: leave it out of New")
	case c.ignoreExpiry && c.maxLifetime != 0:
		return errors.New("verifier: IgnoreExpiration contradicts MaxLifetime: leave one out")
	}
	for i, member := range c.confirmed {
		if slices.Contains(c.confirmed[:i], member) {
			return fmt.Errorf("verifier: two validators confirm the cnf %s: the second would take the proof for used", member)
		}
	}
	return nil
}

// errUnbuilt is the cause where a Verifier is used that New did not make.
var errUnbuilt = errors.New("verifier: the Verifier is nil or not made by New or NewOpaque")

// Authenticate finds the token in the handshake and verifies it. A handshake
// without one is refused with the code credentials_required. The error is
// always an [*UnauthorizedError], also where a function of the application's
// panics ([ErrServer]).
func (v *Verifier) Authenticate(ctx context.Context, h *Handshake) (token *Token, err error) {
	defer recovered(&err)
	if v == nil || v.extractor == nil {
		return nil, AsUnauthorized(errUnbuilt)
	}
	if h == nil {
		h = &Handshake{}
	}
	raw, err := v.extractor.Extract(ctx, h)
	if err != nil {
		return nil, AsUnauthorized(err)
	}
	if raw == "" {
		return nil, &UnauthorizedError{Code: CodeCredentialsRequired, Message: "no token provided", Reason: ErrTokenMissing}
	}
	return v.verify(ctx, raw, h)
}

// Verify verifies a raw token in the compact serialization, outside of any
// handshake. The error is always an [*UnauthorizedError], also where a function
// of the application's panics ([ErrServer]).
func (v *Verifier) Verify(ctx context.Context, raw string) (token *Token, err error) {
	defer recovered(&err)
	if v == nil || v.extractor == nil {
		return nil, AsUnauthorized(errUnbuilt)
	}
	return v.verify(ctx, raw, noHandshake)
}
