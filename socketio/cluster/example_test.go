package cluster_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// Two nodes of one process. Over Redis the broker is redisstore.NewBroker(client), and
// bindings of server libraries call Namespace and implement Local.
func Example() {
	broker := cluster.NewMemory()
	var nodes []*cluster.Namespace
	for _, name := range []string{"one", "two"} {
		c, err := cluster.New(broker, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer c.Close()
		n, err := c.Namespace("/", node{name: name})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := c.Ready(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		nodes = append(nodes, n)
	}
	event, err := cluster.NewPayload("news", "hello", []byte{1, 2, 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := nodes[0].BroadcastWithAck(context.Background(), event, cluster.Target{Rooms: []string{"readers"}}); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// one: [news hello <010203>] to [readers]
	// two: [news hello <010203>] to [readers]
}

// node has no sockets and prints what it would send them.
type node struct {
	cluster.Local
	name string
}

func (n node) BroadcastWithAck(_ context.Context, event cluster.Payload, to cluster.Target, _ func(cluster.Payload)) int {
	fmt.Printf("%s: %s to %v\n", n.name, show(event), to.Rooms)
	return 0
}

func BenchmarkBroadcast(b *testing.B) {
	m := cluster.NewMemory()
	n := join(b, m, nil, "one").Namespace
	join(b, m, nil) // another node, which decodes
	p := event(b, "message", "ada", "hello there, how are you?", map[string]any{"room": "lobby", "at": 1764374400000})
	b.ReportAllocs()
	for b.Loop() {
		for n.Publish(p, cluster.Target{}) != nil { // overloaded
		}
	}
}
