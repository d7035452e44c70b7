// Command multitenant is a Socket.IO server for many tenants, each with its own
// issuer. Its tenants here are two, in the process; they could come from a
// database, and come and go while the server runs.
//
//	go run ./examples/multitenant
//	go run ./examples/multitenant -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/jwks"
)

func main() { trial.Main("multitenant", run) }

func run(ctx context.Context, addr string, then bool) error {
	s := newShow()
	defer s.close()
	app, err := newApplication(jwks.HTTPClient(s.acme.Client()), jwks.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer app.server.Close()
	return trial.Serve(ctx, addr, app.server, then, func(url string) error {
		fmt.Print("A server for tenants that come and go. What happens to\n\n")
		if err := s.demonstrate(ctx, app, url, os.Stdout); err != nil {
			return err
		}
		app.admit(s.acme.URL(), "acme")
		fmt.Printf("\nA token of acme's to try: %s\n", s.acme.Token(ada))
		return nil
	})
}
