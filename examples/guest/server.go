package main

import (
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newServer makes the server.
func newServer(secret []byte) (*zishang.Server, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(key, verifier.Audience("chat"))
	if err != nil {
		return nil, err
	}
	server := zishang.NewServer(nil)
	chat, err := server.Authorize("/", v, socketio.Optional())
	if err != nil {
		return nil, err
	}

	// Every client, guests too. The handler of an event looks up the session
	// when the event arrives.
	err = chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("message", func(args ...any) {
			session := zishang.SessionOf(s)
			if session == nil {
				_ = s.Emit("problem", "log in to speak")
				return
			}
			_ = chat.Emit("message", session.Token().Subject, args[0])
		})
	})
	// Who has authenticated: in the handshake, or later on.
	zishang.OnAuthenticated(chat, func(s *socket.Socket, session *socketio.Session) error {
		return s.Emit("welcome", session.Token().Subject)
	})
	return server, err
}
