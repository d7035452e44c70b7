// Command rest is a chat with REST and sockets under one policy: the browser has a
// session cookie, REST requests carry it, sockets open with a one-time ticket, and a
// logout ends both.
//
//	go run ./examples/rest
//	go run ./examples/rest -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("rest", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	site, sockets, err := newServer(secret)
	if err != nil {
		return err
	}
	defer sockets.Close()
	return trial.Serve(ctx, addr, site, then, func(url string) error {
		fmt.Print("A server with REST and sockets under one policy. What happens to\n\n")
		return demonstrate(ctx, os.Stdout, url, secret)
	})
}
