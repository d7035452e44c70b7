package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/base64url"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
)

// maxKeys bounds how many keys are tried for one token: more candidates than
// this cannot be distinguished by kid, and each costs a signature check.
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

// verify checks in jsonwebtoken's order, with two exceptions that nobody
// notices with a good token: the algorithm is checked before keys are
// asked for, so that nobody causes a key fetch with a token that no key could
// verify; and the payload is decoded after the signature, so that nobody makes
// us read what nobody signed.
func (v *Verifier) verify(ctx context.Context, raw string, h *Handshake) (*Token, error) {
	if v.introspector != nil {
		return v.verifyOpaque(ctx, raw, h)
	}
	parts, err := v.split(raw)
	if err != nil {
		return nil, err
	}
	remembered, code, err := v.recall(ctx, raw, parts.signature, h)
	if remembered != nil || err != nil {
		return remembered, err
	}
	unverified := newUnverified(h, parts.payload, true)
	seen, err := v.readHeader(parts.header, &unverified.Header)
	if err != nil {
		return nil, err
	}
	header, payload := unverified.Header, unverified.content // a provider may change its own
	s := scratches.Get().(*scratch)
	key, err := v.checkSignature(ctx, s, &parts, unverified)
	scratches.Put(s)
	if err != nil {
		return nil, err
	}
	if !seen {
		v.headers.Add(parts.header, header)
	}
	text, err := payload.claims()
	if err != nil {
		return nil, refuse(ErrTokenMalformed, "invalid token", err)
	}
	t := &Token{Header: header, raw: raw, payload: text, key: key}
	c, err := v.accept(ctx, t, h)
	if err != nil {
		return nil, err
	}
	if v.verified != nil {
		v.remember(code, t, c)
	}
	return t, nil
}

// parts are those of a compact JWS (RFC 7515 §7.1), without padding.
type parts struct {
	header, payload, signature string
	signed                     string // header and payload as they came, which the signature is over (RFC 7515 §5.2)
}

// split takes a token apart, without its padding where that is allowed. It refuses
// what is too long to be looked at.
func (v *Verifier) split(raw string) (p parts, err error) {
	if raw == "" {
		return p, refuse(ErrTokenMissing, "jwt must be provided", nil)
	}
	if len(raw) > v.maxLength {
		return p, refuse(ErrTokenTooLong, "jwt malformed", lengthError{len(raw), v.maxLength})
	}
	header, rest, ok := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.IndexByte(signature, '.') >= 0 {
		return p, refuse(ErrTokenMalformed, "jwt malformed", errParts)
	}
	p = parts{header, payload, signature, raw[:len(header)+1+len(payload)]}
	if v.allowPadding {
		p.header, p.payload, p.signature = base64url.Unpad(header), base64url.Unpad(payload), base64url.Unpad(signature)
	}
	if limit := max(v.maxLength, DefaultMaxTokenLength) / 16; len(p.header) > limit && (len(p.header) > 6*limit || !bringsKey(p.header)) {
		return p, refuse(ErrTokenMalformed, "invalid token", errHeaderLong)
	}
	return p, nil
}

// readHeader reads the header of a token. seen says that a good token had it before.
func (v *Verifier) readHeader(segment string, h *Header) (seen bool, err error) {
	if *h, seen = v.headers.Get(segment); seen {
		return true, nil
	}
	if *h, err = parseHeader(segment); err != nil {
		return false, refuse(ErrTokenMalformed, "invalid token", err)
	}
	return false, nil
}

// recall returns the token if [CacheVerified] remembers it and its key may still
// verify it; nothing otherwise, but the code to remember it by.
func (v *Verifier) recall(ctx context.Context, raw, signature string, h *Handshake) (*Token, cache.Code, error) {
	if n := len(signature); v.verified == nil || n < minSignatureLength || n > maxSignatureLength { // any other is not worth a hash
		return nil, cache.Code{}, nil
	}
	code, known, _ := v.verified.Get(raw)
	if known == nil {
		return nil, code, nil
	}
	t, err := v.verifyAgain(ctx, known, raw, h)
	return t, code, err
}

// hit is the one allocation of [Verifier.verifyAgain]: what the caller gets, and what a provider
// is shown. A provider may keep or change its own, so no two calls can share one.
type hit struct {
	token      Token
	unverified UnverifiedToken
}

// verifyAgain is verify for a token whose signature held before. It returns
// nothing if the key that it held with is no longer one that may verify it.
func (v *Verifier) verifyAgain(ctx context.Context, known *verifiedToken, raw string, h *Handshake) (*Token, error) {
	both := &hit{token: known.token}
	t, unverified := &both.token, &both.unverified
	unverified.Header, unverified.Handshake, unverified.content = t.Header, h, &known.content
	algorithm := t.Header.Algorithm.bit() // the header was checked by the options, which do not change
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

// keyError classes what a provider answered: see [KeyProvider].
func keyError(err error) error {
	if u := (*UnauthorizedError)(nil); errors.As(err, &u) { // perhaps a nil one, which is not an outage
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
		return 0, refuse(ErrAlgorithmNotAllowed, "invalid algorithm", fmt.Errorf("alg is %.20q: expected one of %s", string(h.Algorithm), names(v.algorithms)))
	}
	return algorithm, nil
}

// checkSignature asks for keys and returns the first of them that verifies the
// signature.
func (v *Verifier) checkSignature(ctx context.Context, s *scratch, p *parts, t *UnverifiedToken) (*Key, error) {
	signature, err := s.signature(p.signature)
	if err != nil {
		return nil, err
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
	return s.verifiedBy(keys, algorithm, p.signed, signature)
}

// signature decodes the signature of a token. It returns none for one that is too long for
// any alg, which [scratch.verifiedBy] refuses.
func (s *scratch) signature(segment string) ([]byte, error) {
	if segment == "" {
		return nil, refuse(ErrSignatureInvalid, "jwt signature is required", nil)
	}
	if len(segment) > maxSignatureLength {
		return nil, nil
	}
	signature, ok := s.decode(segment)
	if !ok {
		return nil, refuse(ErrTokenMalformed, "invalid token", errSignBase64)
	}
	return signature, nil
}

// verifiedBy returns the first of the keys that verifies the signature of the input
// by the algorithm.
func (s *scratch) verifiedBy(keys []*Key, algorithm algorithmSet, input string, signature []byte) (*Key, error) {
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
	switch {
	case tried == 0:
		return nil, refuse(ErrAlgorithmNotAllowed, "invalid algorithm", errNoKeyForAlg)
	case !fits:
		return nil, refuse(ErrSignatureInvalid, "invalid signature", errSignLength)
	}
	return nil, refuse(ErrSignatureInvalid, "invalid signature", nil)
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
