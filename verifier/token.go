package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// Token is a verified token: its signature holds and every check of the
// [Verifier] that returned it passed. It is immutable and may be shared.
type Token struct {
	Header Header

	Issuer    string    // iss, "" if absent
	Subject   string    // sub, "" if absent; of a number, its JSON text
	Audience  []string  // aud, always as a list
	ExpiresAt time.Time // exp, zero if absent
	NotBefore time.Time // nbf, zero if absent
	IssuedAt  time.Time // iat, zero if absent
	ID        string    // jti, "" if absent; of a number, its JSON text
	SessionID string    // sid, "" if absent: the issuer's session (OpenID Connect Back-Channel Logout 1.0 §2.1)

	raw     string
	payload string
	key     *Key
	one     [1]string // what Audience is a slice of, if it has one member
	until   int64     // of ValidUntil: what exp is prolonged by, in ns; without exp the end, in ns since 1970; below 0, or 0 without exp: no end
}

// Raw returns the token in its compact serialization. It is a credential: keep
// it out of logs.
func (t *Token) Raw() string { return t.raw }

// Key returns the key that verified the token.
func (t *Token) Key() *Key { return t.key }

// ValidUntil returns the time from which the verifier that returned the token refuses it: its exp, and
// the [ClockTolerance] later if there is one. An opaque token without exp is good for [MaxLifetime]
// from its verification. The result is zero for a JWT without exp, and if the verifier ignores exp.
func (t *Token) ValidUntil() time.Time {
	switch {
	case t.until < 0 || t.until == 0 && t.ExpiresAt.IsZero():
		return time.Time{}
	case t.ExpiresAt.IsZero():
		return time.Unix(0, t.until)
	}
	return t.ExpiresAt.Add(time.Duration(t.until))
}

// Unverified returns the token as a [KeyProvider] sees it, in the given handshake, which may be nil.
// Pass it to [HasKey] to ask whether the token's key is still good.
func (t *Token) Unverified(h *Handshake) *UnverifiedToken {
	if h == nil {
		h = &Handshake{}
	}
	u := newUnverified(h, t.payload, false)
	u.Header = t.Header
	return u
}

// Claims decodes all claims into v, as [json.Unmarshal] does, with one difference: no claim can be
// taken for another. It returns an error if, at any depth, two members have the same name, letter
// case aside, or a member differs only in letter case from the name that a tag gives a field of v.
// [ClaimsAs] is the same with a type parameter.
//
// The error is an [*UnauthorizedError] with the reason [ErrClaimInvalid], so that a [ClaimValidator]
// can return it.
func (t *Token) Claims(v any) error { return claimsInto(t.payload, v) }

func claimsInto(payload string, v any) error {
	if err := decodeClaims(payload, v); err != nil {
		return refuse(ErrClaimInvalid, "invalid claims", fmt.Errorf("verifier: claims do not fit %T: %w", v, err))
	}
	return nil
}

// String names the token without revealing it: by its jti, or else by the first
// twelve hexadecimal digits of the SHA-256 of the whole token.
func (t *Token) String() string {
	if t.ID != "" {
		return fmt.Sprintf("jti %.64q", t.ID)
	}
	sum := sha256.Sum256([]byte(t.raw))
	return fmt.Sprintf("sha256 %x", sum[:6])
}

// GoString is String, so that %#v reveals no more than %v.
func (t *Token) GoString() string { return t.String() }

