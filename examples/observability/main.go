// Command observability is a Socket.IO server that tells how it is doing: metrics
// for Prometheus at /metrics, and a log of what it decides.
//
//	go run ./examples/observability
//	go run ./examples/observability -debug   # with the log of every decision
//	go run ./examples/observability -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func main() {
	once := flag.Bool("once", false, "end after the demonstration, with the exit status 0 only if all of it held")
	debug := flag.Bool("debug", false, "log every decision, not only failures")
	addr := flag.String("addr", "localhost:3000", "the address to listen on")
	flag.Parse()
	level := slog.LevelError
	if *debug {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, logger, *addr, *once); err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, logger *slog.Logger, addr string, once bool) (err error) {
	issuer := verifiertest.ServeTLS()
	defer issuer.Close()
	app, err := newApplication(issuer.URL(), logger, jwks.HTTPClient(issuer.Client()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.server.Close()) }()
	return trial.Serve(ctx, addr, app.site, !once, func(url string) error {
		fmt.Print("A server that tells how it is doing. What its clients meet\n\n")
		if err := demonstrate(ctx, app, issuer, url, os.Stdout); err != nil {
			return err
		}
		fmt.Printf("\nAll of it: %s/metrics\nA token to try: %s\n", url, issuer.Token(mary))
		return nil
	})
}
