package jwks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// An issuer with every option.
func ExampleOIDC() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	events := make(chan jwks.EventKind, 10)
	keys, err := jwks.OIDC("https://login.example/",
		jwks.HTTPClient(issuer.Client()), // otherwise one with time-outs
		jwks.TTL(5*time.Minute),
		jwks.MaxStale(12*time.Hour), // while the issuer cannot be reached
		jwks.WithLogger(slog.New(slog.DiscardHandler)),
		jwks.OnEvent(func(e jwks.Event) { events <- e.Kind }),
		jwks.ClientAddress(func(h *verifier.Handshake) string { return h.Header.Get("X-Forwarded-For") }),
		jwks.RequestHeader(func(context.Context) (http.Header, error) {
			return http.Header{"X-Tenant": {"acme"}}, nil
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := verifier.Must(verifier.New(keys))
	token, err := v.Verify(context.Background(), issuer.Token(verifiertest.Claims{"sub": "ada"}))
	fmt.Println(token.Subject, err)
	fmt.Println(<-events)
	// Output:
	// ada <nil>
	// fetch
}

// Issuers whose number is known. Each may have another kind of provider.
func ExampleIssuers() {
	one, two := verifiertest.NewIssuer("https://one.example/"), verifiertest.NewIssuer("https://two.example/")
	client := jwks.HTTPClient(verifiertest.Client(one, two))
	keys, err := jwks.Issuers(map[string]verifier.KeyProvider{
		one.URL(): verifier.Must(jwks.OIDC(one.URL(), client)),
		two.URL(): verifier.Must(jwks.OIDC(two.URL(), client)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	v := verifier.Must(verifier.New(keys))
	for _, issuer := range []*verifiertest.Issuer{one, two} {
		token, err := v.Verify(context.Background(), issuer.Token(verifiertest.Claims{"sub": "ada"}))
		fmt.Println(token.Issuer, err)
	}
	// Output:
	// https://one.example/ <nil>
	// https://two.example/ <nil>
}

// Keys in a file that changes, such as a mounted secret.
func ExampleFile() {
	path := filepath.Join(os.TempDir(), "example-jwks.json")
	defer os.Remove(path)
	_ = os.WriteFile(path, []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), 0o600)
	_, err := jwks.File(path)
	fmt.Println(err)
	// Output: <nil>
}

// A private network: http for one host, and metadata at another address.
func ExampleMetadataURL() {
	_, err := jwks.OIDC("https://login.example/realms/chat",
		jwks.MetadataURL("http://keycloak:8080/realms/chat/.well-known/openid-configuration"),
		jwks.InsecureAllowHTTP("keycloak:8080"))
	fmt.Println(err)
	_, err = jwks.PEMByKID("https://public-keys.auth.elb.eu-central-1.amazonaws.com/")
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}