// LogValue is String for log/slog.
func (t *Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// UnverifiedToken is what a token says of itself before anything is verified.
// A [KeyProvider] may select keys by it, and must trust none of it.
type UnverifiedToken struct {
	Header    Header
	Handshake *Handshake // what the token came in; never nil

	content *content
}

// noHandshake is that of a token that came in none. Nobody changes a Handshake.
var noHandshake = &Handshake{}

// Claims decodes the unverified claims into v, as [Token.Claims] does. The error is an
// [*UnauthorizedError] that is not retryable, so that a [KeyProvider] can return it: claims that
// cannot be read are the fault of the token, and not an outage.
func (t *UnverifiedToken) Claims(v any) error {
	payload, err := t.content.claims()
	if err != nil {
		return refuse(ErrTokenMalformed, "invalid token", err)
	}
	return claimsInto(payload, v)
}

// Issuer returns the unverified iss, "" if the payload is not a claims set or has no iss. It does not
// check that the names of other claims are unique. That can cost more than many signatures, and
// happens after the signature is verified.
func (t *UnverifiedToken) Issuer() string {
	payload, err := t.content.claims()
	if err != nil {
		return ""
	}
	o := strictjson.New(payload)
	o.Loose = true
	iss, found := "", 0
	for o.Next() {
		if !strings.EqualFold(o.Name, "iss") {
			continue
		}
		if found++; o.Name == "iss" {
			iss, _ = strictjson.String(o.Value)
		}
	}
	if o.Err != nil || found > 1 {
		return ""
	}
	return iss
}

// ClaimValidator accepts or refuses a token whose signature holds and which
// passed the built-in checks. An [*UnauthorizedError] reaches the client as it
// is; of any other error the client learns only that the server refused it. h
// is never nil. Validate is called from many goroutines at once.
type ClaimValidator interface {
	Validate(ctx context.Context, t *Token, h *Handshake) error
}

// ClaimValidatorFunc makes a function a [ClaimValidator].
type ClaimValidatorFunc func(ctx context.Context, t *Token, h *Handshake) error

// Validate calls f.
func (f ClaimValidatorFunc) Validate(ctx context.Context, t *Token, h *Handshake) error {
	return f(ctx, t, h)
}

// claims are what the built-in checks need to know beyond the Token: a claim of
// the wrong type is reported by its own check, in its turn.
type claims struct {
	nonce    string
	cnf      string // its JSON text, "" if absent
	hasIat   bool
	exp      dateFault
	nbf      dateFault
	iat      dateFault
	kind     kinds  // what the token says that it is
	badOther string // the first other registered claim of the wrong type
}

var errNotClaims = errors.New("the payload is not a claims set (RFC 7519 §7.2)")

// parseClaims fills in t from its payload in one pass.
func parseClaims(t *Token) (claims, error) {
	var c claims
	o := strictjson.New(t.payload)
	for o.Next() {
		if !c.set(t, o.Name, o.Value) && c.badOther == "" {
			c.badOther = o.Name
		}
	}
	if o.Err != nil {
		return c, fmt.Errorf("%w: %w", errNotClaims, o.Err)
	}
	return c, nil
}

// set notes a claim, and reports whether it is of the right type. A null is taken for
// absent, except in a date: jsonwebtoken refuses that. A bad exp or nbf is not reported
// here, since either can be ignored.
func (c *claims) set(t *Token, name, value string) (ok bool) {
	ok = true
	switch name {
	case "exp":
		t.ExpiresAt, c.exp = numericDate(value)
	case "nbf":
		t.NotBefore, c.nbf = numericDate(value)
	case "iat":
		t.IssuedAt, c.iat = numericDate(value)
		c.hasIat, ok = c.iat == dateGood, c.iat == dateGood
	case "iss":
		t.Issuer, ok = stringOrNull(value)
	case "aud":
		t.Audience, ok = audience(value, &t.one)
	case "sub":
		t.Subject, ok = stringOrNumber(value)
	case "jti":
		t.ID, ok = stringOrNumber(value)
	case "sid":
		t.SessionID, _ = strictjson.String(value) // not RFC 7519's: any other type is the application's affair
	case "nonce":
		c.nonce, _ = strictjson.String(value)
		c.kind |= shapeOfIDToken
	case "at_hash", "c_hash", "s_hash":
		c.kind |= shapeOfIDToken
	case "token_use", "token_type", "typ", "type", "purpose", "tokenName":
		c.kind |= kindOfClaim(name, value)
	case "cnf":
		if value != "null" {
			c.cnf = value
		}
	}
	return ok
}

func stringOrNull(text string) (string, bool) {
	if text == "null" {
		return "", true
	}
	return strictjson.String(text)
}

// stringOrNumber also takes a number, as its text: RFC 7519 asks for a string
// in sub and jti, but issuers that put a numeric user id there are many.
func stringOrNumber(text string) (string, bool) {
	if text[0] == '-' || strictjson.Digit(text[0]) {
		return text, true
	}
	return stringOrNull(text)
}

// audience reads aud, a string or a list of strings (RFC 7519 §4.1.3). The usual
// list of one is made in place.
func audience(text string, one *[1]string) ([]string, bool) {
	if text[0] != '[' {
		s, ok := stringOrNull(text)
		if !ok || text == "null" {
			return nil, ok
		}
		one[0] = s
		return one[:], true
	}
	if text[1] == '"' { // nor does it need a decoder
		if end, escaped, ok := strictjson.SkipString(text, 1); ok && !escaped && end == len(text)-1 {
			one[0] = text[2 : end-1]
			return one[:], true
		}
	}
	var list []*string // pointers, since a null would be taken for ""
	if json.Unmarshal([]byte(text), &list) != nil || strictjson.Halves(text) {
		return nil, false
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, false
		}
		out[i] = *s
	}
	return out, true
}

// maxDate is the last NumericDate that is taken for one: 31 December 9999. What
// lies behind it is a date in milliseconds, or finer, that an issuer took for
// seconds: an exp like that would never come, an nbf neither.
const maxDate = 253402300799

// dateFault says what is wrong with a date.
type dateFault uint8

const (
	dateGood dateFault = iota
	dateType           // not a number
	dateFar            // after maxDate
)

// numericDate reads a NumericDate (RFC 7519 §2): seconds since 1970, which may
// have a fraction. What lies before 1970 is taken for 1970, so that no date is
// the zero time.Time, which here means absent.
func numericDate(text string) (time.Time, dateFault) {
	if text[0] != '-' && !strictjson.Digit(text[0]) {
		return time.Time{}, dateType
	}
	if seconds, ok := digits(text); ok {
		if seconds > maxDate {
			return time.Time{}, dateFar
		}
		return time.Unix(seconds, 0), dateGood
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return time.Time{}, dateType
	}
	if f > maxDate { // a value out of range is an infinity
		return time.Time{}, dateFar
	}
	whole, fraction := math.Modf(max(f, 0))
	return time.Unix(int64(whole), int64(fraction*1e9)), dateGood
}

// digits reads a number that is short and has nothing but digits, as dates are.
func digits(text string) (n int64, ok bool) {
	if len(text) > 18 {
		return 0, false
	}
	for i := range len(text) {
		if !strictjson.Digit(text[i]) {
			return 0, false
		}
		n = 10*n + int64(text[i]-'0')
	}
	return n, true
}

// cause says what is wrong with the date in the named claim of t.
func (f dateFault) cause(t *Token, name string) error {
	text, _ := t.claim(name)
	if f == dateFar {
		return fmt.Errorf("%s is %.40s, after the year 9999: expected seconds since 1970 (RFC 7519 §2), not milliseconds", name, text)
	}
	return fmt.Errorf("%s is %.40q: expected a number, seconds since 1970 (RFC 7519 §2)", name, text)
}
