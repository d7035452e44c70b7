package keys_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestJWKSet(t *testing.T) {
	tests := []struct {
		name    string
		json    string
		options []keys.Option
		want    []string
	}{
		{"RSA", set(jwkOf(rsaKey(), nil)), nil, []string{":RS256"}},
		{"P-256", set(jwkOf(p256Key(), nil)), nil, []string{":ES256"}},
		{"P-384", set(jwkOf(p384Key(), nil)), nil, []string{":ES384"}},
		{"P-521", set(jwkOf(p521Key(), nil)), nil, []string{":ES512"}},
		{"Ed25519", set(jwkOf(edKey(), nil)), nil, []string{":EdDSA"}},
		{"a secret", set(jwkOf(secret, nil)), nil, []string{":HS256"}},
		{"a single key", jwkOf(rsaKey(), members{"kid": "a"}).String(), nil, []string{"a:RS256"}},
		{"several", set(jwkOf(rsaKey(), members{"kid": "a"}), jwkOf(p256Key(), members{"kid": "b"})), nil, []string{"a:RS256", "b:ES256"}},
		{"for signatures", set(jwkOf(rsaKey(), members{"use": "sig", "key_ops": []string{"verify"}})), nil, []string{":RS256"}},
		{"its alg", set(jwkOf(rsaKey(), members{"alg": "PS384"})), nil, []string{":PS384"}},
		{"its alg among those allowed", set(jwkOf(rsaKey(), members{"alg": "PS384"})), []keys.Option{keys.Algorithms(verifier.RS256, verifier.PS384)}, []string{":PS384"}},
		{"narrowed", set(jwkOf(rsaKey(), nil)), []keys.Option{keys.Algorithms(verifier.RS512)}, []string{":RS512"}},
		{"an id for the only key", set(jwkOf(rsaKey(), nil)), []keys.Option{keys.ID("a")}, []string{"a:RS256"}},
		{"an id that it has", set(jwkOf(rsaKey(), members{"kid": "a"})), []keys.Option{keys.ID("a")}, []string{"a:RS256"}},
		{"a short secret, allowed", set(jwkOf("s", nil)), []keys.Option{keys.InsecureAllowShortSecret()}, []string{":HS256"}},
		{"members that are not needed", set(jwkOf(rsaKey(), members{"x5c": []int{1}, "x5t": 5, "ext": true, "foo": nil, "nbf": 1})), nil, []string{":RS256"}},
		{"leading zeros in the exponent", set(jwkOf(rsaKey(), members{"e": "AAAAAAAAAAAAAAEAAQ"})), nil, []string{":RS256"}},
		{"the largest exponent", set(jwkOf(rsaKey(), members{"e": b64([]byte{0x7f, 0xff, 0xff, 0xff})})), nil, []string{":RS256"}},
		{"beside other members", `{"a":1,"keys":[` + jwkOf(edKey(), nil).String() + `]}`, nil, []string{":EdDSA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := keys.JWKSet([]byte(tt.json), tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, s, "", verifier.RS256); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// badJWKs are refused by name in a static set and skipped in a published one. Those of
// unknownJWKs are skipped in both.
var badJWKs = []struct {
	name string
	jwk  func() members
	says string
}{
	{"no kty", func() members { return jwkOf(rsaKey(), members{"kty": nil}) }, `its kty is "": expected RSA, EC, OKP or oct`},
	{"an unknown kty", func() members { return members{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"} }, `its kty is "AKP"`},
	{"kty in another case", func() members { return jwkOf(rsaKey(), members{"kty": "rsa"}) }, `its kty is "rsa"`},
	{"kty null", func() members { return jwkOf(rsaKey(), members{"kty": "", "kid": ""}) }, `its kty is ""`},
	{"kty a number", func() members { return jwkOf(rsaKey(), members{"kty": 1}) }, "its kty is not a string"},
	{"kid a number", func() members { return jwkOf(rsaKey(), members{"kid": 1}) }, "its kid is not a string"},
	{"alg a list", func() members { return jwkOf(rsaKey(), members{"alg": []string{"RS256"}}) }, "its alg is not a string"},

	{"RSA, private", func() members { return jwkOf(rsaKey(), members{"d": b64(rsaKey().D.Bytes())}) }, `it is a private key, by its member "d"`},
	{"RSA, private by one prime", func() members { return jwkOf(rsaKey(), members{"p": b64(rsaKey().Primes[0].Bytes())}) }, `it is a private key, by its member "p"`},
	{"EC, private", func() members { return jwkOf(p256Key(), members{"d": "AAAA"}) }, `it is a private key, by its member "d"`},
	{"Ed25519, private", func() members { return jwkOf(edKey(), members{"d": b64(edKey().Seed())}) }, `it is a private key, by its member "d"`},
	{"private by a member that is not a string", func() members { return jwkOf(edKey(), members{"d": 0}) }, `it is a private key, by its member "d"`},

	{"for encryption", func() members { return jwkOf(rsaKey(), members{"use": "enc"}) }, `its use is "enc", not sig: the key is for something else, such as encryption`},
	{"for signing, not verifying", func() members { return jwkOf(rsaKey(), members{"key_ops": []string{"sign"}}) }, `its key_ops are ["sign"]: verify is not among them`},
	{"for encryption, by key_ops", func() members {
		return jwkOf(rsaKey(), members{"use": "sig", "key_ops": []string{"wrapKey", "encrypt"}})
	}, "verify is not among them"},
	{"key_ops a string", func() members { return jwkOf(rsaKey(), members{"key_ops": "verify"}) }, "its key_ops is not an array of strings"},
	{"alg of encryption", func() members { return jwkOf(rsaKey(), members{"alg": "RSA-OAEP"}) }, `algorithm "RSA-OAEP" is not supported`},
	{"alg none", func() members { return jwkOf(rsaKey(), members{"alg": "none"}) }, `algorithm "none" is not supported`},
	{"alg of a secret", func() members { return jwkOf(rsaKey(), members{"alg": "HS256"}) }, "algorithm HS256 does not fit the key"},
	{"alg of another curve", func() members { return jwkOf(p384Key(), members{"alg": "ES256"}) }, "algorithm ES256 does not fit the key"},

	{"RSA without n", func() members { return jwkOf(rsaKey(), members{"n": nil}) }, "its n is missing, or not a string"},
	{"RSA without e", func() members { return jwkOf(rsaKey(), members{"e": nil}) }, "its e is missing, or not a string"},
	{"n a number", func() members { return jwkOf(rsaKey(), members{"n": 1}) }, "its n is missing, or not a string"},
	{"n that is not base64", func() members { return jwkOf(rsaKey(), members{"n": "!!"}) }, "it is damaged"},
	{"n of 1024 bits", func() members {
		return jwkOf(rsaKey(), members{"n": b64(new(big.Int).SetBit(big.NewInt(1), 1023, 1).Bytes())})
	}, "the RSA key has 1024 bits: expected 2048 to 8192"},
	{"n of 16384 bits", func() members {
		return jwkOf(rsaKey(), members{"n": b64(new(big.Int).SetBit(big.NewInt(1), 16383, 1).Bytes())})
	}, "the RSA key has 16384 bits: expected 2048 to 8192"},
	{"n even", func() members {
		return jwkOf(rsaKey(), members{"n": b64(new(big.Int).Add(rsaKey().N, big.NewInt(1)).Bytes())})
	}, "the RSA modulus is even"},
	{"e of 1", func() members { return jwkOf(rsaKey(), members{"e": "AQ"}) }, "the RSA exponent is 1"},
	{"e of 0", func() members { return jwkOf(rsaKey(), members{"e": "AA"}) }, "the RSA exponent is 0"},
	{"e of 2^31+1", func() members { return jwkOf(rsaKey(), members{"e": b64([]byte{0x80, 0, 0, 1})}) }, "its exponent is above 2^31-1"},
	{"e that is 3 in an int64", func() members { return jwkOf(rsaKey(), members{"e": b64([]byte{1, 0, 0, 0, 0, 0, 0, 0, 3})}) }, "its exponent is above 2^31-1"},
	{"EC without y", func() members { return jwkOf(p256Key(), members{"y": nil}) }, "its y is missing, or not a string"},
	{"EC without crv", func() members { return jwkOf(p256Key(), members{"crv": nil}) }, "its crv is missing, or not a string"},
	{"EC on another curve", func() members { return jwkOf(p256Key(), members{"crv": "P-384"}) }, "the EC key is not a point on its curve"},
	{"EC on an unsupported curve", func() members { return jwkOf(p256Key(), members{"crv": "secp256k1"}) }, "secp256k1"},
	{"a point that is not on the curve", func() members { return jwkOf(p256Key(), members{"y": jwkOf(p256Key(), nil)["x"]}) }, "the EC key is not a point on its curve"},
	{"the point at infinity", func() members { return jwkOf(p256Key(), members{"x": "AA", "y": "AA"}) }, "the EC key is not a point on its curve"},
	{"a coordinate that is too long", func() members { return jwkOf(p256Key(), members{"x": b64(make([]byte, 100)) + "AQ"}) }, "the EC key is not a point on its curve"},
	{"X25519", func() members { return jwkOf(edKey(), members{"crv": "X25519"}) }, `its crv is "X25519": expected Ed25519`},
	{"Ed448", func() members { return jwkOf(edKey(), members{"crv": "Ed448"}) }, "Ed448"},
	{"Ed25519 too short", func() members { return jwkOf(edKey(), members{"x": "AAAA"}) }, "an Ed25519 public key has 32 bytes, not 3"},
}

var unknownJWKs = []string{
	"an unknown kty", "kty in another case", "for encryption", "for signing, not verifying", "for encryption, by key_ops",
	"alg of encryption", "alg none", "EC on an unsupported curve", "X25519", "Ed448",
}

func TestJWKSetRefuses(t *testing.T) {
	for _, tt := range badJWKs {
		t.Run(tt.name, func(t *testing.T) {
			good, bad := jwkOf(p521Key(), members{"kid": "good"}), tt.jwk()
			loaded, err := keys.JWKSet([]byte(set(good, bad)))
			if slices.Contains(unknownJWKs, tt.name) {
				if err != nil || len(loaded.All()) != 1 || len(loaded.Skipped()) != 1 {
					t.Fatalf("got %v and %v: want the good key, and why not the other", loaded, err)
				}
				err = loaded.Skipped()[0]
			}
			refused(t, err, "keys: JWKSet: JWK 2")
			refused(t, err, tt.says)
			if kid, ok := bad["kid"].(string); ok && !strings.Contains(err.Error(), kid) {
				t.Errorf("the error does not name the key: %v", err)
			}
			_, err = keys.JWKSet([]byte(bad.String()))
			if bad["kty"] == nil {
				refused(t, err, `it has no member "keys"`)
			} else {
				refused(t, err, tt.says)
			}

			usable, skipped, err := keys.ParseJWKSet([]byte(set(bad, good)))
			if err != nil {
				t.Fatal(err)
			}
			if len(usable) != 1 || usable[0].ID() != "good" || len(skipped) != 1 {
				t.Fatalf("usable %v, skipped %v: want the good key and why not the other", usable, skipped)
			}
			refused(t, skipped[0], "keys: JWK 1")
			refused(t, skipped[0], tt.says)
		})
	}
}

func TestJWKSetRefusesWhole(t *testing.T) {
	a := jwkOf(rsaKey(), members{"kid": "a"})
	tests := []struct {
		name    string
		json    string
		options []keys.Option
		says    string
	}{
		{"nothing", "", nil, "JWKSet: not a JWK Set, which is a JSON object"},
		{"PEM", publicPEM(edKey()), nil, "not a JWK Set, which is a JSON object"},
		{"a web page", "<html>", nil, "which is a JSON object: it is a web page"},
		{"some text", "nonsense", nil, "which is a JSON object: invalid character"},
		{"an array", "[]", nil, "not a JWK Set, which is a JSON object"},
		{"null", "null", nil, `it has no member "keys"`},
		{"cut off", `{"keys":[`, nil, "not a JWK Set, which is a JSON object"},
		{"trailing garbage", set(a) + "x", nil, "not a JWK Set, which is a JSON object"},
		{"no keys", `{}`, nil, `it has no member "keys"`},
		{"keys in another case", `{"Keys":[]}`, nil, `it has no member "keys"`},
		{"keys an object", `{"keys":{}}`, nil, `"keys" is not an array`},
		{"keys null", `{"keys":null}`, nil, `"keys" is not an array`},
		{"an empty set", `{"keys":[]}`, nil, "JWKSet: there is no key"},
		{"a key that is not an object", `{"keys":[1]}`, nil, "JWK 1: not a JSON object"},
		{"a key that is null", `{"keys":[null]}`, nil, "JWK 1: not a JSON object"},
		{"a secret that is short", set(jwkOf("short", nil)), nil, "the secret has 5 bytes"},
		{"a secret that is empty", set(jwkOf("", nil)), nil, "JWK 1: "},
		{"a secret to encrypt with", set(jwkOf(secret, members{"alg": "A256GCM"})), nil, `algorithm "A256GCM" is not supported`},
		{"a secret with the alg of a key pair", set(jwkOf(secret, members{"alg": "RS256"})), nil, "algorithm RS256 does not fit the key"},
		{"two of one kid", set(a, jwkOf(p256Key(), members{"kid": "a"})), nil, `JWKSet: two keys have the kid "a"`},
		{"the same key twice", set(a, a), nil, `two keys have the kid "a"`},
		{"one id for two", set(a, jwkOf(p256Key(), nil)), []keys.Option{keys.ID("x")}, `ID("x") names one key, and there are 2`},
		{"an id for a key that has one", set(a), []keys.Option{keys.ID("x")}, `JWK 1 (kid "a"): it has a kid, and ID gives it another, "x"`},
		{"an alg that is not allowed", set(jwkOf(rsaKey(), members{"alg": "RS512"})), []keys.Option{keys.Algorithms(verifier.RS256)}, "its alg is RS512, and Algorithms allows only [RS256]"},
		{"a nil option", set(a), []keys.Option{nil}, "an option is nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := keys.JWKSet([]byte(tt.json), tt.options...)
			refused(t, err, tt.says)
		})
	}
}

func TestParseJWKSet(t *testing.T) {
	tests := []struct {
		name    string
		json    string
		usable  []string
		skipped []string // what each reason says
		err     string
	}{
		{"all good", set(jwkOf(rsaKey(), members{"kid": "a"}), jwkOf(edKey(), members{"kid": "b"})), []string{"a", "b"}, nil, ""},
		{"one kid, two keys", set(jwkOf(rsaKey(), members{"kid": "a"}), jwkOf(edKey(), members{"kid": "a"})), []string{"a", "a"}, nil, ""},
		{"a secret", set(jwkOf(secret, members{"kid": "s"}), jwkOf(edKey(), members{"kid": "b"})), []string{"b"},
			[]string{`JWK 1 (kid "s"): it is symmetric: a published key cannot be a secret`}, ""},
		{"several bad ones", `{"keys":[1,` + jwkOf(edKey(), members{"kid": "b"}).String() + `,{"kty":"AKP"}]}`, []string{"b"},
			[]string{"JWK 1: not a JSON object", `JWK 3: its kty is "AKP"`}, ""},
		{"empty", `{"keys":[]}`, nil, nil, ""},
		{"a single key is not a set", jwkOf(rsaKey(), nil).String(), nil, nil, `it has no member "keys"`},
		{"a page of HTML", "<!doctype html>", nil, nil, "not a JWK Set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			usable, skipped, err := keys.ParseJWKSet([]byte(tt.json))
			if tt.err != "" {
				refused(t, err, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, k := range usable {
				ids = append(ids, k.ID())
			}
			if !slices.Equal(ids, tt.usable) {
				t.Errorf("usable %q, want %q", ids, tt.usable)
			}
			if len(skipped) != len(tt.skipped) {
				t.Fatalf("skipped %v, want %q", skipped, tt.skipped)
			}
			for i, says := range tt.skipped {
				refused(t, skipped[i], says)
			}
		})
	}
}
