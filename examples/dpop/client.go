package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// client is a client in Go: it does what proof.js does in a browser.
type client struct{ key *ecdsa.PrivateKey }

func newClient() *client {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // it cannot be: the curve is a good one
	}
	return &client{key}
}

// jwk is the public key (RFC 7518 §6.2).
func (c *client) jwk() map[string]any {
	point, err := c.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
}

// credential is what a client presents: the token, and a proof for the URL.
func (c *client) credential(token, url, nonce string) map[string]any {
	hash := sha256.Sum256([]byte(token))
	claims := map[string]any{
		"jti": rand.Text(), "htm": "GET", "htu": url, "iat": time.Now().Unix(), "ath": encode(hash[:]),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	input := encodeJSON(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": c.jwk()}) + "." + encodeJSON(claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err != nil {
		panic(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return map[string]any{"token": token, "dpop": input + "." + encode(signature[:])}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encodeJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers: it cannot fail
	}
	return encode(text)
}
