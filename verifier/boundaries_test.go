//lint:file-ignore SA1019 Keys with missing coordinates are made here because they are refused.

package verifier

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// modulus is an odd number of so many bits. Its factors are not known.
func modulus(bits uint) *big.Int {
	n := new(big.Int).Exp(big.NewInt(3), big.NewInt(6000), nil)
	n.Rsh(n, uint(n.BitLen())-bits)
	return n.SetBit(n, 0, 1)
}

// TestRSABounds: of moduli and exponents the first and the last that are accepted.
func TestRSABounds(t *testing.T) {
	for _, row := range []struct {
		bits uint
		e    int
		says string
	}{
		{2048, 3, ""}, {2048, 1<<31 - 1, ""}, {8192, 65537, ""},
		{2047, 3, "the RSA key has 2047 bits"}, {8193, 3, "the RSA key has 8193 bits"},
		{2048, 1, "the RSA exponent is 1"}, {2048, 2, "the RSA exponent is 2"}, {2048, 1<<31 + 1, "the RSA exponent is 2147483649"},
	} {
		_, err := NewKey(&rsa.PublicKey{N: modulus(row.bits), E: row.e}, KeyOptions{})
		if row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%d bits, exponent %d: got %v, want %q", row.bits, row.e, err, row.says)
		}
	}
	for _, key := range []*ecdsa.PublicKey{nil, {}, {Curve: elliptic.P256()}, {Curve: elliptic.P256(), X: big.NewInt(1)}, {X: big.NewInt(1), Y: big.NewInt(1)}} {
		if _, err := NewKey(key, KeyOptions{}); err == nil || !strings.Contains(err.Error(), "the EC key is nil") {
			t.Errorf("%v: got %v", key, err)
		}
	}
}

// TestCloseFactors: a hundred rounds of Fermat's method find factors, whichever square
// is met, and no round more.
func TestCloseFactors(t *testing.T) {
	x := new(big.Int).Rsh(modulus(1024), 0)
	for k := int64(1); k < 100; k++ {
		if n := new(big.Int).Mul(x, new(big.Int).Add(x, big.NewInt(2*k))); !closeFactors(n) {
			t.Errorf("factors that differ by %d are not found", 2*k)
		}
	}
	for round, found := range map[int64]bool{2: true, 50: true, 100: true, 103: false, 1000: false} {
		k := new(big.Int).Sqrt(new(big.Int).Mul(x, big.NewInt(2*round-1))) // (x+k)-√n is about k²/2x
		n := new(big.Int).Mul(x, new(big.Int).Add(x, new(big.Int).Lsh(k, 1)))
		if closeFactors(n) != found {
			t.Errorf("round %d: found %v", round, !found)
		}
	}
	for p, squares := range map[uint64][]uint64{3: {0, 1}, 5: {0, 1, 4}, 7: {0, 1, 2, 4}} {
		for r := range 3 * p {
			want := false
			for _, s := range squares {
				want = want || r%p == s
			}
			if isSquareModulo(r, p) != want || isSquareModulo(r, 1, p) != want {
				t.Errorf("%d is a square modulo %d: %v", r, p, !want)
			}
		}
	}
}

// TestSignatureBounds: a signature longer or shorter than the algorithm allows is refused
// for its length. Text that is not base64url is refused as malformed, if it is decoded.
func TestSignatureBounds(t *testing.T) {
	v := newVerifier(t, keyFor(t, RS256), CacheVerified(8))
	input := encode(`{"alg":"RS256"}`) + "." + encode(`{}`) + "."
	u := refuses(t, v, input+strings.Repeat("!", 1366), ErrTokenMalformed, "invalid token")
	if !errors.Is(u, errSignBase64) {
		t.Errorf("1366 characters: %v", u)
	}
	for _, n := range []int{44, 340, 1367} {
		if u := refuses(t, v, input+strings.Repeat("A", n), ErrSignatureInvalid, "invalid signature"); !errors.Is(u, errSignLength) {
			t.Errorf("%d characters: %v", n, u)
		}
	}
	for _, n := range []int{342, 1366} {
		if u := refuses(t, v, input+strings.Repeat("A", n), ErrSignatureInvalid, "invalid signature"); u.Err != nil {
			t.Errorf("%d characters: %v", n, u)
		}
	}
	if hits, misses := v.CacheStats(); hits != 0 || misses != 5 { // of 1366 twice, 44, 340, 342
		t.Errorf("%d hits, %d misses", hits, misses)
	}
	refuses(t, v, input+strings.Repeat("A", 42), ErrSignatureInvalid, "invalid signature")
	if hits, misses := v.CacheStats(); hits+misses != 5 {
		t.Error("a signature that is shorter than any is looked for in the cache")
	}
	refuses(t, v, input+".sig", ErrTokenMalformed, "jwt malformed")
	for _, space := range []string{" ", "\t", "\n", "\r"} {
		if _, err := newVerifier(t, keyFor(t, HS256)).Verify(t.Context(), mintWith(HS256, secret, space+`{"alg":"HS256"}`, `{}`)); err != nil {
			t.Errorf("a header that begins with %q: %v", space, err)
		}
	}
}

