// Command dpop shows tokens that are of no use to a thief: each is bound to a key
// that never leaves the browser, and every socket proves that it holds the key
// (DPoP, RFC 9449). It shows in the terminal what happens to a stolen token, over
// real sockets against itself, and then serves a page that makes such a key.
//
//	go run ./examples/dpop
//	go run ./examples/dpop -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("dpop", run) }

func run(ctx context.Context, addr string, then bool) error {
	if addr == "" {
		addr = "localhost:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	// A browser opens the page by a name, which is then in its proofs. In
	// production this is the one URL under which the server is known.
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	urls := []string{"http://localhost:" + port + "/socket.io/", "http://127.0.0.1:" + port + "/socket.io/"}

	secret := mint.Secret()
	server, err := newServer(secret, urls)
	if err != nil {
		return err
	}
	defer server.Close()
	site := &http.Server{Handler: newSite(secret, server), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- site.Serve(listener) }()
	defer site.Close()
	url := "http://localhost:" + port

	fmt.Printf("A Socket.IO server at %s, for tokens that are bound to a key. What happens to\n\n", url)
	d := demonstration{url: url}
	if err := d.run(ctx, os.Stdout); err != nil {
		return err
	}
	if !then || ctx.Err() != nil {
		return ctx.Err()
	}

	fmt.Printf("\nNow try it in a browser: %s (Ctrl-C ends it)\n", url)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return nil
	}
}
