package verifier_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var exampleSecret = []byte("a secret of thirty-two bytes, ok")

// sign makes a token as an issuer does. A server never does this.
func sign(claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	m := hmac.New(sha256.New, exampleSecret)
	m.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// exampleKeys is what keys.Secret of package keys makes of the secret.
func exampleKeys() verifier.KeyProvider {
	key, err := verifier.NewKey(exampleSecret, verifier.KeyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{key}, nil
	})
}

func newYear() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

func Example() {
	v, err := verifier.New(exampleKeys(), verifier.Audience("chat"), verifier.WithClock(newYear))
	if err != nil {
		log.Fatal(err)
	}
	token, err := v.Verify(context.Background(), sign(`{"sub":"jane","aud":"chat","exp":1767229200,"roles":["admin"]}`))
	if err != nil {
		log.Fatal(err)
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if err := token.Claims(&claims); err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Subject, claims.Roles, token.ExpiresAt.UTC())

	_, err = v.Verify(context.Background(), sign(`{"sub":"jane","aud":"shop"}`))
	fmt.Println(err)
	// Output:
	// jane [admin] 2026-01-01 01:00:00 +0000 UTC
	// jwt audience invalid. expected: chat: aud is ["shop"]
}

// What a server logs, what it branches on and what its client is told.
func ExampleUnauthorizedError() {
	v, err := verifier.New(exampleKeys(), verifier.WithClock(newYear))
	if err != nil {
		log.Fatal(err)
	}
	_, err = v.Verify(context.Background(), sign(`{"exp":1767225599}`))
	fmt.Println(errors.Is(err, verifier.ErrTokenExpired))

	var u *verifier.UnauthorizedError
	if errors.As(err, &u) {
		shown, err := json.Marshal(u)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(shown))
	}
	// Output:
	// true
	// {"message":"jwt expired","code":"invalid_token","type":"UnauthorizedError","reason":"token_expired","retryable":false}
}

// The token in a cookie, or else in the header.
func ExampleVerifier_Authenticate() {
	v, err := verifier.New(exampleKeys(),
		verifier.WithExtractor(verifier.OneOf(verifier.Cookie("session"), verifier.BearerHeader())))
	if err != nil {
		log.Fatal(err)
	}
	h := &verifier.Handshake{Header: http.Header{"Cookie": {"theme=dark; session=" + sign(`{"sub":"jane"}`)}}}
	token, err := v.Authenticate(context.Background(), h)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Subject)

	_, err = v.Authenticate(context.Background(), &verifier.Handshake{})
	fmt.Println(err)
	// Output:
	// jane
	// no token provided
}

// The keys of each tenant, found by what the token says of itself. Nothing of it
// is verified yet: it may choose among the server's keys, and nothing else.
func ExampleKeyProviderFunc() {
	key, err := verifier.NewKey(exampleSecret, verifier.KeyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	tenants := map[string][]*verifier.Key{"https://acme.example/": {key}}

	v, err := verifier.New(verifier.KeyProviderFunc(func(_ context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return tenants[t.Issuer()], nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	token, err := v.Verify(context.Background(), sign(`{"iss":"https://acme.example/","sub":"jane"}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Issuer, token.Subject)

	_, err = v.Verify(context.Background(), sign(`{"iss":"https://evil.example/","sub":"jane"}`))
	fmt.Println(err)
	// Output:
	// https://acme.example/ jane
	// secret or public key must be provided: no key for iss "https://evil.example/", kid "", alg "HS256"
}

// A custom check. Its message reaches the client because it is an
// UnauthorizedError; the server writes any other error only to the log.
func ExampleValidate() {
	verified := verifier.ClaimValidatorFunc(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) error {
		var claims struct {
			Verified bool `json:"email_verified"`
		}
		if err := t.Claims(&claims); err != nil {
			return err
		}
		if !claims.Verified {
			return &verifier.UnauthorizedError{Code: "email_unverified", Message: "please confirm your address first"}
		}
		return nil
	})
	v, err := verifier.New(exampleKeys(), verifier.Validate(verified))
	if err != nil {
		log.Fatal(err)
	}
	_, err = v.Verify(context.Background(), sign(`{"sub":"jane","email_verified":false}`))
	fmt.Println(err)
	// Output: please confirm your address first
}
