package verifiertest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A server's test mints whatever tokens it needs.
func Example() {
	issuer := verifiertest.NewIssuer("https://tenant.example/")
	v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()), verifier.Audience("chat"))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := v.Verify(context.Background(), issuer.Token(verifiertest.Claims{"sub": "alice", "aud": "chat"}))
	fmt.Println(token.Subject, err)
	_, err = v.Verify(context.Background(), issuer.Token(verifiertest.Claims{"aud": "mail"}))
	fmt.Println(errors.Is(err, verifier.ErrAudienceMismatch))
	// Output:
	// alice <nil>
	// true
}

// Over HTTP, and out of order.
func ExampleIssuer_Break() {
	issuer := verifiertest.ServeTLS()
	defer issuer.Close()
	issuer.Break(verifiertest.Status(503))
	response, err := issuer.Client().Get(issuer.JWKSURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Printf("%d %s", response.StatusCode, body)
	fmt.Println(issuer.Fetches(), "fetch")
	// Output:
	// 503 Service Unavailable
	// 1 fetch
}

// A clock that the test moves shows what time does.
func ExampleClock() {
	clock := verifiertest.NewClock(time.Unix(1_700_000_000, 0))
	issuer := verifiertest.NewIssuer("https://tenant.example/")
	issuer.Now = clock.Now
	v, err := verifier.New(issuer, verifier.WithClock(clock.Now))
	if err != nil {
		fmt.Println(err)
		return
	}
	raw := issuer.Token(nil)
	_, err = v.Verify(context.Background(), raw)
	fmt.Println(err)
	clock.Advance(verifiertest.Lifetime)
	_, err = v.Verify(context.Background(), raw)
	fmt.Println(errors.Is(err, verifier.ErrTokenExpired))
	// Output:
	// <nil>
	// true
}

// Where only what comes after verification is tested, no key is needed.
func ExampleVerifiedToken() {
	token := verifiertest.VerifiedToken(verifiertest.Claims{"sub": "alice", "jti": "1"})
	fmt.Println(token.Subject, token)
	// Output: alice jti "1"
}

// A verifier can be replaced by its answer.
func ExampleAccept() {
	v := verifiertest.Accept(verifiertest.Claims{"sub": "alice"})
	token, err := v.Authenticate(context.Background(), &verifier.Handshake{})
	fmt.Println(token.Subject, err)
	// Output: alice <nil>
}

func ExampleRefuse() {
	v := verifiertest.Refuse(&verifier.UnauthorizedError{Message: "jwt expired", Reason: verifier.ErrTokenExpired})
	_, err := v.Authenticate(context.Background(), &verifier.Handshake{})
	fmt.Println(err)
	// Output: jwt expired
}
