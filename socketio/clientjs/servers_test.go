package clientjs_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

// binding makes a Socket.IO server that answers the event "join".
type binding func(t testing.TB, n *node) (handler http.Handler, closing func())

// pairing is a binding, and a client it is for.
type pairing struct {
	name    string
	binding binding
	version string
}

var pairings = []pairing{
	{"googollee, client 1.7.4", startGoogollee, "1.7.4"},
	{"googollee, client 2.5.0", startGoogollee, "2.5.0"},
	{"googollee, client 4.8.4", startGoogollee, "4.8.4"},
	{"zishang, client 1.7.4", startZishang, "1.7.4"},
	{"zishang, client 2.5.0", startZishang, "2.5.0"},
	{"zishang, client 4.8.4", startZishang, "4.8.4"},
}

// node is a Socket.IO server on its own port, behind a link, that can be
// stopped and started again.
type node struct {
	binding  binding
	auth     socketio.Authenticator
	options  []socketio.Option
	registry *socketio.Registry
	address  string
	link     *outage.Link
	static   http.Handler // of everything but the Socket.IO endpoint; may be nil

	mu    sync.Mutex // guards joins
	joins []string

	stop func()
}

func newNode(t testing.TB, b binding, auth socketio.Authenticator, static http.Handler, options ...socketio.Option) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{binding: b, auth: auth, registry: socketio.NewRegistry(nil), address: l.Addr().String(), static: static}
	n.options = append([]socketio.Option{socketio.WithRegistry(n.registry), socketio.WithLogger(slog.New(slog.DiscardHandler))}, options...)
	n.serve(t, l)
	if n.link, err = outage.NewLink(n.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.link.Close()
		n.down()
	})
	return n
}

func (n *node) url() string { return "http://" + n.link.Address() }

func (n *node) serve(t testing.TB, l net.Listener) {
	t.Helper()
	handler, closing := n.binding(t, n)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", handler)
	if n.static != nil {
		mux.Handle("/", n.static)
	}
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	n.stop = func() {
		// A server may wait for clients to take their leave; the tests do not.
		closings.Go(closing)
		eventually(t, "every session has ended", func() bool { return n.registry.Count(socketio.Filter{}) == 0 })
		_ = server.Close()
		<-done
	}
}

// closings are the servers that are being closed.
var closings sync.WaitGroup

// down ends the server, as a restart does.
func (n *node) down() {
	if n.stop != nil {
		n.stop()
		n.stop = nil
	}
}

// up starts it again.
func (n *node) up(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		l, err := net.Listen("tcp", n.address)
		if err == nil {
			n.serve(t, l)
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (n *node) joined(room string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.joins = append(n.joins, room)
}

// connected is how many sessions the user has.
func (n *node) connected(user string) int { return n.registry.Count(socketio.Filter{Subject: user}) }

func (n *node) revoke(t testing.TB, user string) {
	t.Helper()
	if err := n.registry.Revoke(context.Background(), socketio.Revocation{Subject: user}); err != nil {
		t.Fatal(err)
	}
}

func startGoogollee(t testing.TB, n *node) (http.Handler, func()) {
	t.Helper()
	s, err := googollee.NewServer(&googollee.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.Authorize("/", n.auth, n.options...)
	if err != nil {
		t.Fatal(err)
	}
	root.OnEvent("join", func(_ *googollee.Conn, room string) { n.joined(room) })
	root.OnEvent("message", func(c *googollee.Conn, _ string) { c.Emit("message", "from "+c.ID()) })
	return s, func() { _ = s.Close() }
}

func startZishang(t testing.TB, n *node) (http.Handler, func()) {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	s := zishang.NewServer(options)
	root, err := s.Authorize("/", n.auth, n.options...)
	if err != nil {
		t.Fatal(err)
	}
	zishang.OnAuthenticated(root, func(s *socket.Socket, _ *socketio.Session) error {
		return s.On("join", func(args ...any) {
			if room, ok := args[0].(string); ok {
				n.joined(room)
			}
		})
	})
	return s, func() { _ = s.Close() }
}
