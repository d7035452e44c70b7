// Command quickstart shows the main job of socketio-jwt: a Socket.IO server that
// accepts only clients that present a valid token. It creates a secret, keeps
// everything in memory, shows in the terminal what happens to good and bad
// tokens, over real sockets against itself, and then serves a page to try it on.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

func main() { trial.Main("quickstart", run) }

func run(ctx context.Context, addr string, then bool) error {
	secret := mint.Secret()
	server, err := newServer(secret, socketio.DefaultTimeout)
	if err != nil {
		return err
	}
	defer server.Close()
	site := newSite(secret, server)
	return trial.Serve(ctx, addr, site, then, func(url string) error {
		fmt.Printf("A Socket.IO server at %s that accepts only valid tokens. What happens to\n\n", url)
		d := demonstration{url: url, secret: secret, timeout: socketio.DefaultTimeout, patience: 10 * time.Second}
		if failed := d.run(ctx, os.Stdout); failed > 0 {
			return fmt.Errorf("%d of these outcomes should have been otherwise", failed)
		}
		if then {
			fmt.Println("\nNow try it yourself, in two windows.")
		}
		return ctx.Err()
	})
}
