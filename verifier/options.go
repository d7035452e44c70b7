package verifier

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/once"
)

// DefaultMaxTokenLength is the default of [MaxTokenLength]: 16 KiB.
const DefaultMaxTokenLength = 16 << 10

// An Option configures a [Verifier]. [New] returns an error for an invalid option.
type Option func(*config) error

type config struct {
	extractor       Extractor
	algorithms      algorithmSet
	types           []string // that typ may have, "" for none; nil for the default
	profile         bool     // RFC 9068
	confirmed       []string // the members of cnf that a validator confirms
	allowPadding    bool
	aboutHeader     bool     // an option looks at the header
	opaque          bool     // of NewOpaque
	prefixes        []string // of opaque tokens
	ignoreCnf       bool
	refusedKinds    kinds
	refuseID        bool
	ignoreUse       bool
	audience        *matcher
	issuer          *matcher
	subject         *string
	id              *string
	nonce           *string
	maxAge          time.Duration
	tolerance       time.Duration // of exp, and of the end of maxAge
	skew            time.Duration // of nbf, and of an iat ahead
	maxLifetime     time.Duration
	now             func() time.Time
	ignoreExpiry    bool
	ignoreNotBefore bool
	maxLength       int
	validators      []ClaimValidator
	verified        *cache.Tokens[*verifiedToken]
	given           once.Options
}

// once notes an option that counts once.
func (c *config) once(option string) error {
	if err := c.given.Take(option); err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	return nil
}

// matcher is what aud or iss is compared with: a list, or a function.
type matcher struct {
	values []string
	accept func(string) bool
	shown  string // as jsonwebtoken shows it in its message
}

func (m *matcher) match(s string) bool {
	if m.accept != nil {
		return m.accept(s)
	}
	for _, v := range m.values {
		if v == s {
			return true
		}
	}
	return false
}

// cause is the error of an issuer that does not match: for the server's log.
func (m *matcher) cause(iss string) error {
	return fmt.Errorf("iss is %.200q, expected %.200q", iss, m.shown)
}

// WithExtractor sets where a handshake carries the token. The default is [DefaultExtractor].
func WithExtractor(e Extractor) Option {
	return func(c *config) error {
		if isNil(e) {
			return errors.New("verifier: WithExtractor: the extractor is nil")
		}
		if ours, ok := e.(*extractor); ok && ours.misused != nil {
			return ours.misused
		}
		c.extractor = e
		return c.once("WithExtractor")
	}
}

// Algorithms restricts the algorithms that are accepted, in addition to what each key
// allows. The default is what each key allows. A token with another alg is refused
// ([ErrAlgorithmNotAllowed]) before any key is fetched (RFC 8725 §3.1).
func Algorithms(algorithms ...Algorithm) Option {
	return func(c *config) (err error) {
		if c.algorithms != allAlgorithms {
			return errors.New("verifier: Algorithms is given twice: give all of them at once")
		}
		c.algorithms, err = restrict(allAlgorithms, algorithms)
		return err
	}
}

// Audience requires that aud contain at least one of the audiences (RFC 7519 §4.1.3).
// Otherwise the token is refused ([ErrAudienceMismatch]), also if it has no aud. Without
// this option any audience is accepted, even that of another server: give it whenever the
// issuer issues tokens for others too (RFC 8725 §3.9).
func Audience(audiences ...string) Option {
	return func(c *config) error {
		if err := nonEmpty("Audience", audiences); err != nil {
			return err
		}
		return c.expectAudience(&matcher{values: slices.Clone(audiences), shown: strings.Join(audiences, " or ")})
	}
}

// AudienceMatching is [Audience] with a pattern, which must be anchored at both ends:
// ^...$. A token without aud is refused.
func AudienceMatching(pattern *regexp.Regexp) Option {
	return func(c *config) error {
		m, err := anchored("AudienceMatching", pattern)
		if err != nil {
			return err
		}
		return c.expectAudience(m)
	}
}

// Issuer requires that iss be one of the issuers, character by character (RFC 7519
// §4.1.1): "https://a.example" and "https://a.example/" are two issuers. Otherwise the
// token is refused ([ErrIssuerMismatch]), also if it has no iss. Without this option any
// issuer is accepted whose tokens the keys verify.
func Issuer(issuers ...string) Option {
	return func(c *config) error {
		if err := nonEmpty("Issuer", issuers); err != nil {
			return err
		}
		return c.expectIssuer(&matcher{values: slices.Clone(issuers), shown: strings.Join(issuers, ",")})
	}
}

