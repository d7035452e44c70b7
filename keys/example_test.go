package keys_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// A token signed with HS256 and the secret of the examples.
const exampleToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqYW5lIn0.obQxNUGll2lyEVaYc-M04ShYZO8jbkTGJu2wpdPuE4A"

func ExampleSecret() {
	secret, err := keys.Secret([]byte("a secret of thirty-two bytes, ok"))
	if err != nil {
		log.Fatal(err)
	}
	v, err := verifier.New(secret)
	if err != nil {
		log.Fatal(err)
	}
	token, err := v.Verify(context.Background(), exampleToken)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Subject)

	_, err = keys.Secret([]byte("too short"))
	fmt.Println(err)
	// Output:
	// jane
	// keys: Secret: the secret has 9 bytes: HS256 needs at least 32, HS384 48, HS512 64 (RFC 7518 §3.2)
}
