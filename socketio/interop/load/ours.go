package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func (s setup) verifier() (*verifier.Verifier, error) {
	provider, err := keys.PEM([]byte(s.Secret))
	if s.Algorithm == "HS256" {
		provider, err = keys.Secret([]byte(s.Secret))
	}
	if err != nil {
		return nil, err
	}
	return verifier.New(provider, verifier.Issuer(issuer), verifier.Audience(audience))
}

// options are those of both bindings, and the registry among them.
func (s setup) options() ([]socketio.Option, *socketio.Registry) {
	r := socketio.NewRegistry(nil)
	mode := socketio.ByEvent()
	if s.mode != "event" {
		mode = socketio.ByHandshake()
	}
	return []socketio.Option{mode, socketio.Timeout(s.timeout), socketio.WithRegistry(r)}, r
}

// revokeIn ends a user's sessions and tells how many there were.
func revokeIn(r *socketio.Registry) func(subject string) int {
	return func(subject string) int {
		n := r.Count(socketio.Filter{Subject: subject})
		if err := r.Revoke(context.Background(), socketio.Revocation{Subject: subject, Expires: time.Now().Add(time.Minute)}); err != nil {
			fail(err)
		}
		return n
	}
}

// room is where everybody hears a chat: those of one of so many rooms.
const rooms = 50

// serveGoogollee is the binding to go-socket.io.
func serveGoogollee(set setup) (*app, error) {
	v, err := set.verifier()
	if err != nil {
		return nil, err
	}
	s, err := googollee.NewServer(nil)
	if err != nil {
		return nil, err
	}
	options, registry := set.options()
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
	return &app{Handler: s, sessions: s.Library().Count, revoke: revokeIn(registry), close: s.Close}, nil
}

// serveZishang is the binding to socket.io for Go.
func serveZishang(set setup) (*app, error) {
	v, err := set.verifier()
	if err != nil {
		return nil, err
	}
	options, registry := set.options()
	authorize, err := zishang.Authorize(v, options...)
	if err != nil {
		return nil, err
	}
	library := zishang.Harden(nil)
	library.SetConnectTimeout(set.timeout)
	return newZishang(library, revokeIn(registry), func(io *socket.Server) {
		io.Use(authorize)
		var next atomic.Int64
		zishang.OnAuthenticated(io, func(s *socket.Socket, _ *socketio.Session) error {
			authenticated.Add(1)
			room := socket.Room(fmt.Sprint("room ", next.Add(1)%rooms))
			return s.On("chat", func(args ...any) {
				s.Join(room)
				_ = io.To(room).Emit("chat", args...)
			})
		})
	}), nil
}

// newZishang makes a server of socket.io for Go.
func newZishang(options *socket.ServerOptions, revoke func(string) int, setUp func(*socket.Server)) *app {
	options.SetAllowEIO3(true)
	io := socket.NewServer(nil, options)
	setUp(io)
	return &app{
		Handler:  io.ServeHandler(nil),
		sessions: func() int { return int(io.Engine().ClientsCount()) },
		revoke:   revoke,
		close:    func() error { io.Close(nil); return nil },
	}
}
