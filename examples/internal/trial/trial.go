// Package trial is what the demonstrations of the examples try tokens with, over
// real sockets, and how they report the outcome.
package trial

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
)

// Authenticated is the outcome of a token that was accepted.
const Authenticated = "authenticated"

// patience is how long an answer is waited for before it is called missing.
const patience = 10 * time.Second

// Token opens a socket at the server, presents the token, and returns the outcome
// of it: [Authenticated], or the reason of the refusal, with "(retry)" if the
// client is told to.
func Token(ctx context.Context, server, token string) (string, error) {
	c, outcome, err := Open(ctx, server, token)
	if err == nil {
		c.Close()
	}
	return outcome, err
}

// Open is [Token], and leaves the socket open.
func Open(ctx context.Context, server, token string) (*sioclient.Client, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := sioclient.Connect(ctx, server)
	if err != nil {
		return nil, "", err
	}
	outcome, err := present(ctx, c, token)
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, outcome, nil
}

func present(ctx context.Context, c *sioclient.Client, token string) (string, error) {
	if err := c.Emit("authenticate", map[string]string{"token": token}); err != nil {
		return "", err
	}
	e, err := c.Next(ctx)
	if err != nil {
		return "", err
	}
	return Outcome(e)
}

// Handshake is [Token] for a server that authenticates clients in the handshake. The
// token is in its query, as clients 1.x and 2.x send it.
func Handshake(ctx context.Context, server, token string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := sioclient.Dial(ctx, server, url.Values{"token": {token}})
	if err != nil {
		return "", err
	}
	defer c.Close()
	e, err := c.Next(ctx)
	if err != nil {
		return "", err
	}
	return Outcome(e)
}

// refusal is what a refused client is told.
type refusal struct {
	Reason    string
	Retryable bool
}

// Outcome reads an answer to a token: to one in the handshake, the client is connected
// or gets an error.
func Outcome(e sioclient.Event) (string, error) {
	var event struct{ Data refusal }
	var into any
	switch e.Name {
	case Authenticated, "connect":
		return Authenticated, nil
	case "unauthorized":
		into = &event
	case "error":
		into = &event.Data
	}
	if into == nil || len(e.Args) != 1 || json.Unmarshal(e.Args[0], into) != nil || event.Data.Reason == "" {
		return "", fmt.Errorf("the answer is %q %s", e.Name, e.Args)
	}
	if event.Data.Retryable {
		return event.Data.Reason + " (retry)", nil
	}
	return event.Data.Reason, nil
}

// Report prints a line for each outcome, and counts those that are not as they
// should be.
type Report struct {
	Out    io.Writer
	Failed int
}

// Expect reports an outcome.
func (r *Report) Expect(what, want, got string, err error) {
	switch {
	case err != nil:
		r.Failed++
		fmt.Fprintf(r.Out, "  FAIL  %-44s %v\n", what, err)
	case got != want:
		r.Failed++
		fmt.Fprintf(r.Out, "  FAIL  %-44s %s, expected %s\n", what, got, want)
	default:
		fmt.Fprintf(r.Out, "  ok    %-44s %s\n", what, got)
	}
}

// Err says how many outcomes were wrong, nil if none.
func (r *Report) Err() error {
	if r.Failed > 0 {
		return fmt.Errorf("%d of these outcomes should have been otherwise", r.Failed)
	}
	return nil
}

// Serve runs the demonstration against the handler's server, at its URL, and then,
// unless it was for that only, serves on until the context ends. The address "" is
// localhost:3000, or a free port if that is taken.
func Serve(ctx context.Context, address string, handler http.Handler, then bool, demonstrate func(url string) error) error {
	if !then {
		address = "localhost:0"
	}
	listener, err := listen(address)
	if err != nil {
		return err
	}
	site := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- site.Serve(listener) }()
	defer site.Close()
	url := "http://" + listener.Addr().String()
	if err := demonstrate(url); err != nil || !then {
		return err
	}
	fmt.Printf("\nServing at %s (Ctrl-C ends it)\n", url)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return nil
	}
}

func listen(address string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	l, err := net.Listen("tcp", "localhost:3000")
	if errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "localhost:0")
	}
	return l, err
}

// Main is the main function of an example: it reads the flags, calls run until an
// interrupt, and ends the process with the status 0 only if that held. then is
// whether the example serves on after its demonstration.
func Main(name string, run func(ctx context.Context, addr string, then bool) error) {
	addr := flag.String("addr", "", "the address to listen on (default localhost:3000, or a free port if that is taken)")
	once := flag.Bool("once", false, "end after the demonstration, with the exit status 0 only if all of it held")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, !*once); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
