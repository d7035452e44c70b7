package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// verifier makes a verifier and the provider of its keys.
func (s setup) verifier() (*verifier.Verifier, verifier.KeyProvider, error) {
	var provider verifier.KeyProvider
	var err error
	switch {
	case s.KeySet != "":
		provider, err = jwks.URL(s.KeySet, jwks.TTL(s.TTL), jwks.MaxStale(s.MaxStale), jwks.InsecureAllowHTTP())
	case s.Algorithm == "HS256":
		provider, err = keys.Secret([]byte(s.Secret))
	default:
		provider, err = keys.PEM([]byte(s.Secret))
	}
	if err != nil {
		return nil, nil, err
	}
	v, err := verifier.New(provider, verifier.Issuer(s.Issuer), verifier.Audience(audience))
	return v, provider, err
}

// authorization is what both bindings are given: a verifier, options, and the
// registry among them.
func (s setup) authorization() (*verifier.Verifier, []socketio.Option, *socketio.Registry, error) {
	v, provider, err := s.verifier()
	if err != nil {
		return nil, nil, nil, err
	}
	var o socketio.RegistryOptions
	if s.Redis != "" {
		if o.Store, err = redisstore.New(s.client(), "load:revocations"); err != nil {
			return nil, nil, nil, err
		}
		if s.Lease > 0 {
			if presence, err = redisstore.NewPresence(s.client(), "load:presence", s.Lease); err != nil {
				return nil, nil, nil, err
			}
			o.Presence = presence
		}
	}
	r := socketio.NewRegistry(&o)
	synced, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Synced(synced); err != nil {
		return nil, nil, nil, err
	}
	mode := socketio.ByEvent()
	if s.mode != "event" {
		mode = socketio.ByHandshake()
	}
	options := []socketio.Option{mode, socketio.Timeout(s.timeout), socketio.WithRegistry(r)}
	if s.Limit > 0 {
		options = append(options, socketio.SessionLimit(s.Limit, socketio.EvictOldest))
	}
	if s.KeySet != "" {
		options = append(options, socketio.EndOnWithdrawnKey(provider, sweep))
	}
	if s.rules {
		options = append(options, rules()...)
	}
	return v, options, r, nil
}

// sessionsEach is how many sessions a user may have under the rules.
const sessionsEach = 2

// rules are what a token has to allow, and how many sessions a user may have.
func rules() []socketio.Option {
	return []socketio.Option{
		socketio.SessionLimit(sessionsEach, socketio.EvictOldest),
		socketio.Allow("chat", socketio.Scope("chat:write")),
		socketio.AllowRoom("room *", socketio.Scope("chat:read")),
		socketio.AllowRoom("crowd", socketio.Scope("chat:admin")),
	}
}

// client is one of the Redis that the servers share.
func (s setup) client() redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(s.Redis, ","), MasterName: s.Master})
}

// nodes is the cluster of the servers that share broadcasts, nil without one.
func (s setup) nodes() (*cluster.Cluster, error) {
	if s.Broadcasts == "" {
		return nil, nil
	}
	b, err := redisstore.NewBroker(redis.NewClient(&redis.Options{Addr: s.Broadcasts}))
	if err != nil {
		return nil, err
	}
	return cluster.New(b, nil)
}

// ready waits until the nodes hear each other.
func ready(c *cluster.Cluster) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.Ready(ctx)
}

// presence is that of the server in this process, nil without one.
var presence *redisstore.Presence

// sweep is how often it is asked whether the keys of live sessions are still good.
const sweep = time.Second

// revokeIn ends a user's sessions and tells how many there were.
func revokeIn(r *socketio.Registry) func(subject string, life time.Duration) (int, error) {
	return func(subject string, life time.Duration) (int, error) {
		n := r.Count(socketio.Filter{Subject: subject})
		return n, r.Revoke(context.Background(), socketio.Revocation{Subject: subject, Expires: time.Now().Add(life)})
	}
}

// room is where everybody hears a chat: those of one of so many rooms.
const rooms = 50

