package jwks_test

import (
	"context"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// The keys of an Auth0 tenant. The issuer here is one for tests, in memory;
// otherwise the option is left out.
func Example() {
	issuer := verifiertest.NewIssuer("https://tenant.eu.auth0.com/")

	provider, err := jwks.Auth0("tenant.eu.auth0.com", jwks.HTTPClient(issuer.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := verifier.New(provider, verifier.Audience("https://api.example.com"))
	if err != nil {
		fmt.Println(err)
		return
	}

	raw := issuer.Token(verifiertest.Claims{"sub": "auth0|alice", "aud": "https://api.example.com"})
	token, err := v.Verify(context.Background(), raw)
	fmt.Println(token.Subject, err)

	issuer.Rotate(verifiertest.NewKey(verifier.ES256, "key-2"))
	raw = issuer.Token(verifiertest.Claims{"sub": "auth0|bob", "aud": "https://api.example.com"})
	token, err = v.Verify(context.Background(), raw)
	fmt.Println(token.Subject, err)
	fmt.Println(provider.Stats().Fetches, "fetches")
	// Output:
	// auth0|alice <nil>
	// auth0|bob <nil>
	// 2 fetches
}

// Tenants that come and go, each an issuer.
func ExampleIssuersFunc() {
	acme := verifiertest.NewIssuer("https://login.example/tenants/acme")
	mallory := verifiertest.NewIssuer("https://login.example/tenants/mallory")
	customers := map[string]bool{acme.URL(): true} // your database, or a cache of it

	provider, err := jwks.IssuersFunc(func(_ context.Context, issuer string) (bool, error) {
		return customers[issuer], nil
	}, jwks.HTTPClient(verifiertest.Client(acme, mallory)))
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := verifier.New(provider)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := v.Verify(context.Background(), acme.Token(verifiertest.Claims{"sub": "alice"}))
	fmt.Println(token.Subject, err)
	_, err = v.Verify(context.Background(), mallory.Token(verifiertest.Claims{"sub": "mallory"}))
	fmt.Println(err)
	fmt.Println(len(mallory.Requests()), "requests to mallory")
	// Output:
	// alice <nil>
	// jwt issuer invalid: jwks: iss is "https://login.example/tenants/mallory", which the function of IssuersFunc does not allow
	// 0 requests to mallory
}
