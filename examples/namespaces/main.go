// Command namespaces is a Socket.IO server whose namespaces each have their own
// rule: one is open to all, one to anyone who has a token, one to those whose
// token has a scope, and each tenant's to its members.
//
//	go run ./examples/namespaces
//	go run ./examples/namespaces -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("namespaces", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	server, registry, err := newServer(secret)
	if err != nil {
		return err
	}
	defer server.Close()
	return trial.Serve(ctx, addr, server, then, func(url string) error {
		fmt.Print("A server whose namespaces each have a rule. Who enters\n\n")
		return demonstrate(ctx, os.Stdout, url, secret, registry)
	})
}
