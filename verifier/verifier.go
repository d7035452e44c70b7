package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// maxKeys bounds how many keys are tried for one token: more candidates than
// this cannot be told apart by kid, and each costs a signature check.
const maxKeys = 16

var (
	errParts       = errors.New("a compact JWS has three parts (RFC 7515 §7.1)")
	errSignLength  = errors.New("the signature is shorter or longer than any of its alg")
	errNoKeyForAlg = errors.New("no key for this token may be used with its alg")
)

// lengthError costs nothing until somebody reads it.
type lengthError struct{ length, limit int }

func (e lengthError) Error() string {
	return fmt.Sprintf("the token has %d bytes: at most %d are read", e.length, e.limit)
}

// Verifier verifies tokens: see the package comment. Its zero value is not
// usable, [New] makes one. It is safe for concurrent use.
type Verifier struct {
	keys         KeyProvider
	introspector Introspector // of NewOpaque
	config
	headers headerCache
}

// New composes a verifier of the provider of its keys and options. It fails
// where an option makes no sense or contradicts another.
//
// Without options a token must be signed by one of the keys, and be within its
// exp and nbf where it has them. Most servers also want [Audience] and
// [Issuer].
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
		headers: headerCache{seed: maphash.MakeSeed()},
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
// without one is rejected with the code credentials_required. The error is
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
	return v.verify(ctx, raw, nil)
}

// verify checks in jsonwebtoken's order, with two exceptions that cannot be
// told from outside by a good token: the algorithm is checked before keys are
// asked for, so that nobody causes a key fetch with a token that no key could
// verify; and the payload is decoded after the signature, so that nobody makes
// us read what nobody signed.
func (v *Verifier) verify(ctx context.Context, raw string, h *Handshake) (*Token, error) {
	if v.introspector != nil {
		if h == nil {
			h = &Handshake{}
		}
		return v.verifyOpaque(ctx, raw, h)
	}
	if raw == "" {
		return nil, refuse(ErrTokenMissing, "jwt must be provided", nil)
	}
	if len(raw) > v.maxLength {
		return nil, refuse(ErrTokenTooLong, "jwt malformed", lengthError{len(raw), v.maxLength})
	}
	header, rest, ok := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.IndexByte(signature, '.') >= 0 {
		return nil, refuse(ErrTokenMalformed, "jwt malformed", errParts)
	}
	input := raw[:len(header)+1+len(payload)]
	if v.allowPadding {
		header, payload, signature = unpad(header), unpad(payload), unpad(signature)
	}
	if limit := max(v.maxLength, DefaultMaxTokenLength) / 16; len(header) > limit && (len(header) > 6*limit || !bringsKey(header)) {
		return nil, refuse(ErrTokenMalformed, "invalid token", errHeaderLong)
	}
	var id cacheKey
	if n := len(signature); v.verified != nil && n >= minSignatureLength && n <= maxSignatureLength { // any other is not worth a hash
		var known *verifiedToken
		if id, known = v.verified.get(raw); known != nil {
			if t, err := v.verifyAgain(ctx, known, raw, h); t != nil || err != nil {
				return t, err
			}
		}
	}
	head, seen, err := v.headers.parse(header)
	if err != nil {
		return nil, refuse(ErrTokenMalformed, "invalid token", err)
	}
	unverified := newUnverified(h)
	unverified.Header, unverified.segment = head, payload
	s := scratches.Get().(*scratch)
	key, err := v.checkSignature(ctx, s, input, signature, unverified)
	scratches.Put(s)
	if err != nil {
		return nil, err
	}
	if !seen {
		v.headers.add(header, unverified.Header)
	}
	text, err := unverified.claims()
	if err != nil {
		return nil, refuse(ErrTokenMalformed, "invalid token", err)
	}
	t := &Token{Header: unverified.Header, raw: raw, payload: text, key: key}
	c, err := v.accept(ctx, t, unverified.Handshake)
	if err != nil {
		return nil, err
	}
	if v.verified != nil {
		v.verified.add(id, t, c)
	}
	return t, nil
}

// verifyAgain is verify for a token whose signature held before. It returns
// nothing if the key that it held with is no longer one that may verify it.
func (v *Verifier) verifyAgain(ctx context.Context, known *verifiedToken, raw string, h *Handshake) (*Token, error) {
	both := new(struct { // one allocation for what a provider is shown and what the caller gets
		token      Token
		unverified UnverifiedToken
	})
	t, unverified := &both.token, &both.unverified
	*t = known.token
	if h == nil {
		h = noHandshake
	}
	unverified.Header, unverified.payload, unverified.Handshake = t.Header, t.payload, h
	algorithm, err := v.checkHeader(&t.Header)
	if err != nil {
		return nil, err
	}
	keys, err := v.keys.Keys(ctx, unverified)
	if err != nil {
		return nil, keyError(err)
	}
	for _, k := range keys {
		if k != nil && k.allowed&algorithm != 0 && k.Equal(known.token.key) {
			t.raw, t.key = raw, k
			t.ownAudience()
			if err := v.check(ctx, t, &known.claims, h); err != nil {
				return nil, err
			}
			return t, nil
		}
	}
	return nil, nil
}

