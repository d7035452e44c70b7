package clientjs_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
)

// The server of the application serves the module; its page imports it.
func Example() {
	mux := http.NewServeMux()
	mux.Handle("GET /auth/", http.StripPrefix("/auth/", clientjs.Handler()))
	server := httptest.NewServer(mux)
	defer server.Close()

	answer, err := http.Get(server.URL + "/auth/client.mjs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.Header.Get("Content-Type"), strings.Contains(string(text), "export function authenticated("))
	// Output: text/javascript; charset=utf-8 true
}

// The files, for applications that bundle them or serve them from elsewhere.
func ExampleModule() {
	fmt.Println(strings.Contains(string(clientjs.Module()), "export function authenticated("))        // client.mjs
	fmt.Println(strings.Contains(string(clientjs.Script()), "var socketioJWT = "))                    // client.js
	fmt.Println(strings.Contains(string(clientjs.Types()), "export function authenticated<Socket>(")) // client.d.ts
	// Output:
	// true
	// true
	// true
}
