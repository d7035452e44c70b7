package httpauth_test

import (
	"context"
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

// Your value for each user, and a route that needs a scope.
func ExampleRequireScope() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := httpauth.New(v, socketio.NewRegistry(nil), &httpauth.Options{Policy: []socketio.Option{
		socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
			return "user " + t.Subject, nil
		}),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	write := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, httpauth.User(r.Context())) })
	route := guard.Require(httpauth.RequireScope("chat:write")(write))
	for _, scope := range []string{"chat:read", "chat:read chat:write"} {
		request := httptest.NewRequest("POST", "/messages", nil)
		request.Header.Set("Authorization", "Bearer "+issuer.Token(verifiertest.Claims{"sub": "ada", "scope": scope}))
		answer := httptest.NewRecorder()
		route.ServeHTTP(answer, request)
		fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 403 Bearer error="insufficient_scope", error_description="insufficient scope", scope="chat:write"
	// 200
}
