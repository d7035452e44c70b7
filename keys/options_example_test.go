package keys_test

import (
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// What a key may verify, and how a token names it.
func ExampleAlgorithms() {
	long := []byte(strings.Repeat("secret ", 10))
	_, err := keys.Secret(long, keys.ID("2026"), keys.Algorithms(verifier.HS512))
	fmt.Println(err)
	_, err = keys.Secret([]byte("short"), keys.InsecureAllowShortSecret())
	fmt.Println(err)
	_, err = keys.Secret(long, keys.Algorithms(verifier.RS256))
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// <nil>
	// true
}

// A set of keys that the program has in memory.
func ExampleNewSet() {
	secret := []byte(strings.Repeat("secret ", 10))
	one := verifier.Must(verifier.NewKey(secret, verifier.KeyOptions{ID: "one"}))
	two := verifier.Must(verifier.NewKey(secret, verifier.KeyOptions{ID: "two"}))
	_, err := keys.NewSet(one, two)
	fmt.Println(err)
	_, err = keys.NewSet(one, one)
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}

// A published set: keys that cannot be used do not affect the others.
func ExampleParseJWKSet() {
	usable, skipped, err := keys.ParseJWKSet([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"oct","kid":"2","k":"c2VjcmV0"}]}`))
	fmt.Println(len(usable), len(skipped), err)
	// Output: 1 1 <nil>
}
