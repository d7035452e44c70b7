package keys_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Keys are made and written only with the standard library, so that what the
// tests load does not come from what loads it.

const secret = "0123456789abcdef0123456789abcdef"

var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { return must2(ed25519.GenerateKey(rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[T, U any](_ T, v U, err error) U { return must(v, err) }

// block writes DER as PEM.
func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func publicPEM(key crypto.Signer) string {
	return block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key.Public())))
}

func privatePEM(key crypto.Signer) string {
	return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
}

// certificate writes a self-signed certificate, long expired, of the usage.
func certificate(key crypto.Signer, usage x509.KeyUsage) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "tenant.example"},
		NotBefore:    time.Unix(1_000_000_000, 0),
		NotAfter:     time.Unix(1_100_000_000, 0),
		KeyUsage:     usage,
	}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// members is a JWK in the making.
type members map[string]any

// jwkOf describes the public key or secret as a JWK, with more members laid
// over it; one that is nil is left out.
func jwkOf(key any, more members) members {
	var m members
	switch k := key.(type) {
	case *rsa.PrivateKey:
		m = members{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PrivateKey:
		point := must(k.PublicKey.Bytes())[1:]
		m = members{"kty": "EC", "crv": k.Curve.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
	case ed25519.PrivateKey:
		m = members{"kty": "OKP", "crv": "Ed25519", "x": b64(k.Public().(ed25519.PublicKey))}
	case string:
		m = members{"kty": "oct", "k": b64([]byte(k))}
	}
	for name, v := range more {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	}
	return m
}

func (m members) String() string { return string(must(json.Marshal(m))) }

// set writes a JWK Set.
func set(keys ...members) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	return `{"keys":[` + strings.Join(texts, ",") + `]}`
}

// ask returns the ids and first algorithms of the keys that the provider
// answers a token of that kid and alg with.
func ask(t testing.TB, p verifier.KeyProvider, kid string, alg verifier.Algorithm) []string {
	t.Helper()
	found, err := p.Keys(context.Background(), &verifier.UnverifiedToken{
		Header:    verifier.Header{KeyID: kid, Algorithm: alg},
		Handshake: &verifier.Handshake{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range found {
		names = append(names, k.ID()+":"+string(k.Algorithms()[0]))
	}
	return names
}

// refused checks that err says what is wrong, and names neither secret nor key.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted: expected an error that says %q", says)
	}
	if !strings.HasPrefix(err.Error(), "keys: ") || !strings.Contains(err.Error(), says) {
		t.Errorf("error %q\ndoes not say %q", err, says)
	}
}

// mintHS256 signs a token.
func mintHS256(secret, payload string) string {
	input := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64([]byte(payload))
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(input))
	return input + "." + b64(m.Sum(nil))
}

// wantReason checks why v refuses the token.
func wantReason(t *testing.T, v *verifier.Verifier, token string, reason verifier.Reason) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, reason) {
		t.Errorf("got %v, want %s", err, reason)
	}
}
