package dpop_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

func Example() {
	proof, err := dpop.New(dpop.URL("https://chat.example.com/socket.io/"))
	if err != nil {
		panic(err)
	}
	// An introspector that knows one token, bound to a key. Signed tokens go the
	// same way, with verifier.New.
	v, err := verifier.NewOpaque(
		verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
			return []byte(`{"active":true,"sub":"ada","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`), nil
		}),
		verifier.WithExtractor(dpop.Extractor()),
		verifier.Validate(proof),
	)
	if err != nil {
		panic(err)
	}

	// Anyone who stole the token has no proof.
	_, err = v.Authenticate(context.Background(), &verifier.Handshake{Auth: map[string]any{"token": "stolen"}})
	fmt.Println(errors.Is(err, dpop.ErrProofMissing), err)
	// Output: true no DPoP proof provided
}
