// Package mint signs the tokens that the examples hand out. In production an
// authorization server does that; it is not a part of this library.
package mint

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// Secret returns a random secret, long enough for HS256 (RFC 7518 §3.2).
func Secret() []byte {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // never fails
	return secret
}

// HS256 returns a token of the claims, signed with the secret. The claims must
// be fit for JSON, it panics otherwise.
func HS256(secret []byte, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := Encode(`{"alg":"HS256","typ":"JWT"}`) + "." + Encode(string(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + Encode(string(mac.Sum(nil)))
}

// Encode is base64url without padding, the encoding of each part of a token
// (RFC 7515 §2).
func Encode(part string) string { return base64.RawURLEncoding.EncodeToString([]byte(part)) }
