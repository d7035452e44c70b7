package introspection_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
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

// A test moves the clock to see how long the client uses an answer.
func ExampleWithClock() {
	requests := 0
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"active": true, "sub": "ada"}`)
	}))
	defer endpoint.Close()
	clock := verifiertest.NewClock(time.Now())
	c, err := introspection.New(endpoint.URL, introspection.ClientSecret("chat", "secret"),
		introspection.InsecureAllowHTTP(), introspection.TTL(10*time.Second), introspection.WithClock(clock.Now))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	v := verifier.Must(verifier.NewOpaque(c, verifier.WithClock(clock.Now)))
	for _, pause := range []time.Duration{0, 9 * time.Second, 2 * time.Second} {
		clock.Advance(pause)
		token, err := v.Verify(context.Background(), "opaque")
		fmt.Println(token.Subject, err, requests)
	}
	// Output:
	// ada <nil> 1
	// ada <nil> 1
	// ada <nil> 2
}
