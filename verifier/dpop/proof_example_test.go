package dpop_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

const chat = "https://chat.example.com/socket.io/"

var base64url = base64.RawURLEncoding

// sign makes a proof, as a client does for each connection.
func sign(key ed25519.PrivateKey, jwk json.RawMessage, token, id string, at time.Time) string {
	header, _ := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk})
	hash := sha256.Sum256([]byte(token))
	claims, _ := json.Marshal(map[string]any{
		"jti": id, "htm": "GET", "htu": chat, "iat": at.Unix(), "ath": base64url.EncodeToString(hash[:]),
	})
	input := base64url.EncodeToString(header) + "." + base64url.EncodeToString(claims)
	return input + "." + base64url.EncodeToString(ed25519.Sign(key, []byte(input)))
}

// Servers behind a load balancer share the used proofs, so that each proof is valid once.
func ExampleWithCache() {
	now := time.Unix(1_700_000_000, 0)
	var used sync.Map // in one process; servers share Redis or a database
	cache := dpop.CacheFunc(func(_ context.Context, id string, _ time.Time) (added bool, err error) {
		_, known := used.LoadOrStore(id, true)
		return !known, nil
	})
	proof, err := dpop.New(dpop.URL(chat), dpop.WithCache(cache), dpop.WithClock(func() time.Time { return now }))
	if err != nil {
		fmt.Println(err)
		return
	}
	// The client's key, and a token that is bound to it.
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // a real key is random
	jwk := json.RawMessage(`{"kty":"OKP","crv":"Ed25519","x":"` + base64url.EncodeToString(key.Public().(ed25519.PublicKey)) + `"}`)
	thumbprint, err := dpop.Thumbprint(jwk)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := verifier.Must(verifier.NewOpaque(
		verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
			return []byte(`{"active":true,"sub":"ada","cnf":{"jkt":"` + thumbprint + `"}}`), nil
		}),
		verifier.WithExtractor(dpop.Header()),
		verifier.Validate(proof),
	))

	handshake := &verifier.Handshake{Header: http.Header{
		"Authorization": {"DPoP a-token"},
		"Dpop":          {sign(key, jwk, "a-token", "proof-1", now)},
	}}
	for range 2 {
		_, err = v.Authenticate(context.Background(), handshake)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// DPoP proof used before
}
