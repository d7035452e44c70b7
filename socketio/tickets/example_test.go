package tickets_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A client trades its token for a ticket over HTTP, and opens a socket with that.
func Example() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	web, _ := verifier.New(issuer, verifier.WithExtractor(verifier.BearerHeader()))
	guard, _ := httpauth.New(web, socketio.NewRegistry(nil), nil)
	t, err := tickets.New(guard, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sockets, _ := verifier.New(issuer, verifier.WithExtractor(t.Ticket())) // for server.Authorize

	request := httptest.NewRequest("POST", "/ticket", nil)
	request.Header.Set("Authorization", "Bearer "+issuer.Token(verifiertest.Claims{"sub": "ada"}))
	answer := httptest.NewRecorder()
	t.ServeHTTP(answer, request)
	var issued struct{ Ticket string }
	_ = json.Unmarshal(answer.Body.Bytes(), &issued)

	handshake := &verifier.Handshake{Header: http.Header{}, Query: url.Values{"ticket": {issued.Ticket}}}
	token, err := sockets.Authenticate(context.Background(), handshake)
	fmt.Println(token.Subject, err)
	_, err = sockets.Authenticate(context.Background(), handshake)
	fmt.Println(err)
	// Output:
	// ada <nil>
	// ticket invalid: tickets: the ticket was used before
}

// Tickets for a session cookie. A ticket is good only beside the cookie it was issued for.
func ExampleCookie() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	web, _ := verifier.New(issuer, verifier.WithExtractor(verifier.Cookie("session")))
	guard, _ := httpauth.New(web, socketio.NewRegistry(nil), nil)
	_, err := tickets.New(guard, &tickets.Options{Bind: tickets.Cookie("session")})
	fmt.Println(err)
	// Output: <nil>
}
