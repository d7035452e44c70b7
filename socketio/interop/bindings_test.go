package interop

import (
	"net/http/httptest"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// bindings are the packages that are held to the table.
var bindings = []binding{
	{name: "googollee", versions: []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V3, jsclient.V40, jsclient.V4}, start: startGoogollee, invalidNamespace: `"Invalid namespace"`},
	{name: "zishang", versions: []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V3, jsclient.V40, jsclient.V4}, start: startZishang, invalidNamespace: `"Invalid namespace"`},
}

type googolleeServer struct {
	server     *googollee.Server
	http       *httptest.Server
	namespaces map[string]*googollee.Namespace
}

type googolleeConn struct{ c *googollee.Conn }

func (c googolleeConn) Session() *socketio.Session     { return c.c.Session() }
func (c googolleeConn) Emit(event string, args ...any) { c.c.Emit(event, args...) }
func (c googolleeConn) Disconnect()                    { _ = c.c.Close() }

func startGoogollee(t testing.TB, c config) server {
	t.Helper()
	s, err := googollee.NewServer(&googollee.Options{Logger: c.logger, RefusalDelay: c.refusalDelay})
	if err != nil {
		t.Fatal(err)
	}
	g := &googolleeServer{server: s, namespaces: make(map[string]*googollee.Namespace)}
	for name, guard := range c.guards {
		n, err := s.Authorize(name, guard.auth, guard.options...)
		if err != nil {
			t.Fatal(err)
		}
		g.namespaces[name] = n
	}
	for _, name := range c.public {
		n, err := s.Public(name)
		if err != nil {
			t.Fatal(err)
		}
		g.namespaces[name] = n
	}
	for _, n := range g.namespaces {
		n.OnAuthenticated(func(conn *googollee.Conn, s *socketio.Session) error {
			return c.app.authenticated(googolleeConn{conn}, s)
		})
		n.OnConnect(func(conn *googollee.Conn) error { return c.app.connected(googolleeConn{conn}) })
		n.OnDisconnect(func(conn *googollee.Conn, reason string) { c.app.disconnected(googolleeConn{conn}, reason) })
		for event, f := range c.app.events() {
			n.OnEvent(event, func(c *googollee.Conn, arg any) any { return f(googolleeConn{c}, arg) })
		}
		for event, f := range c.app.guestEvents() {
			n.OnGuestEvent(event, func(c *googollee.Conn, arg any) any { return f(googolleeConn{c}, arg) })
		}
	}
	g.http = c.listen(s)
	return g
}

func (g *googolleeServer) URL() string { return g.http.URL }

func (g *googolleeServer) Broadcast(namespace, event string, args ...any) {
	g.namespaces[namespace].Broadcast(event, args...)
}

func (g *googolleeServer) Close() {
	_ = g.server.Close()
	g.http.Close()
}
