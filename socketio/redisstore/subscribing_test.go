package redisstore_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestNoMessageIsLost: of many messages at once every one arrives, wherever the
// connection's buffer ends. With RESP3 go-redis v9.17 loses about one in ten thousand.
func TestNoMessageIsLost(t *testing.T) {
	t.Parallel()
	const rounds, many = 200, 1000
	r := startRedis(t)
	client := clientOf(r.Address())
	defer client.Close()
	b, err := redisstore.NewBroker(client)
	if err != nil {
		t.Fatal(err)
	}
	var received atomic.Int64
	l, err := b.Open(t.Context(), func(cluster.Topic, cluster.Message) { received.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Subscribe(t.Context(), cluster.Topic{Name: "news"}); err != nil {
		t.Fatal(err)
	}
	for range rounds {
		messages := make([]cluster.Message, many)
		for i := range messages {
			messages[i] = cluster.Message{Channel: "news", Data: bytes.Repeat([]byte("x"), i%97)}
		}
		if err := b.Publish(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); received.Load() < rounds*many; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d messages arrived", received.Load(), rounds*many)
		}
	}
}
