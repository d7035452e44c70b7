package verifier

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

// The attack table: what a client may send, and what is said to it. Every row
// that is refused also names the message, which clients match on; a row without
// a reason is accepted.

func seg(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// withSignature is a token of the header and payload with any signature at all.
func withSignature(header, payload string, signature []byte) string {
	return encode(header) + "." + encode(payload) + "." + seg(signature)
}

type attack struct {
	name    string
	token   string
	reason  Reason
	message string
}

// runAttacks presents every token four times: what a verifier remembers must not
// change its answer.
func runAttacks(t *testing.T, v *Verifier, rows []attack) {
	t.Helper()
	same := func(c *config) error { *c = v.config; return nil }
	remembering, err := New(v.keys, same, CacheVerified(1000))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, v := range []*Verifier{v, v, remembering, remembering} {
				if row.reason != "" {
					refuses(t, v, row.token, row.reason, row.message)
					continue
				}
				token, err := v.Verify(t.Context(), row.token)
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if token.Raw() != row.token {
					t.Errorf("Raw is %q", token.Raw())
				}
			}
		})
	}
}

// TestAttackAlgorithm: the header's alg chooses nothing.
func TestAttackAlgorithm(t *testing.T) {
	const payload = `{"sub":"jane"}`
	public := &rsaKey().PublicKey
	der := must(x509.MarshalPKIXPublicKey(public))
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmacOf := func(secret []byte) string {
		return mintWith(HS256, secret, `{"alg":"HS256","typ":"JWT"}`, payload)
	}
	var rows []attack
	for _, none := range []string{"none", "None", "NONE", "nOnE", "none ", ""} {
		message, reason := "invalid algorithm", ErrAlgorithmNotAllowed
		if none == "" {
			message, reason = "invalid token", ErrTokenMalformed
		}
		header := fmt.Sprintf(`{"alg":%q}`, none)
		rows = append(rows,
			attack{"alg " + none + ", no signature", withSignature(header, payload, nil), ErrSignatureInvalid, "jwt signature is required"},
			attack{"alg " + none + ", some signature", withSignature(header, payload, []byte("x")), reason, message},
			attack{"alg " + none + ", a good HMAC", mintWith(HS256, secret, header, payload), reason, message},
		)
	}
	rows[len(rows)-3].reason, rows[len(rows)-3].message = ErrTokenMalformed, "invalid token" // no alg at all
	rows = append(rows,
		attack{"HS256 under the public key's PEM", hmacOf(block), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"HS256 under the public key's DER", hmacOf(der), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"HS256 under its modulus", hmacOf(public.N.Bytes()), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"ES256 for an RSA key", mint(ES256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"EdDSA for an RSA key", mint(EdDSA, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"RS256 called PS256", mintWith(RS256, rsaKey(), `{"alg":"PS256"}`, payload), ErrSignatureInvalid, "invalid signature"},
		attack{"RS256 called RS512", mintWith(RS256, rsaKey(), `{"alg":"RS512"}`, payload), ErrSignatureInvalid, "invalid signature"},
		attack{"PS256 called RS256", mintWith(PS256, rsaKey(), `{"alg":"RS256"}`, payload), ErrSignatureInvalid, "invalid signature"},
		attack{"alg in another case", mintWith(RS256, rsaKey(), `{"alg":"rs256"}`, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"alg with a space", mintWith(RS256, rsaKey(), `{"alg":"RS256 "}`, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"alg of encryption", mintWith(RS256, rsaKey(), `{"alg":"RSA-OAEP","enc":"A128GCM"}`, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"alg that nobody knows", mintWith(RS256, rsaKey(), `{"alg":"XS256"}`, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
		attack{"alg a number", mintWith(RS256, rsaKey(), `{"alg":256}`, payload), ErrTokenMalformed, "invalid token"},
		attack{"alg null", mintWith(RS256, rsaKey(), `{"alg":null}`, payload), ErrTokenMalformed, "invalid token"},
		attack{"alg a list", mintWith(RS256, rsaKey(), `{"alg":["RS256"]}`, payload), ErrTokenMalformed, "invalid token"},
		attack{"no alg", mintWith(RS256, rsaKey(), `{"typ":"JWT"}`, payload), ErrTokenMalformed, "invalid token"},
		attack{"alg escaped", mintWith(RS256, rsaKey(), `{"\u0061lg":"RS\u003256"}`, payload), "", ""},
	)
	runAttacks(t, newVerifier(t, keyFor(t, RS256)), rows)

	t.Run("for a secret", func(t *testing.T) {
		runAttacks(t, newVerifier(t, keyFor(t, HS256)), []attack{
			{"RS256", mint(RS256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"ES256", mint(ES256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"EdDSA", mint(EdDSA, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"an empty secret", mintWith(HS256, []byte{}, `{"alg":"HS256"}`, payload), ErrSignatureInvalid, "invalid signature"},
			{"HS512 called HS256", mintWith(HS512, secret, `{"alg":"HS256"}`, payload), ErrSignatureInvalid, "invalid signature"},
		})
	})
	t.Run("narrowed", func(t *testing.T) {
		runAttacks(t, newVerifier(t, keyFor(t, RS256), Algorithms(PS256, HS256)), []attack{
			{"one that the key allows and the verifier does not", mint(RS256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"one that the verifier allows and the key does not", mint(HS256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"one that both allow", mint(PS256, payload), "", ""},
		})
		narrow := static(newKey(t, &rsaKey().PublicKey, KeyOptions{Algorithms: []Algorithm{RS512}}))
		runAttacks(t, newVerifier(t, narrow), []attack{
			{"one that the key does not", mint(RS256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
			{"the key's", mint(RS512, payload), "", ""},
		})
	})
	t.Run("no keys are asked for", func(t *testing.T) {
		asked := 0
		v := newVerifier(t, KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { asked++; return nil, nil }), Algorithms(RS256))
		refuses(t, v, mint(HS256, payload), ErrAlgorithmNotAllowed, "invalid algorithm")
		refuses(t, v, withSignature(`{"alg":"none"}`, payload, []byte("x")), ErrAlgorithmNotAllowed, "invalid algorithm")
		if asked != 0 {
			t.Errorf("keys were asked for %d times", asked)
		}
	})
}

// TestAttackSignature: what is not a signature of the algorithm, whatever it
// may be taken for elsewhere.
func TestAttackSignature(t *testing.T) {
	const payload = `{"sub":"jane"}`
	for _, a := range []Algorithm{HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA} {
		header := fmt.Sprintf(`{"alg":%q}`, a)
		input := encode(header) + "." + encode(payload)
		good := signature(a, signer(a), input)
		rows := []attack{
			{"good", withSignature(header, payload, good), "", ""},
			{"one byte", withSignature(header, payload, good[:1]), ErrSignatureInvalid, "invalid signature"},
			{"a byte less", withSignature(header, payload, good[:len(good)-1]), ErrSignatureInvalid, "invalid signature"},
			{"a byte more", withSignature(header, payload, append(good[:len(good):len(good)], 0)), ErrSignatureInvalid, "invalid signature"},
			{"a zero before", withSignature(header, payload, append([]byte{0}, good...)), ErrSignatureInvalid, "invalid signature"},
			{"zeros", withSignature(header, payload, make([]byte, len(good))), ErrSignatureInvalid, "invalid signature"},
			{"twice", withSignature(header, payload, append(good[:len(good):len(good)], good...)), ErrSignatureInvalid, "invalid signature"},
			{"very long", withSignature(header, payload, make([]byte, 8<<10)), ErrSignatureInvalid, "invalid signature"},
			{"of another payload", withSignature(header, `{"sub":"john"}`, good), ErrSignatureInvalid, "invalid signature"},
			{"of another header", withSignature(fmt.Sprintf(`{"alg":%q,"kid":"x"}`, a), payload, good), ErrSignatureInvalid, "invalid signature"},
			{"of only the payload", withSignature(header, payload, signature(a, signer(a), encode(payload))), ErrSignatureInvalid, "invalid signature"},
			{"none", input + ".", ErrSignatureInvalid, "jwt signature is required"},
		}
		v := newVerifier(t, keyFor(t, a))
		t.Run(string(a), func(t *testing.T) { runAttacks(t, v, rows) })
	}

	t.Run("ECDSA", func(t *testing.T) {
		for a, key := range map[Algorithm]*ecdsa.PrivateKey{ES256: p256Key(), ES384: p384Key(), ES512: p521Key()} {
			header := fmt.Sprintf(`{"alg":%q}`, a)
			input := encode(header) + "." + encode(payload)
			size := (key.Curve.Params().BitSize + 7) / 8
			good := signature(a, key, input)
			n := make([]byte, size)
			key.Curve.Params().N.FillBytes(n)
			h := hashOf(a).New()
			h.Write([]byte(input))
			der := must(ecdsa.SignASN1(rand.Reader, key, h.Sum(nil)))
			concat := func(r, s []byte) []byte { return append(append([]byte{}, r...), s...) }
			zero, one := make([]byte, size), append(make([]byte, size-1), 1)
			pad := func(b []byte) []byte { return append([]byte{0}, b...) }
			v := newVerifier(t, keyFor(t, a))
			t.Run(string(a), func(t *testing.T) {
				runAttacks(t, v, []attack{
					{"(0,0)", withSignature(header, payload, concat(zero, zero)), ErrSignatureInvalid, "invalid signature"},
					{"(0,1)", withSignature(header, payload, concat(zero, one)), ErrSignatureInvalid, "invalid signature"},
					{"(1,0)", withSignature(header, payload, concat(one, zero)), ErrSignatureInvalid, "invalid signature"},
					{"(n,n)", withSignature(header, payload, concat(n, n)), ErrSignatureInvalid, "invalid signature"},
					{"(r,0)", withSignature(header, payload, concat(good[:size], zero)), ErrSignatureInvalid, "invalid signature"},
					{"(s,r)", withSignature(header, payload, concat(good[size:], good[:size])), ErrSignatureInvalid, "invalid signature"},
					{"DER", withSignature(header, payload, der), ErrSignatureInvalid, "invalid signature"},
					{"each number a byte longer", withSignature(header, payload, concat(pad(good[:size]), pad(good[size:]))), ErrSignatureInvalid, "invalid signature"},
					{"split elsewhere", withSignature(header, payload, append(pad(good[:size]), good[size+1:]...)), ErrSignatureInvalid, "invalid signature"},
				})
			})
		}
		t.Run("a wrong curve", func(t *testing.T) {
			runAttacks(t, newVerifier(t, keyFor(t, ES384)), []attack{
				{"ES256", mint(ES256, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
				{"ES256 signed by P-384", mintWith(ES256, p384Key(), `{"alg":"ES256"}`, payload), ErrAlgorithmNotAllowed, "invalid algorithm"},
				{"ES384 signed by P-256", mintWith(ES384, p256Key(), `{"alg":"ES384"}`, payload), ErrSignatureInvalid, "invalid signature"},
				{"ES384 by its own key", mint(ES384, payload), "", ""},
			})
		})
	})

	t.Run("PSS salt", func(t *testing.T) {
		var rows []attack
		for a, sizes := range map[Algorithm][3]int{PS256: {32, 0, 64}, PS384: {48, 32, 64}, PS512: {64, 32, 0}} {
			for i, salt := range sizes {
				header := fmt.Sprintf(`{"alg":%q}`, a)
				input := encode(header) + "." + encode(payload)
				h := hashOf(a).New()
				h.Write([]byte(input))
				options := &rsa.PSSOptions{SaltLength: salt}
				if salt == 0 {
					options.SaltLength = rsa.PSSSaltLengthAuto // the longest that fits
				}
				row := attack{fmt.Sprintf("%s, %d", a, salt), withSignature(header, payload,
					must(rsa.SignPSS(rand.Reader, rsaKey(), hashOf(a), h.Sum(nil), options))), ErrSignatureInvalid, "invalid signature"}
				if i == 0 {
					row.reason, row.message = "", ""
				}
				rows = append(rows, row)
			}
		}
		runAttacks(t, newVerifier(t, keyFor(t, PS256)), rows)
	})

	t.Run("HMAC", func(t *testing.T) {
		input := encode(`{"alg":"HS256"}`) + "." + encode(payload)
		sum := func(secret []byte) []byte {
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(input))
			return m.Sum(nil)
		}
		plain := sha256.Sum256([]byte(input))
		long := sha512.Sum512([]byte(input))
		runAttacks(t, newVerifier(t, keyFor(t, HS256)), []attack{
			{"another secret", input + "." + seg(sum([]byte("another"))), ErrSignatureInvalid, "invalid signature"},
			{"half", input + "." + seg(sum(secret)[:16]), ErrSignatureInvalid, "invalid signature"},
			{"the hash without a secret", input + "." + seg(plain[:]), ErrSignatureInvalid, "invalid signature"},
			{"a longer hash", input + "." + seg(long[:]), ErrSignatureInvalid, "invalid signature"},
			{"in hexadecimal", input + "." + seg(fmt.Appendf(nil, "%x", sum(secret))), ErrSignatureInvalid, "invalid signature"},
		})
	})

	t.Run("a key of another owner", func(t *testing.T) {
		other := must(rsa.GenerateKey(rand.Reader, 2048))
		runAttacks(t, newVerifier(t, keyFor(t, RS256)), []attack{
			{"RSA", mintWith(RS256, other, `{"alg":"RS256"}`, payload), ErrSignatureInvalid, "invalid signature"},
		})
	})
}

// TestAttackHeader: what a header may say beside its alg.
func TestAttackHeader(t *testing.T) {
	const payload = `{"sub":"jane"}`
	token := func(header string) string { return mintWith(HS256, secret, header, payload) }
	public := p256Key().PublicKey
	point := must(public.Bytes())
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, seg(point[1:33]), seg(point[33:]))
	own := func(header string) string { return mintWith(ES256, p256Key(), header, payload) }
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	many := strings.Builder{}
	for i := range 60 {
		fmt.Fprintf(&many, `,"m%d":%d`, i, i)
	}

	runAttacks(t, newVerifier(t, keyFor(t, HS256)), []attack{
		{"typ, kid and cty", token(`{"alg":"HS256","typ":"JWT","kid":"k","cty":"x"}`), "", ""},
		{"white space inside", token(" {\r\n\t\"alg\" : \"HS256\" } "), "", ""},
		{"members of others", token(`{"alg":"HS256","x":{"y":[1,2,{"z":null}]},"w":-1.5e3}`), "", ""},
		{"many members", token(`{"alg":"HS256"` + many.String() + `}`), ErrTokenMalformed, "invalid token"},
		{"a long header", token(`{"alg":"HS256","x5u":"` + strings.Repeat("M", 750) + `"}`), ErrTokenMalformed, "invalid token"},
		{"a long header, not too long", token(`{"alg":"HS256","x5u":"` + strings.Repeat("M", 700) + `"}`), "", ""},
		{"a long header with certificates", token(`{"alg":"HS256","kid":"k","x5c":["` + strings.Repeat("M", 3000) + `"]}`), "", ""},

		{"crit, unknown", token(`{"alg":"HS256","crit":["exp"],"exp":1}`), ErrTokenMalformed, "invalid token"},
		{"crit, empty", token(`{"alg":"HS256","crit":[]}`), ErrTokenMalformed, "invalid token"},
		{"crit, null", token(`{"alg":"HS256","crit":null}`), ErrTokenMalformed, "invalid token"},
		{"crit before a bad alg", token(`{"crit":["x"],"alg":"none"}`), ErrTokenMalformed, "invalid token"},
		{"b64 false", token(`{"alg":"HS256","b64":false}`), ErrTokenMalformed, "invalid token"},
		{"b64 false and crit", token(`{"alg":"HS256","b64":false,"crit":["b64"]}`), ErrTokenMalformed, "invalid token"},
		{"b64 true and crit", token(`{"alg":"HS256","b64":true,"crit":["b64"]}`), ErrTokenMalformed, "invalid token"},
		{"b64 true", token(`{"alg":"HS256","b64":true}`), "", ""},
		{"b64 of another type", token(`{"alg":"HS256","b64":"true"}`), ErrTokenMalformed, "invalid token"},

		{"jwk, and its signature", own(`{"alg":"ES256","jwk":` + jwk + `}`), ErrAlgorithmNotAllowed, "invalid algorithm"},
		{"jku", own(`{"alg":"ES256","jku":"https://evil.example/jwks.json"}`), ErrAlgorithmNotAllowed, "invalid algorithm"},
		{"jwk beside a good signature, not looked at", token(`{"alg":"HS256","jwk":{"kty":1},"jku":2,"x5u":3,"x5c":4,"x5t":5}`), "", ""},

		{"two algs", token(`{"alg":"HS256","alg":"HS256"}`), ErrTokenMalformed, "invalid token"},
		{"two algs, one none", token(`{"alg":"none","alg":"HS256"}`), ErrTokenMalformed, "invalid token"},
		{"two algs, the other way round", token(`{"alg":"HS256","alg":"none"}`), ErrTokenMalformed, "invalid token"},
		{"two algs in two cases", token(`{"alg":"HS256","ALG":"none"}`), ErrTokenMalformed, "invalid token"},
		{"two algs, one escaped", token(`{"alg":"HS256","\u0061lg":"none"}`), ErrTokenMalformed, "invalid token"},
		{"two kids", token(`{"alg":"HS256","kid":"a","kid":"b"}`), ErrTokenMalformed, "invalid token"},
		{"two members nobody reads", token(`{"alg":"HS256","x":1,"X":2}`), ErrTokenMalformed, "invalid token"},
		{"two among many", token(`{"alg":"HS256"` + many.String() + `,"M59":1}`), ErrTokenMalformed, "invalid token"},
		{"two by the Kelvin sign", token("{\"alg\":\"HS256\",\"kid\":\"a\",\"\u212aid\":\"b\"}"), ErrTokenMalformed, "invalid token"},
		{"alg only in capitals", token(`{"ALG":"HS256"}`), ErrTokenMalformed, "invalid token"},

		{"kid a number", token(`{"alg":"HS256","kid":1}`), ErrTokenMalformed, "invalid token"},
		{"kid null", token(`{"alg":"HS256","kid":null}`), ErrTokenMalformed, "invalid token"},
		{"typ a number", token(`{"alg":"HS256","typ":1}`), ErrTokenMalformed, "invalid token"},
		{"cty a list", token(`{"alg":"HS256","cty":[]}`), ErrTokenMalformed, "invalid token"},

		{"a list", token(`["HS256"]`), ErrTokenMalformed, "invalid token"},
		{"a string", token(`"HS256"`), ErrTokenMalformed, "invalid token"},
		{"null", token(`null`), ErrTokenMalformed, "invalid token"},
		{"a number", token(`1`), ErrTokenMalformed, "invalid token"},
		{"nothing", token(``), ErrTokenMalformed, "invalid token"},
		{"an empty object", token(`{}`), ErrTokenMalformed, "invalid token"},
		{"trailing garbage", token(`{"alg":"HS256"}x`), ErrTokenMalformed, "invalid token"},
		{"two objects", token(`{"alg":"HS256"}{"alg":"none"}`), ErrTokenMalformed, "invalid token"},
		{"cut off", token(`{"alg":"HS256"`), ErrTokenMalformed, "invalid token"},
		{"a comma too many", token(`{"alg":"HS256",}`), ErrTokenMalformed, "invalid token"},
		{"single quotes", token(`{'alg':'HS256'}`), ErrTokenMalformed, "invalid token"},
		{"a comment", token(`{"alg":"HS256"/**/}`), ErrTokenMalformed, "invalid token"},
		{"a byte order mark", token("\ufeff" + `{"alg":"HS256"}`), ErrTokenMalformed, "invalid token"},
		{"UTF-16", token("{\x00\"\x00a\x00l\x00g\x00"), ErrTokenMalformed, "invalid token"},
		{"broken UTF-8", token("{\"alg\":\"HS256\",\"kid\":\"\xff\"}"), ErrTokenMalformed, "invalid token"},
		{"a control character", token("{\"alg\":\"HS256\",\"kid\":\"\x01\"}"), ErrTokenMalformed, "invalid token"},
		{"nested deeply", token(`{"alg":"HS256","x":` + deep + `}`), ErrTokenMalformed, "invalid token"},
	})
}

// spare sets the lowest bit of the last character, which stands for no byte.
func spare(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	if len(s)%4 == 0 || last&1 != 0 {
		panic("no bits to spare in " + s)
	}
	return s[:len(s)-1] + alphabet[last|1:last|1+1]
}
