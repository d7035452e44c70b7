package redisstore_test

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster/clustertest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
)

// TestBroker runs the tests of every cluster.Broker.
func TestBroker(t *testing.T) {
	address := startRedis(t).Address()
	clustertest.RunBroker(t, func(t *testing.T) cluster.Broker {
		client := redis.NewClient(&redis.Options{Addr: address})
		t.Cleanup(func() { _ = client.Close() })
		b, err := redisstore.NewBroker(client)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// TestBrokerPublishesOnce: a client that repeats a command whose answer it has missed
// does not publish a message twice.
func TestBrokerPublishesOnce(t *testing.T) {
	address := startRedis(t).Address()
	answers := &answerless{t: t, target: address}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { answers.serve(listener, &tasks) })
	defer tasks.Wait()
	defer listener.Close()

	direct := redis.NewClient(&redis.Options{Addr: address})
	defer direct.Close()
	sub := direct.Subscribe(t.Context(), "channel")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: 5})
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	b, err := redisstore.NewBroker(client)
	if err != nil {
		t.Fatal(err)
	}
	answers.lose.Store(true)
	if err := b.Publish(t.Context(), cluster.Message{Channel: "channel", Data: []byte("once")}); err == nil {
		t.Error("a message whose answer was lost: no error")
	}
	if err := direct.Publish(t.Context(), "channel", "end").Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for !slices.Contains(got, "end") {
		m, err := sub.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Payload)
	}
	if !slices.Equal(got, []string{"once", "end"}) {
		t.Errorf("Redis was told %q, want it once", got)
	}
}

// answerless is a proxy that can lose what the server answers, and the connection.
type answerless struct {
	t      *testing.T
	target string
	lose   atomic.Bool // the next answer
}

func (a *answerless) serve(l net.Listener, tasks *sync.WaitGroup) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", a.target)
		if err != nil {
			a.t.Error(err)
			return
		}
		tasks.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		tasks.Go(func() {
			defer client.Close()
			defer server.Close()
			buffer := make([]byte, 4096)
			for {
				n, err := server.Read(buffer)
				if err != nil || a.lose.CompareAndSwap(true, false) {
					return
				}
				if _, err := client.Write(buffer[:n]); err != nil {
					return
				}
			}
		})
	}
}

// TestNewBroker: clients that cannot carry messages are errors.
func TestNewBroker(t *testing.T) {
	if _, err := redisstore.NewBroker(nil); err == nil {
		t.Error("no client: no error")
	}
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	if _, err := redisstore.NewBroker(ring); err == nil {
		t.Error("a ring: no error")
	}
}
