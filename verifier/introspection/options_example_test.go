package introspection_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// How long answers are used, and how many are kept.
func ExampleTTL() {
	c, err := introspection.New("http://localhost:8080/introspect",
		introspection.ClientSecretPost("chat", "secret"),
		introspection.InsecureAllowHTTP(), // a loopback address
		introspection.TTL(10*time.Second),
		introspection.MaxStale(time.Minute), // while the endpoint is unreachable
		introspection.CacheSize(1000),
		introspection.WithLogger(slog.New(slog.DiscardHandler)),
	)
	fmt.Println(err)
	c.Close()
	// Output: <nil>
}

// Authentication without a shared secret, and signed answers.
func ExamplePrivateKeyJWT() {
	const issuer = "https://login.example/"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := introspection.New(issuer+"introspect",
		introspection.PrivateKeyJWT("chat", issuer, key, "key-1"),
		introspection.SignedAnswers(issuer, "chat", verifiertest.NewIssuer(issuer)),
	)
	fmt.Println(err)
	c.Close()

	c, err = introspection.New(issuer+"introspect",
		introspection.BearerToken(func(context.Context) (string, error) { return "an access token", nil }))
	fmt.Println(err)
	c.Close()
	// Output:
	// <nil>
	// <nil>
}
