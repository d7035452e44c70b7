package verifier

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tokens are minted only with the standard library, so that what the tests
// hold for right does not come from the code that is tested.

// secret is long enough for every HMAC.
var secret = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

// now is the time in all tests that do not say otherwise.
var now = time.Unix(1_700_000_000, 0)

func clock() time.Time { return now }

var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32))) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// signer returns the private key that tokens of the algorithm are minted with.
func signer(a Algorithm) any {
	switch a {
	case HS256, HS384, HS512:
		return secret
	case ES256:
		return p256Key()
	case ES384:
		return p384Key()
	case ES512:
		return p521Key()
	case EdDSA:
		return edKey()
	}
	return rsaKey()
}

// public returns what verifies the tokens that private signs.
func public(private any) any {
	if s, ok := private.(crypto.Signer); ok {
		return s.Public()
	}
	return private
}

func hashOf(a Algorithm) crypto.Hash {
	switch a[2:] {
	case "256":
		return crypto.SHA256
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return 0 // EdDSA signs the message itself
}

// signature signs input.
func signature(a Algorithm, private any, input string) []byte {
	hash := hashOf(a)
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch key := private.(type) {
	case []byte:
		m := hmac.New(hash.New, key)
		m.Write([]byte(input))
		return m.Sum(nil)
	case *rsa.PrivateKey:
		if a[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, key, hash, digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		size := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		must(s.FillBytes(out[size:]), err)
		return out
	case ed25519.PrivateKey:
		return ed25519.Sign(key, digest)
	}
	panic(fmt.Sprintf("no signer for %T", private))
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// mint makes a token of the algorithm whose header says no more than that.
func mint(a Algorithm, payload string) string {
	return mintWith(a, signer(a), fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, a), payload)
}

// mintWith signs any header and payload, whatever they say, by the algorithm.
func mintWith(a Algorithm, private any, header, payload string) string {
	return signSegments(a, private, encode(header), encode(payload))
}

// signSegments signs segments as they are.
func signSegments(a Algorithm, private any, header, payload string) string {
	input := header + "." + payload
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(a, private, input))
}

func newKey(t testing.TB, material any, o KeyOptions) *Key {
	t.Helper()
	k, err := NewKey(material, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// static answers every token with the same keys.
func static(keys ...*Key) KeyProvider {
	return KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { return keys, nil })
}

// keyFor returns a provider of the one key that verifies what mint signs.
func keyFor(t testing.TB, a Algorithm) KeyProvider {
	t.Helper()
	return static(newKey(t, public(signer(a)), KeyOptions{}))
}

func newVerifier(t testing.TB, keys KeyProvider, options ...Option) *Verifier {
	t.Helper()
	v, err := New(keys, append([]Option{WithClock(clock)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refuses checks that v refuses the raw token for the reason, with the message
// that a client sees, and with the code
// invalid_token.
func refuses(t testing.TB, v *Verifier, raw string, reason Reason, message string) *UnauthorizedError {
	t.Helper()
	token, err := v.Verify(context.Background(), raw)
	if token != nil {
		t.Errorf("a token, and the error %v", err)
	}
	var u *UnauthorizedError
	if !errors.As(err, &u) {
		t.Fatalf("got the error %v, want %s: %s", err, reason, message)
	}
	if !errors.Is(err, reason) || u.Message != message || u.Code != CodeInvalidToken {
		t.Errorf("got %s, %s: %q (%v)\nwant %s: %q", u.Code, u.Reason, u.Message, err, reason, message)
	}
	return u
}
