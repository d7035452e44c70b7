//lint:file-ignore SA1019 Raw coordinates are set here because they are changed.

package verifier

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPatternsMatchTheWhole: in a POSIX pattern ^ and $ stand for the ends of
// lines, of which a claim can have several.
func TestPatternsMatchTheWhole(t *testing.T) {
	for name, option := range map[string]func(*regexp.Regexp) Option{
		"IssuerMatching":   IssuerMatching,
		"AudienceMatching": AudienceMatching,
		"ClaimMatches":     func(p *regexp.Regexp) Option { return ClaimMatches("iss", p) },
	} {
		for _, pattern := range []*regexp.Regexp{regexp.MustCompile(`^good[^x]*$`), regexp.MustCompilePOSIX(`^good[^x]*$`)} {
			v := newVerifier(t, keyFor(t, HS256), option(pattern))
			if _, err := v.Verify(t.Context(), mint(HS256, `{"iss":"goodness","aud":"goodness"}`)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, value := range []string{`evil\ngood`, `good\nevilx`, `evil\ngood\nevil`} {
				if _, err := v.Verify(t.Context(), mint(HS256, `{"iss":"`+value+`","aud":"`+value+`"}`)); err == nil {
					t.Errorf("%s: %q matches", name, value)
				}
			}
		}
	}
}

// TestPublicKeyIsItsOwn: who made a key cannot change it afterwards.
func TestPublicKeyIsItsOwn(t *testing.T) {
	n := public(signer(RS256)).(*rsa.PublicKey)
	ec := public(signer(ES256)).(*ecdsa.PublicKey)
	ed := public(signer(EdDSA)).(ed25519.PublicKey)
	given := struct {
		rsa *rsa.PublicKey
		ec  *ecdsa.PublicKey
		ed  ed25519.PublicKey
	}{
		&rsa.PublicKey{N: new(big.Int).Set(n.N), E: n.E},
		&ecdsa.PublicKey{Curve: ec.Curve, X: new(big.Int).Set(ec.X), Y: new(big.Int).Set(ec.Y)},
		slices.Clone(ed),
	}
	keys := map[Algorithm]*Key{
		RS256: newKey(t, given.rsa, KeyOptions{}),
		PS256: newKey(t, given.rsa, KeyOptions{}),
		ES256: newKey(t, given.ec, KeyOptions{}),
		EdDSA: newKey(t, given.ed, KeyOptions{}),
	}
	given.rsa.N.SetInt64(15)
	given.rsa.E = 1
	given.ec.X.SetInt64(1)
	given.ec.Curve = elliptic.P384()
	clear(given.ed)
	for a, k := range keys {
		if _, err := newVerifier(t, static(k)).Verify(t.Context(), mint(a, `{}`)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestTypeIsAskedForOnce: a second Type would undo the first, and the profile.
func TestTypeIsAskedForOnce(t *testing.T) {
	for name, options := range map[string][]Option{
		"twice":             {Type("a"), Type("b")},
		"after the profile": {Issuer("i"), Audience("a"), AccessTokenProfile(), Type("JWT")},
		"before it":         {Issuer("i"), Audience("a"), Type("JWT"), AccessTokenProfile()},
	} {
		if _, err := New(keyFor(t, HS256), options...); err == nil || !strings.HasPrefix(err.Error(), "verifier: Type") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(keyFor(t, HS256), MaxAge(time.Minute), MaxAge(time.Hour)); err == nil || !strings.HasPrefix(err.Error(), "verifier: MaxAge") {
		t.Errorf("MaxAge twice: %v", err)
	}
}

// TestPublicKeyIsNotASecret: anyone who knows it could sign.
func TestPublicKeyIsNotASecret(t *testing.T) {
	pem := "-----BEGIN PUBLIC KEY-----\n" + strings.Repeat("A", 64) + "\n-----END PUBLIC KEY-----\n"
	if _, err := NewKey([]byte(pem), KeyOptions{}); err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Errorf("%v", err)
	}
}

// TestRequirementsAreTheirOwn: who gave values cannot change them afterwards.
func TestRequirementsAreTheirOwn(t *testing.T) {
	for name, option := range map[string]func(...string) Option{
		"RequireClaims": RequireClaims, "RequireScope": RequireScope, "RequirePermission": RequirePermission,
		"RequireAnyScope": RequireAnyScope, "RequireAnyPermission": RequireAnyPermission,
		"ClaimIncludes": func(v ...string) Option { return ClaimIncludes("scope", v...) },
	} {
		values := []string{"admin"}
		v := newVerifier(t, keyFor(t, HS256), option(values...))
		values[0] = "scope"
		if _, err := v.Verify(t.Context(), mint(HS256, `{"scope":"scope","permissions":["scope"]}`)); err == nil {
			t.Errorf("%s: it asks for what was put into the slice later", name)
		}
	}
}

// TestIssuerIsCheap: what nobody signed yet is looked over, and nothing is made of
// its members, of which there can be thousands.
func TestIssuerIsCheap(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"iss":"i"`)
	for i := range 1500 {
		fmt.Fprintf(&text, `,"%x":1`, i)
	}
	segment := encode(text.String() + "}")
	allocations := testing.AllocsPerRun(10, func() {
		if u := newUnverified(nil, segment, true); u.Issuer() != "i" {
			t.Error("another issuer")
		}
	})
	if allocations > 10 { // it is two; the race detector has the pool of scratches forget some
		t.Errorf("%v allocations", allocations)
	}
	for payload, want := range map[string]string{
		`{"iss":"i","a":1,"a":2}`:    "i", // refused once the signature holds
		`{"iss":"i","iss":"j"}`:      "",
		`{"iss":"i","iss":"i"}`:      "",
		`{"iss":"i","ISS":"j"}`:      "",
		`{"ISS":"i"}`:                "",
		`{"iss":"i"`:                 "",
		`{"iss":"i"}}`:               "",
		"{\"iss\":\"i\",\"\xff\":1}": "",
	} {
		u := newUnverified(nil, encode(payload), true)
		if got := u.Issuer(); got != want {
			t.Errorf("%s: issuer %q, want %q", payload, got, want)
		}
	}
	refuses(t, newVerifier(t, keyFor(t, HS256)), mint(HS256, `{"iss":"i","a":1,"a":2}`), ErrTokenMalformed, "invalid token")
}

// TestGarbageIsNotHashed: what cannot have been accepted before is not looked for
// among what was, which would cost a hash of all of it.
func TestGarbageIsNotHashed(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256), CacheVerified(8))
	long := strings.Repeat("a", 8<<10)
	for _, raw := range []string{
		long + "." + long[:100] + "." + long[:43], "e30." + long + ".", "e30." + long + ".AA", "e30.e30." + long, long,
	} {
		if _, err := v.Verify(t.Context(), raw); err == nil {
			t.Errorf("%.20s is accepted", raw)
		}
	}
	if hits, misses := v.CacheStats(); hits+misses != 0 {
		t.Errorf("%d lookups", hits+misses)
	}
	for _, a := range []Algorithm{HS256, RS256, ES512} {
		v := newVerifier(t, keyFor(t, a), CacheVerified(8))
		for range 2 {
			if _, err := v.Verify(t.Context(), mint(a, `{}`)); err != nil {
				t.Error(err)
			}
		}
		if hits, misses := v.CacheStats(); a != ES512 && hits != 1 || hits+misses != 2 {
			t.Errorf("%s: %d hits, %d misses", a, hits, misses)
		}
	}
}

// TestHalfACharacter: two strings that differ in it must not become one, as in
// encoding/json they do.
func TestHalfACharacter(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	for _, half := range []string{`\ud800`, `\udfff`, `\ud800\ud800`, `\udfff\ud800`, `\ud800x`, `\ud800\n`, `\uD83D\u0041`} {
		for claim, value := range map[string]string{"sub": `"joe` + half + `"`, "iss": `"` + half + `"`, "jti": `"` + half + `"`, "aud": `["a","` + half + `"]`} {
			refuses(t, v, mint(HS256, `{"`+claim+`":`+value+`}`), ErrClaimInvalid, "invalid "+claim+" value")
		}
		refuses(t, v, mintWith(HS256, secret, `{"alg":"HS256","kid":"`+half+`"}`, `{}`), ErrTokenMalformed, "invalid token")
		// What the application reads is its own affair: names get cut in the middle.
		if _, err := v.Verify(t.Context(), mint(HS256, `{"name":"`+half+`"}`)); err != nil {
			t.Errorf("%s: %v", half, err)
		}
	}
	for text, want := range map[string]string{`\ud83d\ude00`: "😀", `\\ud800`: `\ud800`, `\ufffd`: "\ufffd", `\uD83D\uDE00\u0041`: "😀A"} {
		token, err := v.Verify(t.Context(), mint(HS256, `{"sub":"`+text+`"}`))
		if err != nil || token.Subject != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestHeaderMembers: a header has at most sixteen members.
func TestHeaderMembers(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	for n, good := range map[int]bool{15: true, maxHeaderMembers: true, maxHeaderMembers + 1: false} {
		header := `{"alg":"HS256"`
		for i := range n - 1 {
			header += fmt.Sprintf(`,"x%d":0`, i)
		}
		if _, err := v.Verify(t.Context(), mintWith(HS256, secret, header+"}", `{}`)); (err == nil) != good {
			t.Errorf("%d members: got %v", n, err)
		}
	}
}
