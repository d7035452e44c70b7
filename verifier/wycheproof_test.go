package verifier

import (
	"crypto/x509"
	hexadecimal "encoding/hex"
	"fmt"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/conformance"
)

// signatures is a group of vectors of one key and one algorithm.
type signatures struct {
	PublicKeyDER string `json:"publicKeyDer"`
	KeySize      int    // of an HMAC, in bits
	TagSize      int    // of an HMAC, in bits
	known        *Key   // made already
	Tests        []struct {
		TCID          int `json:"tcId"`
		Comment       string
		Key, Msg, Sig string
		Tag           string
		Result        string
		Flags         []string
	}
}

// TestWycheproofSignatures runs the vectors of the signatures themselves, by the
// checks that keys have. "acceptable" is either.
func TestWycheproofSignatures(t *testing.T) {
	total := 0
	for _, row := range []struct {
		file      string
		algorithm Algorithm
		good      string // the comment of the good ones, where it is not said by the vectors
	}{
		{"hmac_sha256_test", HS256, ""}, {"hmac_sha384_test", HS384, ""}, {"hmac_sha512_test", HS512, ""},
		{"ecdsa_secp256r1_sha256_p1363_test", ES256, ""}, {"ecdsa_secp384r1_sha384_p1363_test", ES384, ""}, {"ecdsa_secp521r1_sha512_p1363_test", ES512, ""},
		{"ed25519_test", EdDSA, ""},
		{"rsa_signature_2048_sha256_test", RS256, ""}, {"rsa_signature_3072_sha256_test", RS256, ""}, {"rsa_signature_4096_sha256_test", RS256, ""}, {"rsa_signature_8192_sha256_test", RS256, ""},
		{"rsa_signature_2048_sha384_test", RS384, ""}, {"rsa_signature_3072_sha384_test", RS384, ""}, {"rsa_signature_4096_sha384_test", RS384, ""}, {"rsa_signature_8192_sha384_test", RS384, ""},
		{"rsa_signature_2048_sha512_test", RS512, ""}, {"rsa_signature_3072_sha512_test", RS512, ""}, {"rsa_signature_4096_sha512_test", RS512, ""}, {"rsa_signature_8192_sha512_test", RS512, ""},
		{"rsa_pss_2048_sha256_mgf1_32_test", PS256, ""}, {"rsa_pss_3072_sha256_mgf1_32_test", PS256, ""}, {"rsa_pss_4096_sha256_mgf1_32_test", PS256, ""},
		{"rsa_pss_2048_sha384_mgf1_48_test", PS384, ""}, {"rsa_pss_4096_sha384_mgf1_48_test", PS384, ""}, {"rsa_pss_4096_sha512_mgf1_64_test", PS512, ""},
		// Salts of another length than the hash, which RFC 7518 §3.5 does not allow.
		{"rsa_pss_2048_sha256_mgf1_0_test", PS256, "s_len changed to 32"}, {"rsa_pss_4096_sha512_mgf1_32_test", PS512, "s_len changed to 64"},
	} {
		t.Run(row.file, func(t *testing.T) {
			vectors := conformance.Vectors[signatures](t, row.file)
			ran, good := 0, 0
			for _, g := range vectors.TestGroups {
				for _, c := range g.Tests {
					ran++
					accepted := g.holds(t, row.algorithm, c.Key, c.Msg, c.Sig+c.Tag)
					if accepted {
						good++
					}
					want := c.Result == "valid" && g.TagSize == g.fullTag(row.algorithm)
					if row.good != "" {
						want = c.Comment == row.good
					}
					if c.Result != "acceptable" && accepted != want {
						t.Errorf("%d (%s, %v): accepted %v, the vector is %s", c.TCID, c.Comment, c.Flags, accepted, c.Result)
					}
				}
			}
			total += ran
			if ran != vectors.NumberOfTests || good == 0 && row.good == "" {
				t.Errorf("%d vectors ran, of %d, and %d signatures were good", ran, vectors.NumberOfTests, good)
			}
		})
	}
	if total != 0 && total != 5673 { // as docs/conformance.md says; 0 if they cannot be fetched
		t.Errorf("%d vectors ran", total)
	}
}

// fullTag is the size of an HMAC that a token has, in bits. It has no other.
func (g *signatures) fullTag(a Algorithm) int {
	if g.TagSize == 0 {
		return 0
	}
	least, _ := a.bit().signatureSize()
	return 8 * least
}

// holds reports whether the signature of a message holds, as a token's would.
func (g *signatures) holds(t *testing.T, a Algorithm, secret, message, signature string) bool {
	t.Helper()
	var material any = octets(t, secret)
	if g.PublicKeyDER != "" && g.known == nil {
		var err error
		if material, err = x509.ParsePKIXPublicKey(octets(t, g.PublicKeyDER)); err != nil {
			t.Fatal(err)
		}
	}
	key := g.known
	if key == nil {
		var err error
		if key, err = NewKey(material, KeyOptions{Algorithms: []Algorithm{a}, InsecureAllowShortSecret: true}); err != nil {
			t.Logf("the key is refused: %v", err)
			return false
		}
		if g.PublicKeyDER != "" {
			g.known = key
		}
	}
	set := a.bit()
	least, most := set.signatureSize()
	raw := octets(t, signature)
	return least <= len(raw) && len(raw) <= most && key.checks[set.index()](octets(t, message), raw)
}

func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hexadecimal.DecodeString(text)
	if err != nil {
		t.Fatal(fmt.Errorf("%q: %w", text, err))
	}
	return b
}
