package verifier

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// The published examples, spelled as in the RFCs. Where an example signs text
// that is not a claims set, the token is refused for its payload, which is
// looked at only once the signature holds.

func bytesOf(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }

func intOf(s string) *big.Int { return new(big.Int).SetBytes(bytesOf(s)) }

func pointOf(c elliptic.Curve, x, y string) *ecdsa.PublicKey {
	return must(ecdsa.ParseUncompressedPublicKey(c, slices.Concat([]byte{4}, bytesOf(x), bytesOf(y))))
}

const (
	joesClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

	frodo = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9h" +
		"ZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0" +
		"IG9mZiB0by4"

	bilboN = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"

	bilbo = "bilbo.baggins@hobbiton.example"
)

var vectors = []struct {
	name      string
	key       any
	header    string
	payload   string
	signature string
	algorithm Algorithm
	keyID     string
	claims    bool // whether the payload is a claims set
}{
	{
		"RFC 7515 A.1, RFC 7519 §3.1, HS256",
		bytesOf("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", joesClaims,
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", HS256, "", true,
	},
	{
		"RFC 7515 A.2, RS256",
		&rsa.PublicKey{N: intOf("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"), E: 65537},
		"eyJhbGciOiJSUzI1NiJ9", joesClaims,
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		RS256, "", true,
	},
	{
		"RFC 7515 A.3, ES256",
		pointOf(elliptic.P256(), "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
		"eyJhbGciOiJFUzI1NiJ9", joesClaims,
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", ES256, "", true,
	},
	{
		"RFC 7515 A.4, ES512",
		pointOf(elliptic.P521(), "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"),
		"eyJhbGciOiJFUzUxMiJ9", "UGF5bG9hZA",
		"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
		ES512, "", false,
	},
	{
		"RFC 7520 §4.1, RS256",
		&rsa.PublicKey{N: intOf(bilboN), E: 65537},
		"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", frodo,
		"MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
		RS256, bilbo, false,
	},
	{
		"RFC 7520 §4.2, PS384",
		&rsa.PublicKey{N: intOf(bilboN), E: 65537},
		"eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", frodo,
		"cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
		PS384, bilbo, false,
	},
	{
		"RFC 7520 §4.3, ES512",
		pointOf(elliptic.P521(), "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt", "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"),
		"eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", frodo,
		"AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
		ES512, bilbo, false,
	},
	{
		"RFC 7520 §4.4, HS256",
		bytesOf("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"),
		"eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9", frodo,
		"s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0", HS256, "018c0ae5-4d9b-471b-bfd6-eef314bc7037", false,
	},
	{
		"RFC 8037 A.4, EdDSA",
		ed25519.PublicKey(bytesOf("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
		"eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", EdDSA, "", false,
	},
}

func TestRFCVectors(t *testing.T) {
	joesTime := WithClock(func() time.Time { return time.Unix(1300819379, 0) })
	for _, tt := range vectors {
		t.Run(tt.name, func(t *testing.T) {
			var seen Header
			keys := KeyProviderFunc(func(_ context.Context, u *UnverifiedToken) ([]*Key, error) {
				seen = u.Header
				return []*Key{newKey(t, tt.key, KeyOptions{})}, nil
			})
			v := newVerifier(t, keys, joesTime)

			token, err := v.Verify(t.Context(), tt.header+"."+tt.payload+"."+tt.signature)
			if seen.Algorithm != tt.algorithm || seen.KeyID != tt.keyID {
				t.Errorf("header %+v", seen)
			}
			if !tt.claims {
				if !errors.Is(err, errNotClaims) {
					t.Errorf("got %v, want %v: the signature holds", err, errNotClaims)
				}
			} else if err != nil {
				t.Error(err)
			} else {
				var claims map[string]any
				if err := token.Claims(&claims); err != nil || claims["http://example.com/is_root"] != true {
					t.Errorf("claims %v, %v", claims, err)
				}
				if token.Issuer != "joe" || !token.ExpiresAt.Equal(time.Unix(1300819380, 0)) {
					t.Errorf("iss %q, exp %v", token.Issuer, token.ExpiresAt)
				}
				late := newVerifier(t, keys)
				refuses(t, late, tt.header+"."+tt.payload+"."+tt.signature, ErrTokenExpired, "jwt expired")
			}

			// Whatever bit is wrong, in whatever is signed or the signature.
			signature := bytesOf(tt.signature)
			for _, i := range []int{0, len(signature) / 2, len(signature) - 1} {
				bad := append([]byte(nil), signature...)
				bad[i] ^= 1
				refuses(t, v, tt.header+"."+tt.payload+"."+base64.RawURLEncoding.EncodeToString(bad), ErrSignatureInvalid, "invalid signature")
			}
			payload := bytesOf(tt.payload)
			payload[len(payload)/2] ^= 1
			refuses(t, v, tt.header+"."+base64.RawURLEncoding.EncodeToString(payload)+"."+tt.signature, ErrSignatureInvalid, "invalid signature")
		})
	}
}

// TestRFCForms: of the serializations only the compact one with its payload is
// a token.
func TestRFCForms(t *testing.T) {
	v := newVerifier(t, static(newKey(t, bytesOf("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"), KeyOptions{})))
	const protected = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9"
	const signature = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
	tests := []struct {
		name, token string
		reason      Reason
		message     string
	}{
		{"RFC 7515 A.5, RFC 7519 §6.1: unsecured", "eyJhbGciOiJub25lIn0." + joesClaims + ".", ErrSignatureInvalid, "jwt signature is required"},
		{"RFC 7520 §4.5: detached", protected + ".." + signature, ErrSignatureInvalid, "invalid signature"},
		{"RFC 7520 §4.4: JSON, general", `{"payload":"` + frodo + `","signatures":[{"protected":"` + protected + `","signature":"` + signature + `"}]}`, ErrTokenMalformed, "jwt malformed"},
		{"RFC 7520 §4.4: JSON, flattened", `{"payload":"` + frodo + `","protected":"` + protected + `","signature":"` + signature + `"}`, ErrTokenMalformed, "jwt malformed"},
		{"RFC 7516: five parts", strings.Repeat("eyJhbGciOiJkaXIifQ.", 4) + "AA", ErrTokenMalformed, "jwt malformed"},
		{"RFC 7797 §4.2: unencoded payload", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.$.02.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", ErrTokenMalformed, "jwt malformed"},
		{"RFC 7797 §4.2: detached", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", ErrTokenMalformed, "invalid token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refuses(t, v, tt.token, tt.reason, tt.message) })
	}
}