// accept reads the claims of an authentic token into it, and checks them.
func (v *Verifier) accept(ctx context.Context, t *Token, h *Handshake) (claims, error) {
	c, err := v.read(t)
	if err == nil {
		err = v.check(ctx, t, &c, h)
	}
	return c, err
}

// read fills in t from its payload.
func (v *Verifier) read(t *Token) (claims, error) {
	c, err := parseClaims(t)
	if err != nil {
		return c, refuse(ErrTokenMalformed, "invalid token", err)
	}
	if v.ignoreExpiry {
		t.until = -1
	} else if !t.ExpiresAt.IsZero() {
		t.until = int64(v.tolerance)
	}
	return c, nil
}

// check checks the claims of an authentic token.
func (v *Verifier) check(ctx context.Context, t *Token, c *claims, h *Handshake) error {
	if err := v.checkClaims(t, c); err != nil {
		return err
	}
	if c.cnf != "" {
		if err := v.checkConfirmation(c.cnf); err != nil {
			return err
		}
	}
	for _, validator := range v.validators {
		if err := validator.Validate(ctx, t, h); err != nil {
			return AsUnauthorized(err)
		}
	}
	return nil
}

// keyError classes what a provider answered: see [KeyProvider].
func keyError(err error) error {
	if u := (*UnauthorizedError)(nil); errors.As(err, &u) { // perhaps a nil one, which is no outage
		return AsUnauthorized(err)
	}
	return &UnauthorizedError{
		Code: CodeInvalidSecret, Message: "keys unavailable, try again later",
		Reason: ErrKeysUnavailable, Retryable: true, Err: err,
	}
}

// checkHeader tells whether it is the kind of token expected, and one that a key
// might verify.
func (v *Verifier) checkHeader(h *Header) (algorithmSet, error) {
	if err := v.checkType(h.Type); err != nil {
		return 0, err
	}
	algorithm := h.Algorithm.bit()
	if algorithm&v.algorithms == 0 {
		return 0, refuse(ErrAlgorithm, "invalid algorithm", fmt.Errorf("alg is %.20q: expected one of %s", string(h.Algorithm), names(v.algorithms)))
	}
	return algorithm, nil
}

// checkSignature asks for keys and returns the first of them that verifies the
// signature of the input.
func (v *Verifier) checkSignature(ctx context.Context, s *scratch, input, segment string, t *UnverifiedToken) (*Key, error) {
	if segment == "" {
		return nil, refuse(ErrSignature, "jwt signature is required", nil)
	}
	var signature []byte
	if len(segment) <= maxSignatureLength {
		var ok bool
		if signature, ok = s.decode(segment); !ok {
			return nil, refuse(ErrTokenMalformed, "invalid token", errSignBase64)
		}
	}
	algorithm, err := v.checkHeader(&t.Header)
	if err != nil {
		return nil, err
	}
	keys, err := v.keys.Keys(ctx, t)
	if err != nil {
		return nil, keyError(err)
	}
	if len(keys) == 0 {
		return nil, v.noKey(t)
	}
	least, most := algorithm.signatureSize()
	fits := least <= len(signature) && len(signature) <= most
	if fits {
		s.input = append(s.input[:0], input...)
	}
	tried := 0
	for _, k := range keys {
		if k == nil || k.allowed&algorithm == 0 {
			continue
		}
		if tried++; tried > maxKeys {
			break
		}
		if fits && k.checks[algorithm.index()](s.input, signature) {
			return k, nil
		}
	}
	if tried == 0 {
		return nil, refuse(ErrAlgorithm, "invalid algorithm", errNoKeyForAlg)
	}
	if !fits {
		return nil, refuse(ErrSignature, "invalid signature", errSignLength)
	}
	return nil, refuse(ErrSignature, "invalid signature", nil)
}

// noKey is the refusal of a token for which no key is known. The usual cause is
// another issuer, which then is said; the client is told no more than that,
// since nobody signed the token as far as we know.
func (v *Verifier) noKey(t *UnverifiedToken) error {
	if v.issuer != nil {
		if iss := t.Issuer(); iss == "" || !v.issuer.match(iss) {
			return refuse(ErrIssuerMismatch, "jwt issuer invalid", v.issuer.cause(iss))
		}
	}
	return &UnauthorizedError{
		Code: CodeInvalidSecret, Message: "secret or public key must be provided", Reason: ErrKeyNotFound,
		Err: noKeyError{t.Issuer(), t.Header.KeyID, t.Header.Algorithm},
	}
}

