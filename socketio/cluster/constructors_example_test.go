package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func ExampleNewValue() {
	p, err := cluster.NewValue(map[string]any{"ok": true})
	fmt.Println(string(p.JSON), err)
	// Output: {"ok":true} <nil>
}

// What an adapter tells other nodes of a socket.
func ExampleNewHandshake() {
	h := cluster.NewHandshake(&verifier.Handshake{
		Header: http.Header{"User-Agent": {"a browser"}}, RemoteAddr: "192.0.2.1:4711",
	}, time.Unix(0, 0))
	fmt.Println(h.Headers["user-agent"], h.Address, h.Time)
	// Output: a browser 192.0.2.1:4711 Thu, 01 Jan 1970 00:00:00 GMT
}

// A server without a cluster collects what its sockets acknowledge.
func ExampleBroadcastLocally() {
	event, err := cluster.NewPayload("ready?")
	if err != nil {
		fmt.Println(err)
		return
	}
	answers, err := cluster.BroadcastLocally(context.Background(), node{name: "one"}, event, cluster.Target{})
	fmt.Println(len(answers), err)
	// Output:
	// one: [ready?] to []
	// 0 <nil>
}
