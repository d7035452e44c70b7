// Command modern is the quickstart for Socket.IO clients 4.x: a chat on the
// server github.com/zishang520/socket.io that accepts only clients that present a
// valid token in the handshake. It creates a secret, keeps everything in memory,
// shows in the terminal what happens to good and bad tokens, over real sockets
// against itself, and then serves a page to try it on.
//
//	go run ./examples/modern
//	go run ./examples/modern -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

func main() { trial.Main("modern", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	server, err := newServer(secret)
	if err != nil {
		return err
	}
	defer server.Close()
	site := chatpage.New(secret, chatpage.Version4, server)
	return trial.Serve(ctx, addr, site, then, func(url string) error {
		fmt.Printf("A Socket.IO server for clients 4.x. What happens to\n\n")
		return demonstrate(ctx, os.Stdout, url, secret)
	})
}
