// Command cluster is a Socket.IO server of two nodes that share a Redis: what is
// broadcast at one is heard at the other, through the adapter of the server library,
// and who is revoked at one is disconnected from the other, through package
// redisstore.
//
//	go run .                          # starts a Redis of its own (Debian: redis-server)
//	go run . -redis localhost:6379    # or takes this one
//	go run . -once                    # only the demonstration; fails if any of it does not hold
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
)

func main() {
	address := flag.String("redis", "", "the address of a Redis, which is started if none is given")
	once := flag.Bool("once", false, "end after the demonstration, with the exit status 0 only if all of it held")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, !*once); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, then bool) error {
	if address == "" {
		redis, err := startRedis(ctx)
		if err != nil {
			return err
		}
		defer redis.stop()
		address = redis.address
	}
	secret := mint.Secret()
	// Two nodes in one process, for the sake of the demonstration. They share
	// nothing but Redis, and the secret that tokens are signed with.
	one, err := startNode(address, secret)
	if err != nil {
		return err
	}
	two, err := startNode(address, secret)
	if err != nil {
		return errors.Join(err, one.close())
	}
	fmt.Printf("Two nodes, at %s and %s, and a Redis at %s.\n\n", one.url, two.url, address)
	err = demonstrate(ctx, os.Stdout, one, two, secret)
	if err == nil && then {
		fmt.Println("\nServing (Ctrl-C ends it)")
		<-ctx.Done()
	}
	return errors.Join(err, one.close(), two.close())
}