// serveGoogollee is the binding to go-socket.io.
func serveGoogollee(set setup) (*app, error) {
	v, options, registry, err := set.authorization()
	if err != nil {
		return nil, err
	}
	nodes, err := set.nodes()
	if err != nil {
		return nil, err
	}
	s, err := googollee.NewServer(&googollee.Options{Cluster: nodes, PingInterval: set.ping, PingTimeout: 2 * set.ping, RefusalDelay: set.refusalDelay})
	if err != nil {
		return nil, err
	}
	n, err := s.Authorize("/", v, options...)
	if err != nil {
		return nil, err
	}
	var next atomic.Int64
	n.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
		authenticated.Add(1)
		c.SetContext(fmt.Sprint("room ", next.Add(1)%rooms))
		return nil
	})
	n.OnEvent("chat", func(c *googollee.Conn, text string) {
		room := c.Context().(string)
		c.Join(room)
		n.BroadcastTo(room, "chat", text)
	})
	n.OnEvent("echo", func(_ *googollee.Conn, text string) string { return text })
	n.OnEvent("join", func(c *googollee.Conn) string { c.Join("crowd"); return "" })
	broadcast := func(crowd bool) {
		if crowd {
			n.BroadcastTo("crowd", "news", news)
		} else {
			n.Broadcast("news", news)
		}
	}
	return &app{Handler: s, sessions: s.Count, broadcast: broadcast, revoke: revokeIn(registry), close: s.Close}, ready(nodes)
}

// serveZishang is the binding to socket.io for Go.
func serveZishang(set setup) (*app, error) {
	v, options, registry, err := set.authorization()
	if err != nil {
		return nil, err
	}
	nodes, err := set.nodes()
	if err != nil {
		return nil, err
	}
	library := socket.DefaultServerOptions()
	if nodes != nil {
		library.SetAdapter(zishang.ClusterAdapter(nodes))
	}
	library.SetAllowEIO3(true)
	library.SetConnectTimeout(set.timeout)
	if set.ping > 0 {
		library.SetPingInterval(set.ping)
		library.SetPingTimeout(2 * set.ping)
	}
	var more []zishang.ServerOption
	if set.refusalDelay > 0 {
		more = append(more, zishang.RefusalDelay(set.refusalDelay))
	}
	server := zishang.NewServer(library, more...)
	root, err := server.Authorize("/", v, options...)
	if err != nil {
		return nil, err
	}
	handler := func(*socket.Server) http.Handler { return server }
	return newApp(server.IO(), handler, revokeIn(registry), func(io *socket.Server) {
		var next atomic.Int64
		zishang.OnAuthenticated(root, func(s *socket.Socket, _ *socketio.Session) error {
			authenticated.Add(1)
			room := socket.Room(fmt.Sprint("room ", next.Add(1)%rooms))
			listen(s)
			return s.On("chat", func(args ...any) {
				s.Join(room)
				_ = io.To(room).Emit("chat", args...)
			})
		})
	}), ready(nodes)
}

// newZishang makes a server of socket.io for Go.
func newZishang(options *socket.ServerOptions, handler func(*socket.Server) http.Handler, revoke func(string, time.Duration) (int, error), setUp func(*socket.Server)) *app {
	options.SetAllowEIO3(true)
	return newApp(socket.NewServer(nil, options), handler, revoke, setUp)
}

// newApp makes an application on a server of socket.io for Go.
func newApp(io *socket.Server, handler func(*socket.Server) http.Handler, revoke func(string, time.Duration) (int, error), setUp func(*socket.Server)) *app {
	setUp(io)
	return &app{
		Handler:  handler(io),
		sessions: func() int { return int(io.Engine().ClientsCount()) },
		revoke:   revoke,
		broadcast: func(crowd bool) {
			if crowd {
				_ = io.To("crowd").Emit("news", news)
			} else {
				_ = io.Emit("news", news)
			}
		},
		close: func() error { io.Close(nil); return nil },
	}
}

// listen has a socket of socket.io for Go answer "echo" and "join".
func listen(s *socket.Socket) {
	answer := func(args []any, values ...any) {
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack(values, nil)
		}
	}
	_ = s.On("echo", func(args ...any) { answer(args, args[0]) })
	_ = s.On("join", func(args ...any) {
		s.Join("crowd")
		answer(args, "")
	})
}
