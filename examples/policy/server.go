package main

import (
	"fmt"
	"log/slog"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// expressions are the policy. Operators could read them from a file.
var expressions = map[socketio.Action]string{
	socketio.ActionEvent: `resource != "announce" || has(claims.roles) && "moderator" in claims.roles`,
	socketio.ActionJoin:  `resource == "lobby" || has(claims.org) && resource.startsWith("org:" + claims.org + ":")`,
}

// newServer makes a server whose events and rooms CEL decides on.
func newServer(secret []byte, audit *slog.Logger) (*googollee.Server, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(key, verifier.Audience("chat"))
	if err != nil {
		return nil, err
	}
	policy, err := compile(expressions)
	if err != nil {
		return nil, err
	}
	server, err := googollee.NewServer(nil)
	if err != nil {
		return nil, err
	}
	chat, err := server.Authorize("/", v, socketio.ByHandshake(), socketio.WithDecider(policy), socketio.Audit(audit))
	if err != nil {
		return nil, err
	}
	chat.OnEvent("join", func(c *googollee.Conn, room string) {
		if c.JoinWith(room, "") == nil {
			c.Emit("joined", room)
		}
	})
	chat.OnEvent("announce", func(c *googollee.Conn, room, text string) {
		chat.BroadcastTo(room, "announcement", fmt.Sprint(c.Session().Token().Subject, ": ", text))
	})
	return server, nil
}
