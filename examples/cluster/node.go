package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	redisadapter "github.com/zishang520/socket.io/adapters/redis/v3"
	"github.com/zishang520/socket.io/adapters/redis/v3/adapter"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// node is one server of the cluster.
type node struct {
	url      string
	io       *socket.Server
	registry *socketio.Registry
	client   *redis.Client
	stop     context.CancelFunc // of the adapter
	site     *http.Server
}

// startNode starts a server on a port of its own, and returns when it knows what
// was revoked.
func startNode(address string, secret []byte) (*node, error) {
	n := &node{client: redis.NewClient(&redis.Options{Addr: address})}
	if err := n.start(secret); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) start(secret []byte) error {
	key, err := keys.Secret(secret)
	if err != nil {
		return err
	}
	v, err := verifier.New(key, verifier.Audience("chat"))
	if err != nil {
		return err
	}
	// Revocations go through the store, and broadcasts through the adapter, which
	// Harden must find among the options. It is the library's over Redis streams: of
	// its RedisAdapter (3.0.2) nobody at another node hears what is sent to no room.
	store, err := redisstore.New(n.client, "chat:revocations")
	if err != nil {
		return err
	}
	n.registry = socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
	// A node that serves before it knows what was revoked has its clients retry.
	synced, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.registry.Synced(synced); err != nil {
		return err
	}
	authorize, err := zishang.Authorize(v, socketio.WithRegistry(n.registry))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	options := socket.DefaultServerOptions()
	options.SetAdapter(&adapter.RedisStreamsAdapterBuilder{Redis: redisadapter.NewRedisClient(ctx, n.client)})
	n.io = socket.NewServer(nil, zishang.Harden(options))
	n.io.Use(authorize)
	err = n.io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		session := zishang.SessionOf(s)
		s.Join(socket.Room("user:" + session.Token().Subject)) // on whichever node the user is
		_ = s.On("message", func(args ...any) { n.io.Emit("message", session.Token().Subject, args[0]) })
		_ = s.On("whisper", func(args ...any) {
			if to, ok := args[0].(string); ok && len(args) > 1 {
				_ = n.io.To(socket.Room("user:"+to)).Emit("whisper", session.Token().Subject, args[1])
			}
		})
		_ = s.Emit("welcome", session.Token().Subject) // now it is in its room
	})
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	n.url = "http://" + listener.Addr().String()
	n.site = &http.Server{Handler: zishang.Handler(n.io), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = n.site.Serve(listener) }()
	return nil
}

// eventually waits for a while until the condition holds, and reports whether it
// does.
func eventually(condition func() bool) bool {
	for range 200 {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return condition()
}

// nodes is how many nodes there are, as this one knows.
func (n *node) nodes() int64 { return n.io.Sockets().Adapter().ServerCount() }

// close ends the node, as far as it was started.
func (n *node) close() error {
	if n.io != nil {
		n.io.Close(nil)
	}
	if n.site != nil {
		_ = n.site.Close()
	}
	if n.stop != nil {
		n.stop()
	}
	if n.registry != nil {
		_ = n.registry.Close()
	}
	return n.client.Close()
}
