package zishang

import (
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
)

// bound is the package as bindingtest sees it.
type bound struct {
	t         testing.TB
	url       string
	namespace socket.Namespace
}

func (b *bound) Connect(token string) bindingtest.Client { return bindingtest.Dial(b.t, b.url, token) }

func (b *bound) Broadcast(room, event string, args ...any) {
	if room == "" {
		_ = b.namespace.Emit(event, args...)
	} else {
		_ = b.namespace.To(socket.Room(room)).Emit(event, args...)
	}
}

type boundConn struct{ s *socket.Socket }

func (c boundConn) Session() *socketio.Session     { return SessionOf(c.s) }
func (c boundConn) Emit(event string, args ...any) { _ = c.s.Emit(event, args...) }
func (c boundConn) Join(room string) error         { return JoinWith(c.s, socket.Room(room), "") }

// TestBinding: the package keeps the contract of every binding.
func TestBinding(t *testing.T) {
	bindingtest.Run(t, bindingtest.Binding{Start: func(t testing.TB, app *bindingtest.App) bindingtest.Server {
		b := &bound{t: t}
		handle := func(s *socket.Socket, events []string) {
			for _, event := range events {
				_ = s.On(event, func(args ...any) {
					result := app.Event(boundConn{s}, event, args[0].(string))
					if ack, ok := args[len(args)-1].(socket.Ack); ok {
						ack([]any{result}, nil)
					}
				})
			}
		}
		b.url = serve(t, nil, func(server *Server) {
			b.namespace = guard(t, server, "/", app.Auth, app.Options...)
			_ = b.namespace.On("connection", func(args ...any) { handle(args[0].(*socket.Socket), app.GuestEvents) })
			OnAuthenticated(b.namespace, func(s *socket.Socket, session *socketio.Session) error {
				handle(s, app.Events)
				return app.Authenticated(boundConn{s}, session)
			})
		}).URL
		return b
	}})
}
