package signals_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
)

// TestUsedElsewhere: with Used, the JWT of a request authenticates no other one on any
// node, and none while Redis is out of reach.
func TestUsedElsewhere(t *testing.T) {
	r, err := outage.NewRedis()
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	client := redis.NewClient(&redis.Options{Addr: r.Address(), MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = client.Close() })
	post := make([]func(jwt string, body any) int, 2)
	for i := range post {
		used, err := redisstore.NewUsed(client, "test:gtr:")
		if err != nil {
			t.Fatal(err)
		}
		h, err := signals.GlobalTokenRevocation(socketio.NewRegistry(nil), options(signals.Options{Used: used}))
		if err != nil {
			t.Fatal(err)
		}
		post[i] = func(jwt string, body any) int { return request(h, jwt, body).Code }
	}
	jwt := "Bearer " + assertion(key, nil, nil)
	for _, row := range []struct {
		name string
		node int
		body any
		want int
	}{
		{"the request", 0, about("ada"), 204},
		{"the same request again", 0, about("ada"), 204},
		{"another request", 0, about("bob"), 401},
		{"another request, elsewhere", 1, about("bob"), 401},
		{"and again", 1, about("bob"), 401},
		{"the same request, elsewhere", 1, about("ada"), 401},
	} {
		if got := post[row.node](jwt, row.body); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
	if got := post[1]("Bearer "+assertion(key, nil, nil), about("ada")); got != 204 {
		t.Errorf("another JWT: %d", got)
	}
	r.Stop()
	late := "Bearer " + assertion(key, nil, nil)
	if got := post[0](late, about("ada")); got != 503 {
		t.Errorf("without Redis: %d", got)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if got := post[0](late, about("ada")); got != 204 {
		t.Errorf("with Redis again: %d", got)
	}
}
