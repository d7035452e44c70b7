package interop

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// roomServers are the bindings with rooms. Each serves the events "join" (a room, a room
// token), acknowledged with "joined" or the reason, and "write" (a text), acknowledged
// with "written", which n notes.
var roomServers = map[string]func(t *testing.T, n *roomNode, options []socketio.Option) (http.Handler, func() error){
	"googollee": googolleeRooms, "zishang": zishangRooms,
}

// roomNode is a node of a cluster that has rules for events and rooms.
type roomNode struct {
	url       string
	registry  *socketio.Registry
	cluster   *cluster.Cluster
	verifier  *verifier.Verifier
	broadcast func(room, text string) // "news", to a room on all nodes
	join      func(room string)       // asks all nodes to have their sockets join

	mu      sync.Mutex // guards the rest
	written []string
	revoked []string
}

func (n *roomNode) write(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.written = append(n.written, text)
}

func (n *roomNode) wrote() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.written)
}

// roomNodes starts two nodes that share a Redis.
func roomNodes(t *testing.T, binding string, options ...socketio.Option) (a, b *roomNode) {
	t.Helper()
	r, err := outage.NewRedis()
	if err != nil {
		skipOrFail(t, err)
	}
	t.Cleanup(r.Close)
	nodes := [2]*roomNode{}
	for i := range nodes {
		nodes[i] = startRoomNode(t, binding, r.Address(), options)
	}
	return nodes[0], nodes[1]
}

func startRoomNode(t *testing.T, binding, address string, options []socketio.Option) *roomNode {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	client := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { _ = client.Close() })
	store := must(redisstore.New(client, "rooms"))
	n := &roomNode{registry: socketio.NewRegistry(&socketio.RegistryOptions{Store: store, Logger: quiet})}
	t.Cleanup(func() { _ = n.registry.Close() })
	n.cluster = must(cluster.New(must(redisstore.NewBroker(client)), &cluster.Options{Logger: quiet}))
	t.Cleanup(func() { _ = n.cluster.Close() })
	n.verifier = must(verifier.New(secretKey(t), verifier.Audience("chat")))
	tokens := must(verifier.New(secretKey(t), verifier.Audience("room")))
	options = append([]socketio.Option{
		socketio.WithRegistry(n.registry), socketio.WithLogger(quiet), socketio.RoomTokens(tokens),
		socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}:*"),
		socketio.OnRoomRevoked(func(_ *socketio.Session, room string, err *verifier.UnauthorizedError) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.revoked = append(n.revoked, room+" "+string(err.Reason))
		}),
	}, options...)
	handler, closing := roomServers[binding](t, n, options)
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		_ = closing()
		web.Close()
	})
	n.url = web.URL
	ctx, cancel := context.WithTimeout(t.Context(), jsclient.Deadline)
	defer cancel()
	if err := n.cluster.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.registry.Synced(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

func googolleeRooms(t *testing.T, n *roomNode, options []socketio.Option) (http.Handler, func() error) {
	t.Helper()
	s := must(googollee.NewServer(&googollee.Options{Cluster: n.cluster, RefusalDelay: 100 * time.Millisecond}))
	chat := must(s.Authorize("/", n.verifier, options...))
	chat.OnGuestEvent("join", func(c *googollee.Conn, room, token string) string {
		return joined(c.JoinWith(room, token))
	})
	chat.OnGuestEvent("write", func(_ *googollee.Conn, text string) string { n.write(text); return "written" })
	n.broadcast = func(room, text string) { chat.BroadcastTo(room, "news", text) }
	n.join = func(room string) { _ = chat.To().Join(room) }
	return s, s.Close
}

func zishangRooms(t *testing.T, n *roomNode, options []socketio.Option) (http.Handler, func() error) {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	o.SetAdapter(zishang.ClusterAdapter(n.cluster))
	s := zishang.NewServer(o, zishang.RefusalDelay(100*time.Millisecond))
	chat := must(s.Authorize("/", n.verifier, options...))
	answer := func(args []any, with string) {
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack([]any{with}, nil)
		}
	}
	_ = chat.On("connection", func(args ...any) {
		c := args[0].(*socket.Socket)
		_ = c.On("join", func(args ...any) {
			answer(args, joined(zishang.JoinWith(c, socket.Room(args[0].(string)), args[1].(string))))
		})
		_ = c.On("write", func(args ...any) { n.write(args[0].(string)); answer(args, "written") })
	})
	n.broadcast = func(room, text string) { _ = chat.To(socket.Room(room)).Emit("news", text) }
	n.join = func(room string) { chat.SocketsJoin(socket.Room(room)) }
	return s, s.Close
}

// joined is the answer to "join".
func joined(err error) string {
	if err != nil {
		return string(verifier.AsUnauthorized(err).Reason)
	}
	return "joined"
}
