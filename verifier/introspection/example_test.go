package introspection_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

func Example() {
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.PostFormValue("token") == "known" {
			_, _ = io.WriteString(w, `{"active": true, "sub": "ada", "aud": "chat"}`)
		} else {
			_, _ = io.WriteString(w, `{"active": false}`)
		}
	}))
	defer endpoint.Close()

	asked, err := introspection.New(endpoint.URL,
		introspection.ClientSecret("chat", "secret"),
		introspection.HTTPClient(endpoint.Client())) // it trusts the certificate of this example
	if err != nil {
		panic(err)
	}
	defer asked.Close()
	v, err := verifier.NewOpaque(asked, verifier.Audience("chat"))
	if err != nil {
		panic(err)
	}

	token, err := v.Verify(context.Background(), "known")
	fmt.Println(token.Subject, err)
	_, err = v.Verify(context.Background(), "unknown")
	fmt.Println(err)
	// Output:
	// ada <nil>
	// token inactive
}
