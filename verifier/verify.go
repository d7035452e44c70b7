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
	header, payload, signature, err := v.split(raw)
	if err != nil {
		return nil, err
	}
	var code cache.Code
	if n := len(signature); v.verified != nil && n >= minSignatureLength && n <= maxSignatureLength { // any other is not worth a hash
		var known *verifiedToken
		if code, known, _ = v.verified.Get(raw); known != nil {
			if t, err := v.verifyAgain(ctx, known, raw, h); t != nil || err != nil {
				return t, err
			}
		}
	}
	head, seen := v.headers.Get(header)
	if !seen {
		if head, err = parseHeader(header); err != nil {
			return nil, refuse(ErrTokenMalformed, "invalid token", err)
		}
	}
	unverified := newUnverified(h)
	unverified.Header, unverified.segment = head, payload
	input := raw[:strings.LastIndexByte(raw, '.')]
	s := scratches.Get().(*scratch)
	key, err := v.checkSignature(ctx, s, input, signature, unverified)
	scratches.Put(s)
	if err != nil {
		return nil, err
	}
	if !seen {
		v.headers.Add(header, unverified.Header)
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
		v.remember(code, t, c)
	}
	return t, nil
}

// split takes a token apart, without its padding where that is allowed.
func (v *Verifier) split(raw string) (header, payload, signature string, err error) {
	header, rest, ok := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.IndexByte(signature, '.') >= 0 {
		return "", "", "", refuse(ErrTokenMalformed, "jwt malformed", errParts)
	}
	if v.allowPadding {
		header, payload, signature = base64url.Unpad(header), base64url.Unpad(payload), base64url.Unpad(signature)
	}
	if limit := max(v.maxLength, DefaultMaxTokenLength) / 16; len(header) > limit && (len(header) > 6*limit || !bringsKey(header)) {
		return "", "", "", refuse(ErrTokenMalformed, "invalid token", errHeaderLong)
	}
	return header, payload, signature, nil
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
// signature of the input.
func (v *Verifier) checkSignature(ctx context.Context, s *scratch, input, segment string, t *UnverifiedToken) (*Key, error) {
	if segment == "" {
		return nil, refuse(ErrSignatureInvalid, "jwt signature is required", nil)
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
		return nil, refuse(ErrAlgorithmNotAllowed, "invalid algorithm", errNoKeyForAlg)
	}
	if !fits {
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