// TestCauses: the log says what exactly is wrong.
func TestCauses(t *testing.T) {
	introspector := func(claims string) *Verifier {
		return must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(claims), nil })))
	}
	for _, row := range []struct {
		v           *Verifier
		claims, why string
	}{
		{newVerifier(t, keyFor(t, HS256)), `{"exp":1700000000000}`, "not milliseconds"},
		{newVerifier(t, keyFor(t, HS256)), `{"exp":"1700000000"}`, "expected a number, seconds since 1970"},
		{newVerifier(t, keyFor(t, HS256)), `{"token_type":"Bearer","token_use":"refresh"}`, `token_use is "refresh": another kind of token`},
		{newVerifier(t, keyFor(t, HS256), RefuseIDTokens()), `{"nonce":"n"}`, "it has a claim of ID tokens: nonce"},
		{introspector(`{"active":true,"token_type":"access_token","token_use":"id"}`), "", `token_use is "id": another kind of token`},
	} {
		raw := "opaque"
		if row.claims != "" {
			raw = mint(HS256, row.claims)
		}
		if _, err := row.v.Verify(t.Context(), raw); err == nil || !strings.Contains(err.Error(), row.why) {
			t.Errorf("%s: got %v, want %q", row.claims, err, row.why)
		}
	}
}

// TestKindOfWords: a kind is told in any spelling, and no other word is taken for one.
func TestKindOfWords(t *testing.T) {
	for word, kind := range map[string]kinds{
		"refresh": kindRefresh, "Refresh-Token": kindRefresh, ":refresh": kindRefresh, "urn:x:refresh_token": kindRefresh,
		"AUTHORIZATION_CODE": kindOther, "authorization code": kindOther, "REFRESH": kindRefresh,
		"refresh0": 0, "refresh5": 0, "refresh9": 0, "refreshz": 0, "refreshZ": 0, "arefresh": 0, "Arefresh": 0,
		"refresh" + strings.Repeat("-", 33): kindRefresh, "refresh" + strings.Repeat("-", 34): 0,
	} {
		if got := kindOf(word); got != kind {
			t.Errorf("%q: got %b, want %b", word, got, kind)
		}
	}
	if _, err := newVerifier(t, keyFor(t, HS256), IgnoreTokenUse()).Verify(t.Context(), mintWith(HS256, secret, `{"alg":"HS256","typ":"refresh"}`, `{}`)); err != nil {
		t.Errorf("an ignored typ: %v", err)
	}
}