// IssuerMatching is [Issuer] with a pattern, which must be anchored at both ends: ^...$. A
// token without iss is refused.
func IssuerMatching(pattern *regexp.Regexp) Option {
	return func(c *config) error {
		m, err := anchored("IssuerMatching", pattern)
		if err != nil {
			return err
		}
		return c.expectIssuer(m)
	}
}

// Subject requires that sub equal subject (RFC 7519 §4.1.2). Otherwise the token is refused
// ([ErrSubjectMismatch]).
func Subject(subject string) Option {
	return exactly("Subject", subject, func(c *config) **string { return &c.subject })
}

// TokenID requires that jti equal id (RFC 7519 §4.1.7), as the option jwtid of jsonwebtoken
// does. Otherwise the token is refused ([ErrTokenIDMismatch]).
func TokenID(id string) Option {
	return exactly("TokenID", id, func(c *config) **string { return &c.id })
}

// Nonce requires that the claim nonce equal this (OpenID Connect Core 1.0 §2). Otherwise the
// token is refused ([ErrNonceMismatch]).
func Nonce(nonce string) Option {
	return exactly("Nonce", nonce, func(c *config) **string { return &c.nonce })
}

// MaxAge requires that the token was issued less than d ago, by its iat (RFC 7519 §4.1.6).
// An older one is refused ([ErrMaxAgeExceeded]); so is one whose iat is missing
// ([ErrClaimInvalid]) or lies ahead of our clock ([ErrTokenNotActive]). [ClockTolerance]
// applies. The default is no limit.
func MaxAge(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("verifier: MaxAge is %v: expected a positive duration", d)
		}
		if c.maxAge != 0 {
			return errors.New("verifier: MaxAge is given twice")
		}
		c.maxAge = d
		return nil
	}
}

// AllowPadding accepts tokens whose base64url is padded with "=", against RFC 7515
// §2: those that an AWS Application Load Balancer puts into X-Amzn-Oidc-Data. What
// is signed is the padded text.
func AllowPadding() Option { return func(c *config) error { c.allowPadding = true; return nil } }

// DefaultClockTolerance is how far nbf and iat may lie ahead of our clock unless
// [ClockTolerance] says otherwise. Without it, a token that is used at once would be
// refused wherever the issuer's clock is a second fast. The default tolerance for exp is 0.
const DefaultClockTolerance = 5 * time.Second

// ClockTolerance sets how much the issuer's clock and ours may differ: in exp, nbf, iat and
// [MaxAge] (RFC 7519 §4.1.4, §4.1.5). By default it is 0 for exp and MaxAge, and
// [DefaultClockTolerance] for nbf and iat. A value of 0 applies to all of them. More than a
// minute is rarely needed.
func ClockTolerance(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("verifier: ClockTolerance is %v: expected zero or more", d)
		}
		c.tolerance, c.skew = d, d
		return c.once("ClockTolerance")
	}
}

// DefaultOpaqueLifetime is the default of [MaxLifetime] for the tokens of [NewOpaque] that
// have no exp.
const DefaultOpaqueLifetime = 24 * time.Hour

// MaxLifetime refuses tokens that are valid for longer than d ([ErrLifetimeExceeded]). Their
// lifetime counts from iat, or from now if iat is missing or lies ahead, to exp. A JWT without
// exp is refused ([ErrClaimInvalid]). An opaque token without exp is accepted, and ends d after
// it was verified: see [Token.ValidUntil]. The default is no limit, and [DefaultOpaqueLifetime]
// for opaque tokens without exp.
func MaxLifetime(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("verifier: MaxLifetime is %v: expected a positive duration", d)
		}
		c.maxLifetime = d
		return c.once("MaxLifetime")
	}
}

// WithClock sets the function that tells the time, [time.Now] by default. It is called from
// many goroutines at once.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("verifier: WithClock: the clock is nil")
		}
		c.now = now
		return nil
	}
}

// IgnoreExpiration accepts tokens whose exp has passed, or is not a date.
func IgnoreExpiration() Option { return func(c *config) error { c.ignoreExpiry = true; return nil } }

