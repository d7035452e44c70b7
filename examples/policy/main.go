// Command policy is a Socket.IO server whose events and rooms are decided on by a policy
// engine: expressions of CEL, the Common Expression Language, behind [socketio.Decider].
//
//	go run .          # in examples/policy, which is a separate module
//	go run . -once    # only the demonstration; fails if any check fails
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("policy", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	server, err := newServer(secret, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer server.Close()
	return trial.Serve(ctx, addr, server, then, func(url string) error {
		fmt.Print("A server whose events and rooms CEL decides on:\n\n")
		return demonstrate(ctx, os.Stdout, url, secret)
	})
}
