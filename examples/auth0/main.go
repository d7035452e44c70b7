// Command auth0 is a Socket.IO server that accepts clients that have an access
// token of an Auth0 tenant.
//
//	AUTH0_DOMAIN=tenant.eu.auth0.com AUTH0_AUDIENCE=https://api.example.com go run ./examples/auth0
//	go run ./examples/auth0          # with its own tenant, in the process
//	go run ./examples/auth0 -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func main() { trial.Main("auth0", run) }

func run(ctx context.Context, addr string, then bool) error {
	domain, audience := os.Getenv("AUTH0_DOMAIN"), os.Getenv("AUTH0_AUDIENCE")
	if (domain == "") != (audience == "") {
		return errors.New("set both AUTH0_DOMAIN and AUTH0_AUDIENCE, or neither")
	}
	if domain == "" {
		t := newTenant()
		defer t.Close()
		server, err := newServer(t.domain(), audienceOfOwn, jwks.HTTPClient(t.Client()), jwks.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			return err
		}
		defer server.Close()
		return trial.Serve(ctx, addr, server, then, func(url string) error {
			fmt.Printf("A server for the tenant %s, which is this process's own. What happens to\n\n", t.domain())
			if err := t.demonstrate(ctx, url, os.Stdout); err != nil {
				return err
			}
			fmt.Printf("\nA token to try: %s\n", t.token())
			return nil
		})
	}
	server, err := newServer(domain, audience)
	if err != nil {
		return err
	}
	defer server.Close()
	return trial.Serve(ctx, addr, server, then, func(url string) error {
		fmt.Printf("A server for the tenant %s. What happens to\n\n", domain)
		return demonstrateReal(ctx, url, domain, os.Getenv("AUTH0_TOKEN"), os.Stdout)
	})
}

// newServer is all that a server needs.
func newServer(domain, audience string, options ...jwks.Option) (*googollee.Server, error) {
	provider, err := jwks.Auth0(domain, options...)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(provider, verifier.Audience(audience))
	if err != nil {
		return nil, err
	}
	server, err := googollee.NewServer(nil)
	if err != nil {
		return nil, err
	}
	room, err := server.Authorize("/", v, socketio.ByHandshake())
	if err != nil {
		return nil, err
	}
	room.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
		c.Emit("welcome", s.Token().Subject)
		return nil
	})
	return server, nil
}

// demonstrateReal shows what can be shown without a token of the tenant: that its
// keys can be fetched, and that no other keys are accepted for them.
func demonstrateReal(ctx context.Context, url, domain, token string, out io.Writer) error {
	r := trial.Report{Out: out}
	got, err := trial.Handshake(ctx, url, forged(domain))
	r.Expect("a forged token", string(verifier.ErrKeyNotFound), got, err)
	if token != "" {
		got, err = trial.Handshake(ctx, url, token)
		r.Expect("the token in AUTH0_TOKEN", trial.Authenticated, got, err)
	}
	return r.Err()
}
