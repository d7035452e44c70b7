package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// What every token says and every server asks for.
const (
	issuer   = "https://load.example/"
	audience = "chat"
)

// keyVariable hands a server what it verifies with.
const keyVariable = "SOCKETIO_JWT_LOAD_KEY"

// verification is what a server verifies with: a secret or a public key in PEM, or
// a key set on the network.
type verification struct {
	Secret    string `json:"secret,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`

	Issuer   string        `json:"issuer"`
	KeySet   string        `json:"keySet,omitempty"`
	TTL      time.Duration `json:"ttl,omitempty"`
	MaxStale time.Duration `json:"maxStale,omitempty"`
	Redis    string        `json:"redis,omitempty"`  // where revocations are shared: an address, or those of a Sentinel or of a Redis Cluster
	Master   string        `json:"master,omitempty"` // its name, if Redis is a Sentinel
	Lease    time.Duration `json:"lease,omitempty"`  // of sessions in a presence, which is shared too; 0 is without
	Limit    int           `json:"limit,omitempty"`  // of sessions of a user; 0 is without

	Broadcasts string `json:"broadcasts,omitempty"` // the Redis by which broadcasts reach all nodes
}

// minter signs tokens.
type minter struct {
	method jwt.SigningMethod
	key    any
	verify verification
}

func newMinter(algorithm string) (*minter, error) {
	switch algorithm {
	case "HS256":
		secret := rand.Text() + rand.Text()
		return &minter{jwt.SigningMethodHS256, []byte(secret), verification{Secret: secret, Algorithm: algorithm, Issuer: issuer}}, nil
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return &minter{jwt.SigningMethodRS256, key, verification{Secret: string(public), Algorithm: algorithm, Issuer: issuer}}, nil
	}
	return nil, fmt.Errorf("the algorithm %q: expected HS256 or RS256", algorithm)
}

func (v verification) environment() string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return keyVariable + "=" + string(text)
}

// token signs one of a subject, until so long from now.
func (m *minter) token(subject string, life time.Duration) string {
	now := time.Now()
	text, err := jwt.NewWithClaims(m.method, jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": subject, "iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(life).Unix(),
		"azp": "load-client", "scope": "openid profile email chat:read chat:write", "name": "Alice Example", "jti": rand.Text(),
	}).SignedString(m.key)
	if err != nil {
		panic(err) // with a key made for it
	}
	return text
}

// expired signs one that nobody accepts any more.
func (m *minter) expired() string { return m.token("late", -time.Hour) }
