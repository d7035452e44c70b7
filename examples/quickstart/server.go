package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// newSite serves the page with a client 4.x, and another page with a client 2.x. Both
// connect to the same chat.
func newSite(secret []byte, server http.Handler) http.Handler {
	return chatpage.New(secret, chatpage.Version4.AuthenticatingByEvent(), server, chatpage.Version2)
}

// newServer makes the chat's server: anyone who has a token signed with the
// secret, for this issuer and audience, may speak. The options are more of the
// verifier's.
func newServer(secret []byte, timeout time.Duration, options ...verifier.Option) (*googollee.Server, error) {
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
	// The demonstration watches refused clients until they are disconnected: it does
	// not need the five seconds that keep impatient clients at bay.
	server, err := googollee.NewServer(&googollee.Options{RefusalDelay: 500 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	room, err := server.Authorize("/", v, socketio.Timeout(timeout), socketio.User(name))
	if err != nil {
		return nil, err
	}

	c := chat{room: room, here: make(map[*googollee.Conn]string)}
	room.OnAuthenticated(c.enter)
	room.OnEvent("message", c.message)
	room.OnDisconnect(func(conn *googollee.Conn, _ string) { c.leave(conn) })
	return server, nil
}

// name maps a verified token to what the chat knows its bearer by.
func name(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
	var claims struct{ Name string }
	if err := t.Claims(&claims); err != nil {
		return nil, err
	}
	return claims.Name, nil
}

// chat is the application. Its handlers run for authenticated sockets only.
type chat struct {
	room *googollee.Namespace

	mu   sync.Mutex // guards here, and keeps the lists of people in order
	here map[*googollee.Conn]string
}

// message is what everybody gets of what somebody said.
type message struct {
	From string `json:"from"`
	Text string `json:"text"`
}

const maxText = 500

func (c *chat) enter(conn *googollee.Conn, s *socketio.Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[conn] = s.User().(string)
	c.tell()
	return nil
}

func (c *chat) leave(conn *googollee.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.here, conn)
	c.tell()
}

// tell sends everybody the names of those who are here. The caller holds mu.
func (c *chat) tell() {
	names := []string{}
	for _, name := range c.here {
		names = append(names, name)
	}
	slices.Sort(names)
	c.room.Broadcast("people", slices.Compact(names))
}

// message passes on what somebody said. Who it was the token says, not the
// client. What it returns acknowledges the event: what was wrong, or "".
func (c *chat) message(conn *googollee.Conn, text string) string {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return "A message has 1 to 500 characters."
	}
	c.room.Broadcast("message", message{From: conn.Session().User().(string), Text: text})
	return ""
}
