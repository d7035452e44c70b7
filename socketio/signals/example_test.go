package signals_test

import (
	"fmt"
	"net/http"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// Both endpoints on the registry of the sockets.
func Example() {
	keys := verifiertest.NewIssuer("https://idp.example/") // in production jwks.OIDC("https://idp.example/")
	registry := socketio.NewRegistry(nil)                  // also given to server.Authorize
	events, err := signals.SharedSignals(registry, &signals.Options{
		Keys: keys, Issuer: "https://idp.example/", Audience: "https://chat.example/events",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	logout, err := signals.GlobalTokenRevocation(registry, &signals.Options{
		Keys: keys, Issuer: "https://idp.example/", Audience: "https://chat.example/global-token-revocation",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("POST /events", events)
	http.Handle("POST /global-token-revocation", logout)
	fmt.Println(registry.Count(socketio.Filter{}))
	// Output: 0
}
