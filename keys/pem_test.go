package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestPEM(t *testing.T) {
	rsaPKCS1 := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))
	tests := []struct {
		name    string
		pem     string
		options []keys.Option
		want    []string
	}{
		{"RSA", publicPEM(rsaKey()), nil, []string{":RS256"}},
		{"RSA, PKCS #1", rsaPKCS1, nil, []string{":RS256"}},
		{"P-256", publicPEM(p256Key()), nil, []string{":ES256"}},
		{"P-384", publicPEM(p384Key()), nil, []string{":ES384"}},
		{"P-521", publicPEM(p521Key()), nil, []string{":ES512"}},
		{"Ed25519", publicPEM(edKey()), nil, []string{":EdDSA"}},
		{"certificate, expired", certificate(rsaKey(), 0), nil, []string{":RS256"}},
		{"certificate to sign with", certificate(p256Key(), x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign), nil, []string{":ES256"}},
		{"several, with comments and white space", "# ours\n" + publicPEM(rsaKey()) + "\n\nand theirs:\n" + certificate(edKey(), 0) + " \n", nil, []string{":RS256", ":EdDSA"}},
		{"line breaks of Windows", strings.ReplaceAll(publicPEM(rsaKey())+publicPEM(edKey()), "\n", "\r\n"), nil, []string{":RS256", ":EdDSA"}},
		{"without a line break at the end", strings.TrimSpace(publicPEM(edKey())), nil, []string{":EdDSA"}},
		{"with an id", publicPEM(rsaKey()), []keys.Option{keys.ID("k1")}, []string{"k1:RS256"}},
		{"narrowed", publicPEM(rsaKey()), []keys.Option{keys.Algorithms(verifier.PS256)}, []string{":PS256"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := keys.PEM([]byte(tt.pem), tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, s, "", verifier.RS256); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// spki writes a public key whose algorithm has the OID.
func spki(oid asn1.ObjectIdentifier, parameters, key []byte) string {
	type algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	a := algorithm{OID: oid}
	if parameters != nil {
		a.Parameters.FullBytes = parameters
	}
	return block("PUBLIC KEY", must(asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{a, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})))
}

func TestPEMRefuses(t *testing.T) {
	good := publicPEM(edKey())
	small := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), 0, 1), 1023, 1), E: 65537}
	pkcs1 := func(e int) string {
		return block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: rsaKey().N, E: e}))
	}
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	offCurve := append([]byte{4}, make([]byte, 64)...)
	offCurve[64] = 1
	ecOID, p256OID := asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}))
	x25519 := spki(asn1.ObjectIdentifier{1, 3, 101, 110}, nil, make([]byte, 32))
	dsaParameters := must(asn1.Marshal([]int{23, 11, 4}))

	tests := []struct {
		name    string
		pem     string
		options []keys.Option
		says    string
	}{
		{"nothing", "", nil, "PEM: there is no key"},
		{"no PEM", "hello", nil, "no PEM block: expected -----BEGIN PUBLIC KEY-----"},
		{"a private key", privatePEM(rsaKey()), nil, "block 1, PRIVATE KEY: this is a private key, which a verifier must not hold"},
		{"a private key, PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), nil, "block 1, RSA PRIVATE KEY: this is a private key"},
		{"a private key, SEC 1", block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256Key()))), nil, "block 1, EC PRIVATE KEY: this is a private key"},
		{"a private key, encrypted", block("ENCRYPTED PRIVATE KEY", []byte{1}), nil, "this is a private key"},
		{"a private key, of OpenSSH", block("OPENSSH PRIVATE KEY", []byte{1}), nil, "this is a private key"},
		{"a private key behind a public one", good + privatePEM(edKey()), nil, "block 2, PRIVATE KEY: this is a private key"},
		{"a private key called public", block("PUBLIC KEY", must(x509.MarshalPKCS8PrivateKey(edKey()))), nil, "block 1, PUBLIC KEY: "},
		{"another block", block("CERTIFICATE REQUEST", []byte{1}), nil, "block 1, CERTIFICATE REQUEST: expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE"},
		{"trailing garbage", good + "x", nil, "something follows the last block"},
		{"a block cut off", good + good[:len(good)-10], nil, "block 2 is damaged"},
		{"a damaged block before a good one", strings.Replace(good, "MC", "!!", 1) + good, nil, "block 1 is damaged"},
		{"a damaged block", strings.Replace(good, "MC", "!!", 1), nil, "block 1 is damaged"},
		{"a block with other contents", block("PUBLIC KEY", []byte{1, 2, 3}), nil, "block 1, PUBLIC KEY: "},
		{"DER and more", block("PUBLIC KEY", append(must(x509.MarshalPKIXPublicKey(edKey().Public())), 0)), nil, "block 1, PUBLIC KEY: "},
		{"line breaks spelled out", strings.ReplaceAll(good, "\n", `\n`), nil, `its line breaks are spelled \n`},
		{"RSA of 1024 bits", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(small)), nil, "the RSA key has 1024 bits: expected 2048 to 8192"},
		{"RSA exponent 1", pkcs1(1), nil, "the RSA exponent is 1: expected an odd number above 1"},
		{"RSA exponent even", pkcs1(65536), nil, "the RSA exponent is 65536"},
		{"RSA exponent beyond 31 bits", pkcs1(1<<31 + 1), nil, "block 1, RSA PUBLIC KEY: "},
		{"P-224", publicPEM(p224), nil, "the EC key is on the curve P-224: expected P-256, P-384 or P-521"},
		{"a point that is not on the curve", spki(ecOID, p256OID, offCurve), nil, "block 1, PUBLIC KEY: "},
		{"X25519", x25519, nil, "it is an X25519 key, which is for key agreement: expected RSA, EC"},
		{"DSA", spki(asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, dsaParameters, must(asn1.Marshal(8))), nil, "it is a DSA key: expected RSA, EC"},
		{"a certificate for encryption", certificate(rsaKey(), x509.KeyUsageKeyEncipherment), nil, "block 1, CERTIFICATE: the certificate's key usage is not signing"},
		{"an authority's certificate", certificate(rsaKey(), x509.KeyUsageCertSign|x509.KeyUsageCRLSign), nil, "the certificate's key usage is not signing"},
		{"an algorithm of another key", publicPEM(rsaKey()), []keys.Option{keys.Algorithms(verifier.ES256)}, "algorithm ES256 does not fit the key"},
		{"an algorithm of another curve", publicPEM(p384Key()), []keys.Option{keys.Algorithms(verifier.ES256)}, "algorithm ES256 does not fit the key"},
		{"an HMAC", publicPEM(rsaKey()), []keys.Option{keys.Algorithms(verifier.HS256)}, "algorithm HS256 does not fit the key"},
		{"one id for two keys", good + publicPEM(rsaKey()), []keys.Option{keys.ID("k1")}, `ID("k1") names one key, and there are 2`},
		{"a nil option", good, []keys.Option{nil}, "an option is nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := keys.PEM([]byte(tt.pem), tt.options...)
			refused(t, err, tt.says)
		})
	}
}
