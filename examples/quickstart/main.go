// Command quickstart shows the main job of socketio-jwt: a Socket.IO server that
// lets in only who presents a valid token. It makes up a secret, keeps
// everything in memory, shows in the terminal what becomes of good and bad
// tokens, over real sockets against itself, and then serves a page to try it on.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -once    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

func main() {
	addr := flag.String("addr", "", "the address to listen on (default localhost:3000, or a free port if that is taken)")
	once := flag.Bool("once", false, "end after the demonstration, with the exit status 0 only if all of it held")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *once); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, once bool) error {
	secret := mint.Secret()
	server, err := newServer(secret, socketio.DefaultTimeout)
	if err != nil {
		return err
	}
	defer server.Close()

	listener, err := listen(addr)
	if err != nil {
		return err
	}
	site := &http.Server{
		Handler:           chatpage.New(secret, chatpage.Version2, server),
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan error, 1)
	go func() { served <- site.Serve(listener) }()
	defer site.Close()
	url := "http://" + listener.Addr().String()

	fmt.Printf("A Socket.IO server at %s that lets in only valid tokens. What becomes of\n\n", url)
	d := demonstration{url: url, secret: secret, timeout: socketio.DefaultTimeout, patience: 10 * time.Second}
	failed := d.run(ctx, os.Stdout)
	if failed > 0 {
		return fmt.Errorf("%d of these outcomes should have been otherwise", failed)
	}
	if once || ctx.Err() != nil {
		return ctx.Err()
	}

	fmt.Printf("\nNow try it yourself, in two windows: %s (Ctrl-C ends it)\n", url)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return nil
	}
}

// listen takes the address asked for. Asked for none it takes a free port if the
// usual one is taken.
func listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	l, err := net.Listen("tcp", "localhost:3000")
	if errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "localhost:0")
	}
	return l, err
}
