package redisstore_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// What several processes share. Each value has its own prefix of keys.
func ExampleNewPresence() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	defer client.Close()
	_, err := redisstore.NewPresence(client, "chat:presence", redisstore.DefaultLease) // RegistryOptions.Presence
	fmt.Println(err)
	_, err = redisstore.NewCounter(client, "chat:failures:") // socketio.ShareFailures
	fmt.Println(err)
	_, err = redisstore.NewUsed(client, "chat:used:") // LogoutOptions.Used, dpop.WithCache, tickets.Options.Store
	fmt.Println(err)
	_, err = redisstore.NewKeySets(client, "chat:keys:") // jwks.WithStore
	fmt.Println(err)
	_, err = redisstore.NewBroker(client) // cluster.New
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// <nil>
}
