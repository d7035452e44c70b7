package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Introspector tells what an opaque token stands for, as a token introspection endpoint does
// (RFC 7662). The one of package introspection asks such an endpoint.
//
// Introspect returns the answer for a token: a JSON object with the member active and, if the
// token is active, its claims (RFC 7662 §2.2). The token is refused ([ErrTokenInactive]) unless
// active is true. Introspect can also return an [*UnauthorizedError], such as that of [Inactive],
// which refuses the token. Any other error means that the answer could not be fetched: it becomes
// [ErrKeysUnavailable], which is retryable. Introspect is called from many goroutines at once.
type Introspector interface {
	Introspect(ctx context.Context, token string) (claims []byte, err error)
}

// IntrospectorFunc makes a function an [Introspector].
type IntrospectorFunc func(ctx context.Context, token string) ([]byte, error)

// Introspect calls f.
func (f IntrospectorFunc) Introspect(ctx context.Context, token string) ([]byte, error) {
	return f(ctx, token)
}

// Inactive returns the refusal of a token that is not active. The cause, which
// may be nil, is for the server's log.
func Inactive(cause error) *UnauthorizedError {
	return refuse(ErrTokenInactive, "token inactive", cause)
}

// NewOpaque makes a verifier of opaque tokens: those that are not JWTs, or whose content must not
// be trusted without asking. The introspector says what they claim. Extraction, and every check of
// the claims, are those of [New]. The tokens have no [Token.Key], and their Header is empty. It
// returns an error for an invalid option, and for options about a signature or a header.
func NewOpaque(introspector Introspector, options ...Option) (*Verifier, error) {
	if isNil(introspector) {
		return nil, errors.New("verifier: NewOpaque: the introspector is nil")
	}
	v, err := compose(append(slices.Clip(options), func(c *config) error { c.opaque = true; return nil }))
	if err != nil {
		return nil, err
	}
	if v.types != nil || v.algorithms != allAlgorithms || v.verified != nil || v.aboutHeader || v.allowPadding {
		return nil, errors.New("verifier: NewOpaque: Type, AccessTokenProfile, Algorithms, CacheVerified, HeaderEquals and AllowPadding are about JWTs: leave them out")
	}
	v.introspector = introspector
	v.refusedKinds = anotherKind
	if v.refuseID {
		v.refusedKinds |= shapeOfIDToken
	}
	if v.ignoreUse {
		v.refusedKinds = 0
	}
	return v, nil
}

// verifyOpaque is verify for tokens whose claims the introspector knows.
func (v *Verifier) verifyOpaque(ctx context.Context, raw string, h *Handshake) (*Token, error) {
	if raw == "" {
		return nil, refuse(ErrTokenMissing, "jwt must be provided", nil)
	}
	if len(raw) > v.maxLength {
		return nil, refuse(ErrTokenTooLong, "jwt malformed", lengthError{len(raw), v.maxLength})
	}
	if !printable(raw) {
		return nil, refuse(ErrTokenMalformed, "invalid token", errVSCHAR)
	}
	if len(v.prefixes) > 0 && !slices.ContainsFunc(v.prefixes, func(p string) bool { return strings.HasPrefix(raw, p) }) {
		return nil, refuse(ErrTypeMismatch, "not an access token", errPrefix)
	}
	claims, err := v.introspector.Introspect(ctx, raw)
	if err != nil {
		return nil, keyError(err)
	}
	t := &Token{raw: raw, payload: string(claims)}
	c, err := v.read(t)
	if err != nil {
		return nil, err
	}
	if active, _ := t.claim("active"); active != "true" {
		return nil, Inactive(fmt.Errorf("active is %.20q, not true (RFC 7662 §2.2)", active))
	}
	if err := v.check(ctx, t, &c, h); err != nil {
		return nil, err
	}
	if t.ExpiresAt.IsZero() && !v.ignoreExpiry {
		t.until = v.now().Add(min(cmp.Or(v.maxLifetime, DefaultOpaqueLifetime), maxOpaqueLifetime)).UnixNano()
	}
	return t, nil
}

// maxOpaqueLifetime is the longest time to an expiry: a later one counts as none.
const maxOpaqueLifetime = 100 * 365 * 24 * time.Hour

var errPrefix = errors.New("the token has none of the prefixes of TokenPrefix")

// TokenPrefix refuses opaque tokens that begin with none of the prefixes ([ErrTypeMismatch]),
// without a call of the [Introspector]. It is for issuers that give each kind of token a prefix,
// such as "ory_at_" for the access tokens of Ory Hydra, and "ory_rt_" for its refresh tokens.
func TokenPrefix(prefixes ...string) Option {
	return func(c *config) error {
		if err := nonEmpty("TokenPrefix", prefixes); err != nil {
			return err
		}
		c.prefixes = slices.Clone(prefixes)
		return c.once("TokenPrefix")
	}
}

var errVSCHAR = errors.New("a token is 1*VSCHAR (RFC 6749 §A.12)")

// printable reports whether a token consists only of VSCHAR. Nobody is asked about
// any other: clients must not be able to try what an introspector does with control
// characters.
func printable(token string) bool {
	for i := range len(token) {
		if token[i] < ' ' || token[i] > '~' {
			return false
		}
	}
	return true
}
