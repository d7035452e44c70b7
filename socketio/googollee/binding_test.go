package googollee_test

import (
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

// bound is the package as bindingtest sees it.
type bound struct {
	t         testing.TB
	url       string
	namespace *googollee.Namespace
}

func (b *bound) Connect(token string) bindingtest.Client { return bindingtest.Dial(b.t, b.url, token) }

func (b *bound) Broadcast(room, event string, args ...any) {
	if room == "" {
		b.namespace.Broadcast(event, args...)
	} else {
		b.namespace.BroadcastTo(room, event, args...)
	}
}

type boundConn struct{ *googollee.Conn }

func (c boundConn) Join(room string) error { return c.JoinWith(room, "") }

// TestBinding: the package keeps the contract of every binding.
func TestBinding(t *testing.T) {
	bindingtest.Run(t, bindingtest.Binding{Start: func(t testing.TB, app *bindingtest.App) bindingtest.Server {
		s, err := googollee.NewServer(&googollee.Options{Logger: quiet, RefusalDelay: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Authorize("/", app.Auth, app.Options...)
		if err != nil {
			t.Fatal(err)
		}
		n.OnAuthenticated(func(c *googollee.Conn, session *socketio.Session) error {
			return app.Authenticated(boundConn{c}, session)
		})
		for _, event := range app.Events {
			n.OnEvent(event, func(c *googollee.Conn, arg string) string { return app.Event(boundConn{c}, event, arg) })
		}
		for _, event := range app.GuestEvents {
			n.OnGuestEvent(event, func(c *googollee.Conn, arg string) string { return app.Event(boundConn{c}, event, arg) })
		}
		return &bound{t, serveHTTP(t, s), n}
	}})
}
