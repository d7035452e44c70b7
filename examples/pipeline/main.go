// Command pipeline is a Socket.IO server whose pipeline has three custom parts:
// where the token is, which keys may verify it, and what it must claim.
//
//	go run ./examples/pipeline
//	go run ./examples/pipeline -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func main() { trial.Main("pipeline", run) }

func run(ctx context.Context, addr string, then bool) error {
	f := newFleet()
	server, err := newServer(f)
	if err != nil {
		return err
	}
	defer server.Close()
	return trial.Serve(ctx, addr, server, then, func(url string) error {
		fmt.Print("A server for a fleet of devices, each with its own key. What happens to\n\n")
		return demonstrate(ctx, os.Stdout, url, f)
	})
}

// newKey makes a device's key. The private part never leaves a real one.
func newKey() *verifiertest.Key { return verifiertest.NewKey(verifier.EdDSA, "") }
