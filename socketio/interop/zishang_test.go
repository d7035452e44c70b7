package interop

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

type zishangServer struct {
	server     *zishang.Server
	namespaces map[string]socket.Namespace
	http       *httptest.Server
	sockets    sync.WaitGroup // those whose disconnect handler has yet to run
	once       sync.Once
}

type zishangConn struct{ s *socket.Socket }

func (c zishangConn) Session() *socketio.Session     { return zishang.SessionOf(c.s) }
func (c zishangConn) Emit(event string, args ...any) { _ = c.s.Emit(event, args...) }
func (c zishangConn) Disconnect()                    { c.s.Disconnect(false) }

func startZishang(t testing.TB, c config) server {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	z := &zishangServer{
		server:     zishang.NewServer(options, zishang.RefusalDelay(c.refusalDelay), zishang.WithLogger(c.logger)),
		namespaces: make(map[string]socket.Namespace),
	}
	for name, guard := range c.guards {
		n, err := z.server.Authorize(name, guard.auth, guard.options...)
		if err != nil {
			t.Fatal(err)
		}
		z.namespaces[name] = n
		z.serve(n, c.app, true)
	}
	for _, name := range c.public {
		n, err := z.server.Public(name)
		if err != nil {
			t.Fatal(err)
		}
		z.namespaces[name] = n
		z.serve(n, c.app, false)
	}
	z.http = c.listen(z.server)
	return z
}

// serve registers the application's handlers.
func (z *zishangServer) serve(n socket.Namespace, a *app, guarded bool) {
	_ = n.On("connection", func(args ...any) {
		c := zishangConn{args[0].(*socket.Socket)}
		z.sockets.Add(1)
		_ = c.s.Once("disconnect", func(args ...any) { // the library may call it twice
			defer z.sockets.Done()
			a.disconnected(c, args[0].(string))
		})
		if c.Session() == nil {
			_ = a.connected(c)
		}
		handle(c, a.guestEvents())
		if !guarded {
			handle(c, a.events())
		}
	})
	zishang.OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
		handle(zishangConn{s}, a.events())
		return a.authenticated(zishangConn{s}, session)
	})
}

// handle registers handlers of events, whose results acknowledge them.
func handle(c zishangConn, events map[string]func(conn, any) any) {
	for event, f := range events {
		_ = c.s.On(event, func(args ...any) {
			result := f(c, args[0])
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{result}, nil)
			}
		})
	}
}

func (z *zishangServer) URL() string { return z.http.URL }

func (z *zishangServer) Broadcast(namespace, event string, args ...any) {
	_ = z.namespaces[namespace].Emit(event, args...)
}

func (z *zishangServer) Close() {
	z.once.Do(func() {
		_ = z.server.Close()
		z.http.Close()
		gone := make(chan struct{})
		go func() { z.sockets.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			panic("a socket never heard of its disconnect")
		}
	})
}
