package redisstore_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

func Example() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	defer client.Close()
	store, err := redisstore.New(client, "chat:revocations")
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
	defer registry.Close()
	// server.Authorize("/", v, socketio.WithRegistry(registry)), and then, in
	// whichever process: registry.Revoke(ctx, socketio.Revocation{Subject: "alice"})
	fmt.Println(registry.Count(socketio.Filter{}))
	// Output: 0
}