// TestOpaqueBounds: what an opaque token may consist of, and how long it lasts.
func TestOpaqueBounds(t *testing.T) {
	var shown *Handshake
	see := Validate(ClaimValidatorFunc(func(_ context.Context, _ *Token, h *Handshake) error { shown = h; return nil }))
	opaque := func(claims string, options ...Option) *Verifier {
		return must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(claims), nil }), append(options, WithClock(clock), see)...))
	}
	v := opaque(`{"active":true}`, MaxTokenLength(20))
	for raw, reason := range map[string]Reason{
		"a b~": "", "a\x7fb": ErrTokenMalformed, "a\x1fb": ErrTokenMalformed, "aäb": ErrTokenMalformed,
		strings.Repeat("a", 20): "", strings.Repeat("a", 21): ErrTokenTooLong,
	} {
		token, err := v.Verify(t.Context(), raw)
		if reason == "" && err != nil || reason != "" && !errors.Is(err, reason) {
			t.Errorf("%q: got %v, want %q", raw, err, reason)
		}
		if err == nil && !token.ValidUntil().Equal(now.Add(24*time.Hour)) {
			t.Errorf("%q is good until %v", raw, token.ValidUntil())
		}
	}
	if shown == nil {
		t.Error("the validator got no handshake")
	}
	h := &Handshake{Header: map[string][]string{"Authorization": {"Bearer opaque"}}, Namespace: "/a"}
	if _, err := v.Authenticate(t.Context(), h); err != nil || shown != h {
		t.Errorf("the validator got %+v, and the error is %v", shown, err)
	}
	token, err := opaque(`{"active":true}`, MaxLifetime(1<<63-1)).Verify(t.Context(), "opaque")
	if err != nil || token.ValidUntil().Before(now.AddDate(99, 0, 0)) || token.ValidUntil().After(now.AddDate(101, 0, 0)) {
		t.Errorf("got %v", err)
	}
}

// own decodes itself, whatever the letter case of its members.
type own struct {
	Admin bool `json:"admin"`
}

func (o *own) UnmarshalJSON([]byte) error { o.Admin = true; return nil }

// TestNamesThatNoFieldHas: only names of fields that encoding/json decodes into are
// compared without letter case.
func TestNamesThatNoFieldHas(t *testing.T) {
	var claims struct {
		A own
		Embedded
	}
	token := &Token{payload: `{"A":{"ADMIN":1},"embedded":{"X":1}}`}
	if err := token.Claims(&claims); err != nil || !claims.A.Admin {
		t.Errorf("got %+v, %v", claims, err)
	}
}

// Embedded has a field whose name encoding/json takes for one of the struct around it.
type Embedded struct {
	X int `json:"x"`
}

// TestOneOfPlaces: RequireBearerHeader allows no other place, also inside of OneOf.
func TestOneOfPlaces(t *testing.T) {
	h := &Handshake{Header: map[string][]string{"Authorization": {"Bearer x"}}}
	if raw, err := OneOf(RequireBearerHeader()).Extract(t.Context(), h); raw != "x" || err != nil {
		t.Errorf("by itself: got %q, %v", raw, err)
	}
	if raw, err := OneOf(OneOf(RequireBearerHeader()), Query("t")).Extract(t.Context(), h); raw != "" || err == nil || !strings.Contains(err.Error(), "RequireBearerHeader refuses") {
		t.Errorf("beside another: got %q, %v", raw, err)
	}
	for given, want := range map[string]string{
		"bearer": "bearer", "Bearer ": "Bearer ", "bearer  x": "x", "bearerx": "bearerx", "x bearer": "x bearer", "BEARER x y": "x y",
		"bearer%20x": "bearer%20x",
	} {
		if raw, err := Query("t").Extract(t.Context(), &Handshake{Query: map[string][]string{"t": {given}}}); raw != want || err != nil {
			t.Errorf("%q: got %q, %v", given, raw, err)
		}
	}
	for given, want := range map[string]string{"bearer%20x": "x", "Bearer%20%20x": "%20x", "bearer%2": "bearer%2", "x%20y": "x%20y"} {
		cookie := &Handshake{Header: map[string][]string{"Cookie": {"t=" + given}}}
		if raw, err := Cookie("t").Extract(t.Context(), cookie); raw != want || err != nil {
			t.Errorf("cookie %q: got %q, %v", given, raw, err)
		}
	}
}

// TestUsualAudienceAllocatesNothing: a list of one string is read in place.
func TestUsualAudienceAllocatesNothing(t *testing.T) {
	var one [1]string
	for text, most := range map[string]float64{`["https://api.example.com"]`: 0, `"https://api.example.com"`: 0} {
		if n := testing.AllocsPerRun(10, func() {
			if list, ok := audience(text, &one); !ok || len(list) != 1 || list[0] != "https://api.example.com" {
				t.Errorf("%s: got %q", text, list)
			}
		}); n > most {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
	if _, err := StillActive(t.Context(), IntrospectorFunc(func(context.Context, string) ([]byte, error) {
		return nil, (*UnauthorizedError)(nil)
	}), "x"); err == nil || strings.Contains(fmt.Sprint(err), "panic") {
		t.Errorf("a nil refusal of the introspector: %v", err)
	}
}
