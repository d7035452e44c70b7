package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// membership is what a server reads in a token beyond the registered claims.
type membership struct {
	Room  string `json:"room"`
	Level int    `json:"level"`
}

// Validate is asked by ClaimsAs and CustomClaims.
func (m *membership) Validate(context.Context) error {
	if m.Level < 1 {
		return errors.New("level is below 1")
	}
	return nil
}

func ExampleClaimsAs() {
	v, err := verifier.New(exampleKeys(), verifier.CustomClaims[membership]())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	token, err := v.Verify(ctx, sign(`{"sub":"jane","room":"lobby","level":2}`))
	if err != nil {
		log.Fatal(err)
	}
	m, err := verifier.ClaimsAs[membership](ctx, token)
	fmt.Println(m.Room, m.Level, err)

	// encoding/json would have filled level from LEVEL.
	_, err = v.Verify(ctx, sign(`{"sub":"jane","room":"lobby","LEVEL":9}`))
	fmt.Println(err)
	// Output:
	// lobby 2 <nil>
	// invalid claims: verifier: claims do not fit *verifier_test.membership: the member "LEVEL" differs from the field "level" in letter case
}

func ExampleRequireScope() {
	v, err := verifier.New(exampleKeys(), verifier.RequireScope("chat:write"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = v.Verify(context.Background(), sign(`{"sub":"jane","scope":"chat:read"}`))
	fmt.Println(err, errors.Is(err, verifier.ErrScopeMismatch))
	token, err := v.Verify(context.Background(), sign(`{"sub":"jane","scope":"chat:read chat:write"}`))
	fmt.Println(token.Scopes(), err)
	// Output:
	// insufficient scope true
	// [chat:read chat:write] <nil>
}
