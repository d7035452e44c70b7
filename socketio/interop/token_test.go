package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Tokens are made here by hand rather than by a JWT library, so that what the
// servers are given owes nothing to code that is under test.

const secret = "a secret of the interop tests, long enough for HS256"

type claims map[string]any

// mint signs claims with the secret. Without an exp of its own a token is good
// for the next decades.
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

// secretKey is the provider of the one key.
func secretKey(t testing.TB) verifier.KeyProvider {
	t.Helper()
	key, err := verifier.NewKey([]byte(secret), verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return keys(func() ([]*verifier.Key, error) { return []*verifier.Key{key}, nil })
}
