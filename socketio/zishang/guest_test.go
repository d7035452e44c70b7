package zishang

import (
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestMiddlewareAfterGuest: a middleware that comes after ours may take its time
// over a guest, and end other sessions of the connection meanwhile.
func TestMiddlewareAfterGuest(t *testing.T) {
	root := make(chan *socketio.Session, 1)
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		OnAuthenticated(io.IO(), func(_ *socket.Socket, s *socketio.Session) error { root <- s; return nil })
		admin := guard(t, io, "/admin", byName(), socketio.Optional())
		admin.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			(<-root).End(errBadToken)
			next(nil)
		})
	})
	c := dial(t, web)
	c.http.Timeout = 10 * time.Second
	c.send(`40{"token":"alice"}`)
	c.connected("/")
	c.send("40/admin,")
	for _, prefix := range []string{"421073741824[", "41", "40/admin,"} {
		if got := c.next(); len(got) < len(prefix) || got[:len(prefix)] != prefix {
			t.Fatalf("got %s, want %s", got, prefix)
		}
	}
}
