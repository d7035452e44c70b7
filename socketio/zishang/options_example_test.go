package zishang_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A node of a cluster, with the options that the library does not have.
func ExampleNewServer() {
	nodes, err := cluster.New(cluster.NewMemory(), nil) // redisstore.NewBroker for several processes
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nodes.Close()
	options := socket.DefaultServerOptions()
	options.SetAdapter(zishang.ClusterAdapter(nodes))
	server := zishang.NewServer(options,
		zishang.MaxUnauthenticatedMessage(8<<10),
		zishang.RefusalDelay(time.Second),
		zishang.WithLogger(slog.New(slog.DiscardHandler)),
	)
	defer server.Close()
	_, err = server.Authorize("/", verifiertest.Accept(verifiertest.Claims{"sub": "ada"}))
	fmt.Println(err)
	// Output: <nil>
}

// A client asks for a room, with a room token if it has one.
func ExampleJoinWith() {
	server := zishang.NewServer(nil)
	defer server.Close()
	chat, err := server.Authorize("/", verifiertest.Accept(verifiertest.Claims{"sub": "ada"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("join", func(args ...any) {
			if len(args) < 2 { // the client decides what it sends
				return
			}
			room, _ := args[0].(string)
			token, _ := args[1].(string)
			if err := zishang.JoinWith(s, socket.Room(room), token); err == nil {
				_ = s.Emit("joined", room)
			}
		})
	})
	fmt.Println(err)
	// Output: <nil>
}
