package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newServer makes the chat's server: anyone who has a token signed with the
// secret, for this issuer and audience, may connect. The options are more of the
// verifier's.
func newServer(secret []byte, options ...verifier.Option) (*zishang.Server, error) {
	key, err := keys.Secret(secret)
	if err != nil {
		return nil, err
	}
	options = append([]verifier.Option{
		verifier.Issuer(chatpage.Issuer),
		verifier.Audience(chatpage.Audience),
	}, options...)
	v, err := verifier.New(key, options...)
	if err != nil {
		return nil, err
	}
	server := zishang.NewServer(nil)
	root, err := server.Authorize("/", v, socketio.User(name))
	if err != nil {
		return nil, err
	}
	c := chat{room: root, here: make(map[socket.SocketId]string)}
	return server, root.On("connection", func(args ...any) { c.enter(args[0].(*socket.Socket)) })
}

// name maps a verified token to what the chat knows its bearer by.
func name(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
	var claims struct{ Name string }
	if err := t.Claims(&claims); err != nil {
		return nil, err
	}
	return claims.Name, nil
}

// chat is the application. Every socket it meets has authenticated.
type chat struct {
	room socket.Namespace

	mu   sync.Mutex // guards here, and keeps the lists of people in order
	here map[socket.SocketId]string
}

// message is what everybody gets of what somebody said.
type message struct {
	From string `json:"from"`
	Text string `json:"text"`
}

const maxText = 500

func (c *chat) enter(s *socket.Socket) {
	name := zishang.SessionOf(s).User().(string)
	_ = s.On("message", func(args ...any) {
		acknowledge, _ := args[len(args)-1].(socket.Ack)
		text, _ := args[0].(string)
		problem := c.message(name, text)
		if acknowledge != nil {
			acknowledge([]any{problem}, nil)
		}
	})
	_ = s.On("disconnect", func(...any) {
		c.tell(func() { delete(c.here, s.Id()) })
	})
	c.tell(func() { c.here[s.Id()] = name })
}

// tell changes who is here, and sends everybody the names of those who are.
func (c *chat) tell(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	names := []string{}
	for _, name := range c.here {
		names = append(names, name)
	}
	slices.Sort(names)
	_ = c.room.Emit("people", slices.Compact(names))
}

// message passes on what somebody said. Who it was the token says, not the
// client. It returns what was wrong, or "".
func (c *chat) message(from, text string) string {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return "A message has 1 to 500 characters."
	}
	_ = c.room.Emit("message", message{From: from, Text: text})
	return ""
}
