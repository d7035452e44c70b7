package httpauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// REST under the policy of the sockets: one verifier, one registry.
func Example() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()), verifier.Audience("chat"))
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := socketio.NewRegistry(nil) // also given to server.Authorize, by socketio.WithRegistry
	guard, err := httpauth.New(v, registry, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /me", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, httpauth.Token(r.Context()).Subject)
	})))

	request := httptest.NewRequest("GET", "/me", nil)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))

	request.Header.Set("Authorization", "Bearer "+issuer.Token(verifiertest.Claims{"sub": "ada", "aud": "chat"}))
	answer = httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Body)
	// Output:
	// 401 Bearer
	// 200 ada
}
