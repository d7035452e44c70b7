package sockettest_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// bound is the package as bindingtest sees it.
type bound struct{ server *sockettest.Server }

func (b bound) Connect(token string) bindingtest.Client {
	c := &boundClient{server: b.server}
	c.Enter(token)
	return c
}

func (b bound) Broadcast(room, event string, args ...any) {
	if room == "" {
		b.server.Broadcast(event, args...)
	} else {
		b.server.BroadcastTo(room, event, args...)
	}
}

// boundClient is a client, one for each time that it enters.
type boundClient struct {
	*sockettest.Client
	server *sockettest.Server
	heard  []bindingtest.Event
}

// boundConn is the application's socket: its Join tells why not.
type boundConn struct{ *sockettest.Conn }

func (c boundConn) Join(room string) error { return c.JoinWith(room, "") }

func (c *boundClient) take() {
	if c.Client == nil {
		return
	}
	for _, e := range c.Received() {
		c.heard = append(c.heard, bindingtest.Event(e))
	}
}

func (c *boundClient) Next() (bindingtest.Event, error) {
	for range 1000 {
		if c.take(); len(c.heard) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond) // of the bubble
	}
	if len(c.heard) == 0 {
		return bindingtest.Event{}, io.EOF
	}
	e := c.heard[0]
	c.heard = c.heard[1:]
	return e, nil
}

func (c *boundClient) Rest() []bindingtest.Event {
	c.take()
	rest := c.heard
	c.heard = nil
	return rest
}

func (c *boundClient) Emit(ack bool, event string, args ...any) error {
	if ack {
		c.EmitWithAck(event, args...)
	} else {
		c.Client.Emit(event, args...)
	}
	return nil
}

func (c *boundClient) Acknowledge() { c.Client.Acknowledge(socketio.EventUnauthorized) }

func (c *boundClient) Leave() { c.Disconnect() }

func (c *boundClient) Enter(token string) {
	c.take()
	h := &verifier.Handshake{}
	if token != "" {
		h.Auth = map[string]any{"token": token}
	}
	c.Client = c.server.Connect(h)
}

// TestBinding: the package keeps the contract of every binding.
func TestBinding(t *testing.T) {
	bindingtest.Run(t, bindingtest.Binding{
		Around: synctest.Test,
		Start: func(_ testing.TB, app *bindingtest.App) bindingtest.Server {
			s := sockettest.NewServer(app.Auth, app.Options...)
			s.OnAuthenticated(func(c *sockettest.Conn, session *socketio.Session) error {
				return app.Authenticated(boundConn{c}, session)
			})
			for _, event := range app.Events {
				s.OnEvent(event, func(c *sockettest.Conn, arg string) string { return app.Event(boundConn{c}, event, arg) })
			}
			for _, event := range app.GuestEvents {
				s.OnGuestEvent(event, func(c *sockettest.Conn, arg string) string { return app.Event(boundConn{c}, event, arg) })
			}
			return bound{s}
		},
	})
}