// noKeyError says for what no key is known. A log has no iss of it, which is a
// claim that no option asks for.
type noKeyError struct {
	issuer, kid string
	algorithm   Algorithm
}

func (e noKeyError) Error() string {
	return fmt.Sprintf("no key for iss %.200q, kid %.200q, alg %.20q", e.issuer, e.kid, string(e.algorithm))
}

func (e noKeyError) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("no key for kid %.200q, alg %.20q", e.kid, string(e.algorithm)))
}

// checkClaims is jsonwebtoken's list, in its order.
func (v *Verifier) checkClaims(t *Token, c *claims) error {
	now := v.now()
	if err := v.checkDates(t, c, now); err != nil {
		return err
	}
	if v.audience != nil && !slices.ContainsFunc(t.Audience, v.audience.match) {
		return refuse(ErrAudienceMismatch, "jwt audience invalid. expected: "+v.audience.shown, fmt.Errorf("aud is %q", t.Audience))
	}
	if v.issuer != nil && (t.Issuer == "" || !v.issuer.match(t.Issuer)) {
		return refuse(ErrIssuerMismatch, "jwt issuer invalid. expected: "+v.issuer.shown, v.issuer.cause(t.Issuer))
	}
	if v.subject != nil && t.Subject != *v.subject {
		return refuse(ErrSubjectMismatch, "jwt subject invalid. expected: "+*v.subject, fmt.Errorf("sub is %q", t.Subject))
	}
	if v.id != nil && t.ID != *v.id {
		return refuse(ErrTokenIDMismatch, "jwt jwtid invalid. expected: "+*v.id, fmt.Errorf("jti is %q", t.ID))
	}
	if v.nonce != nil && c.nonce != *v.nonce {
		return refuse(ErrNonceMismatch, "jwt nonce invalid. expected: "+*v.nonce, fmt.Errorf("nonce is %q", c.nonce))
	}
	if err := v.checkAge(t, c, now); err != nil {
		return err
	}
	if c.badOther == "iat" {
		return refuse(ErrClaimInvalid, "invalid iat value", c.iat.cause(t, "iat"))
	}
	if c.badOther != "" {
		return refuse(ErrClaimInvalid, "invalid "+c.badOther+" value", nil)
	}
	return v.checkKind(t, c.kind)
}

// checkDates checks nbf and exp.
func (v *Verifier) checkDates(t *Token, c *claims, now time.Time) error {
	if !v.ignoreNotBefore {
		if c.nbf != dateGood {
			return refuse(ErrClaimInvalid, "invalid nbf value", c.nbf.cause(t, "nbf"))
		}
		if t.NotBefore.After(now.Add(v.skew)) {
			return refuse(ErrTokenNotActive, "jwt not active", fmt.Errorf("not before %v", t.NotBefore))
		}
	}
	if !v.ignoreExpiry {
		if c.exp != dateGood {
			return refuse(ErrClaimInvalid, "invalid exp value", c.exp.cause(t, "exp"))
		}
		if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt.Add(v.tolerance)) {
			return refuse(ErrTokenExpired, "jwt expired", fmt.Errorf("expired at %v", t.ExpiresAt))
		}
	}
	return nil
}

// checkAge checks what MaxAge and MaxLifetime ask of iat and exp.
func (v *Verifier) checkAge(t *Token, c *claims, now time.Time) error {
	if v.maxAge != 0 {
		switch {
		case c.iat == dateFar:
			return refuse(ErrClaimInvalid, "invalid iat value", c.iat.cause(t, "iat"))
		case !c.hasIat:
			return refuse(ErrClaimInvalid, "iat required when maxAge is specified", nil)
		case t.IssuedAt.After(now.Add(v.skew)):
			return refuse(ErrTokenNotActive, "jwt not active", fmt.Errorf("issued at %v, ahead of our clock", t.IssuedAt))
		case !now.Before(t.IssuedAt.Add(v.maxAge).Add(v.tolerance)):
			return refuse(ErrMaxAgeExceeded, "maxAge exceeded", fmt.Errorf("issued at %v", t.IssuedAt))
		}
	}
	if v.maxLifetime == 0 {
		return nil
	}
	if t.ExpiresAt.IsZero() {
		if v.introspector != nil {
			return nil // it ends by Token.until
		}
		return refuse(ErrClaimInvalid, "claim required: exp", errors.New("MaxLifetime asks for an exp"))
	}
	from := now.Add(v.skew)
	if c.hasIat && t.IssuedAt.Before(from) {
		from = t.IssuedAt
	}
	if t.ExpiresAt.After(from.Add(v.maxLifetime)) {
		return refuse(ErrLifetimeExceeded, "jwt lifetime exceeded", fmt.Errorf("good until %v: more than %v", t.ExpiresAt, v.maxLifetime))
	}
	return nil
}
