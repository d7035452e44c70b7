// Command guest is a Socket.IO server that lets everybody listen, and speak who
// has a token: a client comes as a guest and authenticates on the same socket when
// its user logs in.
//
//	go run ./examples/guest
//	go run ./examples/guest -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("guest", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	server, err := newServer(secret)
	if err != nil {
		return err
	}
	defer server.Close()
	return trial.Serve(ctx, addr, server, then, func(url string) error {
		fmt.Print("A server where guests listen, and users speak. What happens to\n\n")
		return demonstrate(ctx, os.Stdout, url, secret)
	})
}
