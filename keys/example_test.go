package keys_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Jane's token, signed with HS256 and the secret of the examples.
const janesToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqYW5lIn0.obQxNUGll2lyEVaYc-M04ShYZO8jbkTGJu2wpdPuE4A"

// verify shows what a verifier with these keys makes of Jane's token.
func verify(k verifier.KeyProvider) {
	v, err := verifier.New(k)
	if err != nil {
		log.Fatal(err)
	}
	token, err := v.Verify(context.Background(), janesToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("hello,", token.Subject)
}

func ExampleSecret() {
	secret, err := keys.Secret([]byte("a secret of thirty-two bytes, ok"))
	if err != nil {
		log.Fatal(err)
	}
	verify(secret)

	_, err = keys.Secret([]byte("too short"))
	fmt.Println(err)
	// Output:
	// hello, jane
	// keys: Secret: the secret has 9 bytes: HS256 needs at least 32, HS384 48, HS512 64 (RFC 7518 §3.2)
}

func ExampleBase64Secret() {
	secret, err := keys.Base64Secret("YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s")
	if err != nil {
		log.Fatal(err)
	}
	verify(secret)
	// Output: hello, jane
}

// While a secret is being rotated, tokens signed with the previous one stay
// good.
func ExampleJoin() {
	next, err := keys.Secret([]byte("the next secret, of 32 bytes too"))
	if err != nil {
		log.Fatal(err)
	}
	previous, err := keys.Secret([]byte("a secret of thirty-two bytes, ok"))
	if err != nil {
		log.Fatal(err)
	}
	both, err := keys.Join(next, previous)
	if err != nil {
		log.Fatal(err)
	}
	verify(both)
	verify(next)
	// Output:
	// hello, jane
	// invalid signature
}

func ExamplePEM() {
	public, err := keys.PEM([]byte(`
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`), keys.ID("2026-01"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(public.All())
	// Output: [key "2026-01" (EdDSA, 06e3fd8f)]
}

func ExampleJWKSet() {
	set, err := keys.JWKSet([]byte(`{"keys": [
		{"kid": "a", "kty": "oct", "k": "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s"},
		{"kid": "b", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
	]}`))
	if err != nil {
		log.Fatal(err)
	}
	verify(set)

	_, err = keys.JWKSet([]byte(`{"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	fmt.Println(err)
	// Output:
	// hello, jane
	// keys: JWKSet: JWK 1: its crv is "X25519": expected Ed25519
}

func ExampleFile() {
	_, err := keys.File("no-such-file.pem")
	fmt.Println(err)
	// Output: keys: File: open no-such-file.pem: no such file or directory
}

// A secret for the tokens of today, and a function for those of the tenants.
func ExampleFirstOf() {
	secret, err := keys.Secret([]byte("a secret of thirty-two bytes, ok"), keys.ID("today"))
	if err != nil {
		log.Fatal(err)
	}
	tenants := verifier.KeyProviderFunc(func(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return nil, nil // the keys of t.Issuer(), or none if it is nobody we know
	})
	either, err := keys.FirstOf(tenants, secret)
	if err != nil {
		log.Fatal(err)
	}
	verify(either)
	// Output: hello, jane
}