// IgnoreNotBefore accepts tokens whose nbf lies ahead, or is not a date.
func IgnoreNotBefore() Option { return func(c *config) error { c.ignoreNotBefore = true; return nil } }

// MaxTokenLength sets the length in bytes above which a token is refused unread
// ([ErrTokenTooLong]). The default is [DefaultMaxTokenLength].
//
// The header is read before the signature is checked, so its base64url is limited to
// a sixteenth of n, or of the default if n is less. A header that contains a key or
// certificates (jwk or x5c, which begin within its first 384 bytes) may have six times as much.
func MaxTokenLength(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("verifier: MaxTokenLength is %d: expected a positive number of bytes", n)
		}
		c.maxLength = n
		return c.once("MaxTokenLength")
	}
}

// Validate adds validators. They run in the order given, after all other checks. The option
// may be given several times. A token that is bound to a key (cnf, RFC 7800) is accepted only
// if one of the validators is a [Confirmer] of it. Confirmers run last, so that no proof is
// used up for a token that another validator refuses.
func Validate(validators ...ClaimValidator) Option {
	return func(c *config) error {
		for _, v := range validators {
			if isNil(v) {
				return errors.New("verifier: Validate: a validator is nil")
			}
		}
		for _, v := range validators {
			if p, ok := v.(Confirmer); ok {
				c.confirmed = append(c.confirmed, p.Confirms())
			}
		}
		c.validators = append(c.validators, validators...)
		return nil
	}
}

func exactly(option, value string, field func(*config) **string) Option {
	return func(c *config) error {
		if value == "" {
			return fmt.Errorf("verifier: %s must not be empty", option)
		}
		if *field(c) != nil {
			return fmt.Errorf("verifier: %s is given twice", option)
		}
		*field(c) = &value
		return nil
	}
}

// expectAudience and expectIssuer refuse a second expectation, which would
// silently replace the first.
func (c *config) expectAudience(m *matcher) error {
	if c.audience != nil {
		return errors.New("verifier: the audience is given twice: give Audience all of them at once")
	}
	c.audience = m
	return nil
}

func (c *config) expectIssuer(m *matcher) error {
	if c.issuer != nil {
		return errors.New("verifier: the issuer is given twice: give Issuer all of them at once")
	}
	c.issuer = m
	return nil
}

// isNil reports whether a strategy is nil, or a nil pointer or function in an
// interface, as what a constructor returned beside an error that nobody looked
// at.
func isNil(strategy any) bool {
	v := reflect.ValueOf(strategy)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice:
		return v.IsNil()
	}
	return false
}

// nonEmpty refuses an empty list, with which jsonwebtoken would refuse every
// token, and an empty member, which is most likely a missing setting.
func nonEmpty(option string, values []string) error {
	if len(values) == 0 {
		return fmt.Errorf("verifier: %s needs at least one value", option)
	}
	for _, v := range values {
		if v == "" {
			return fmt.Errorf("verifier: %s: a value is empty", option)
		}
	}
	return nil
}

// anchored refuses a pattern that could match a part of its subject: without
// anchors, https://good.example also matches https://good.example.evil.test.
func anchored(option string, pattern *regexp.Regexp) (*matcher, error) {
	if pattern == nil {
		return nil, fmt.Errorf("verifier: %s: the pattern is nil", option)
	}
	parsed, err := syntax.Parse(pattern.String(), syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("verifier: %s: %w", option, err)
	}
	parts := parsed.Simplify().Sub
	if parsed.Op != syntax.OpConcat || len(parts) < 2 ||
		parts[0].Op != syntax.OpBeginText || parts[len(parts)-1].Op != syntax.OpEndText {
		return nil, fmt.Errorf("verifier: %s: the pattern %q must be anchored at both ends, as in ^(?:%s)$", option, pattern, pattern)
	}
	// In a pattern made by regexp.CompilePOSIX they are the ends of a line, of which
	// a claim can have several.
	whole, err := regexp.Compile(pattern.String())
	if err != nil {
		return nil, fmt.Errorf("verifier: %s: %w", option, err)
	}
	return &matcher{
		accept: func(s string) bool { return whole.MatchString(s) && pattern.MatchString(s) },
		shown:  "/" + pattern.String() + "/",
	}, nil
}
