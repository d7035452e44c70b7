package keys_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestSecret(t *testing.T) {
	tests := []struct {
		name    string
		secret  string
		options []keys.Option
		want    string // the algorithms, or what the error says
		refused bool
	}{
		{"32 bytes", strings.Repeat("s", 32), nil, "HS256", false},
		{"47 bytes", strings.Repeat("s", 47), nil, "HS256", false},
		{"48 bytes", strings.Repeat("s", 48), nil, "HS256 HS384", false},
		{"64 bytes", strings.Repeat("s", 64), nil, "HS256 HS384 HS512", false},
		{"narrowed", strings.Repeat("s", 64), []keys.Option{keys.Algorithms(verifier.HS512)}, "HS512", false},
		{"short, and allowed to be", "s", []keys.Option{keys.InsecureAllowShortSecret()}, "HS256 HS384 HS512", false},

		{"empty", "", nil, "Secret: the secret is empty", true},
		{"empty is never allowed", "", []keys.Option{keys.InsecureAllowShortSecret()}, "the secret is empty", true},
		{"31 bytes", strings.Repeat("s", 31), nil, "the secret has 31 bytes: HS256 needs at least 32", true},
		{"too short for its algorithm", strings.Repeat("s", 32), []keys.Option{keys.Algorithms(verifier.HS512)}, "algorithm HS512 does not fit the key", true},
		{"an algorithm of other keys", strings.Repeat("s", 64), []keys.Option{keys.Algorithms(verifier.RS256)}, "algorithm RS256 does not fit the key", true},
		{"an unknown algorithm", strings.Repeat("s", 64), []keys.Option{keys.Algorithms("none")}, `algorithm "none" is not supported`, true},
		{"no algorithm", strings.Repeat("s", 64), []keys.Option{keys.Algorithms()}, "an empty list of algorithms allows none", true},
		{"a nil option", strings.Repeat("s", 64), []keys.Option{nil}, "an option is nil", true},
		{"a public key in PEM", "\n" + publicPEM(rsaKey()), nil, "this is PEM, not a secret: use PEM", true},
		{"a JWK", jwkOf(rsaKey(), nil).String(), nil, "this is a JWK, not a secret: use JWKSet", true},
		{"an SSH public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", nil, "this is an SSH public key", true},
		{"a public key in PKCS #1 DER", string(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), nil, "this is a public key (DER)", true},
		{"a public key in base64, as Keycloak shows it", base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey))), nil, "this is a public key (DER, in base64)", true},
		{"in base64url, wrapped", base64.URLEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)))[:64] + "\n" + base64.URLEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)))[64:] + "\n", nil, "this is a public key (DER, in base64)", true},
		{"a public key in DER", string(must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey))), nil, "this is a public key (DER)", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := keys.Secret([]byte(tt.secret), tt.options...)
			if tt.refused {
				refused(t, err, tt.want)
				if tt.secret != "" && strings.Contains(err.Error(), strings.Repeat("s", 20)) {
					t.Errorf("the error shows the secret: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := algorithms(s.All()[0]); got != tt.want {
				t.Errorf("may verify %s, want %s", got, tt.want)
			}
		})
	}
}

func algorithms(k *verifier.Key) string {
	var words []string
	for _, a := range k.Algorithms() {
		words = append(words, string(a))
	}
	return strings.Join(words, " ")
}

// TestSecretIsCopied: the caller may wipe its bytes.
func TestSecretIsCopied(t *testing.T) {
	b := []byte(secret)
	v := must(verifier.New(must(keys.Secret(b))))
	clear(b)
	if _, err := v.Verify(t.Context(), mintHS256(secret, `{}`)); err != nil {
		t.Error(err)
	}
}

func TestBase64Secret(t *testing.T) {
	plus := bytes.Repeat([]byte{0xfb, 0xff}, 17) // 34 bytes, which need every kind of character and padding
	zero := make([]byte, 33)                     // 33 bytes, the same in all four spellings
	der := must(x509.MarshalPKIXPublicKey(&p256Key().PublicKey))
	tests := []struct {
		name    string
		text    string
		want    []byte
		refused string
	}{
		{"standard, padded", base64.StdEncoding.EncodeToString(plus), plus, ""},
		{"standard", base64.RawStdEncoding.EncodeToString(plus), plus, ""},
		{"URL, padded", base64.URLEncoding.EncodeToString(plus), plus, ""},
		{"URL", base64.RawURLEncoding.EncodeToString(plus), plus, ""},
		{"either", base64.StdEncoding.EncodeToString(zero), zero, ""},

		{"empty", "", nil, "the secret is empty"},
		{"only padding", "====", nil, "the padding of the base64 is wrong"},
		{"both alphabets", "-_+/" + strings.Repeat("A", 40), nil, "mixes the standard alphabet (+ /) with the URL one (- _)"},
		{"a line break at the end", base64.StdEncoding.EncodeToString(zero) + "\n", nil, "there is white space in the base64: trim it"},
		{"white space", strings.Repeat("AAAA ", 10), nil, "there is white space in the base64: trim it"},
		{"too much padding", strings.Repeat("A", 43) + "==", nil, "the padding of the base64 is wrong"},
		{"too little padding", strings.Repeat("A", 42) + "=", nil, "the padding of the base64 is wrong"},
		{"padding in the middle", strings.Repeat("A", 42) + "==" + strings.Repeat("A", 44), nil, "not base64: see byte 43"},
		{"another character", strings.Repeat("A", 20) + "!" + strings.Repeat("A", 23), nil, "not base64: see byte 21"},
		{"another character at the end", strings.Repeat("A", 43) + "!", nil, "not base64: see byte 44"},
		{"one character too many", strings.Repeat("A", 45), nil, "the base64 ends in the middle of a byte"},
		{"bits left over", strings.Repeat("A", 42) + "B", nil, "the base64 ends in the middle of a byte"},
		{"short", base64.StdEncoding.EncodeToString(zero[:16]), nil, "the secret has 16 bytes"},
		{"a public key without its PEM armour", base64.StdEncoding.EncodeToString(der), nil, "this is a public key (DER)"},
		{"PEM as it is", publicPEM(edKey()), nil, "this is PEM"},
		{"hexadecimal DER", hex.EncodeToString(der), nil, "this is a public key (DER, in hex)"},
		{"PEM", base64.StdEncoding.EncodeToString([]byte(publicPEM(edKey()))), nil, "this is PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := keys.Base64Secret(tt.text)
			if tt.refused != "" {
				refused(t, err, tt.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !s.All()[0].Equal(named(t, tt.want, "")) {
				t.Error("the secret is another one")
			}
		})
	}
}
