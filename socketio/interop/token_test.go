package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The tests make tokens without a JWT library, so that the input of the servers does not
// depend on the code under test.

const secret = "a secret of the interop tests, long enough for HS256"

type claims map[string]any

// mint signs claims with the secret. Without an exp claim a token is
// valid for decades.
func mint(c claims) string {
	all := claims{"exp": 4102444800}
	maps.Copy(all, c)
	for name, value := range all {
		if value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return sign(`{"alg":"HS256","typ":"JWT"}`, string(payload), secret)
}

func sign(header, payload, secret string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

var (
	alice = mint(claims{"sub": "alice"})
	bob   = mint(claims{"sub": "bob"})
)

// Keys of the other kinds, made anew for each run.
var (
	rsaKey      = must(rsa.GenerateKey(rand.Reader, 2048))
	p256Key     = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other256Key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey, _ = ed25519.GenerateKey(rand.Reader)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// signWith signs with a private key: RS256, PS256, ES256 or EdDSA.
func signWith(key crypto.Signer, algorithm, payload string) string {
	input := b64(`{"alg":"`+algorithm+`"}`) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	switch algorithm {
	case "RS256":
		signature = must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
	case "PS256":
		signature = must(key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}))
	case "ES256":
		r, s, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
		if err != nil {
			panic(err)
		}
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	case "EdDSA":
		signature = must(key.Sign(rand.Reader, []byte(input), crypto.Hash(0)))
	default:
		panic("no algorithm " + algorithm)
	}
	return input + "." + b64(string(signature))
}

func publicPEM(key crypto.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))}))
}

// pemKeys is the provider of the public keys, in one PEM text.
func pemKeys(t testing.TB) verifier.KeyProvider {
	t.Helper()
	text := publicPEM(rsaKey.Public()) + publicPEM(p256Key.Public()) + publicPEM(edKey.Public())
	set, err := keys.PEM([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// secretKey is the provider of the one key.
func secretKey(t testing.TB) verifier.KeyProvider {
	t.Helper()
	key, err := verifier.NewKey([]byte(secret), verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return keyFunc(func() ([]*verifier.Key, error) { return []*verifier.Key{key}, nil })
}
