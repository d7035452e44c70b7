package sockettest

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// socket is the authorizer's view of a Conn.
type socket Conn

var (
	_ socketio.Socket     = (*socket)(nil)
	_ socketio.Liveness   = (*socket)(nil)
	_ socketio.RoomLeaver = (*socket)(nil)
)

// ID returns the socket's name.
func (s *socket) ID() string { return s.id }

// Emit has the client see an event of authorization's.
func (s *socket) Emit(event string, ack func(), args ...any) {
	c := (*Conn)(s)
	q := &question{event: event}
	if ack != nil {
		q.answer = func([]json.RawMessage) { ack() }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.receive(newEvent(event, args), q)
	}
}

// Open opens the socket to the application.
func (s *socket) Open(event string) {
	c := (*Conn)(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if !c.connected {
		c.receive(newEvent("connect", nil), nil)
	}
	if event != "" {
		c.receive(newEvent(event, nil), &question{event: event})
	}
	c.open = true
}

// Authenticated runs the application's handler.
func (s *socket) Authenticated(session *socketio.Session) error {
	c := (*Conn)(s)
	c.mu.Lock()
	c.session = session
	c.mu.Unlock()
	<-c.attached // the handler may join rooms
	f := c.server.onAuthenticated
	if f == nil || !c.welcome() {
		return nil
	}
	defer c.hasWelcomed()
	return f(c, session)
}

// Close ends the socket: a client that is not connected yet never is.
func (s *socket) Close(cause error, event string, args ...any) {
	c := (*Conn)(s)
	c.mu.Lock()
	if !c.closed {
		reason := serverDisconnect
		if u := (*verifier.UnauthorizedError)(nil); errors.As(cause, &u) {
			reason = string(u.Reason)
		}
		switch {
		case !c.connected:
			err := verifier.AsUnauthorized(cause)
			c.receive(newEvent("connect_error", []any{refusal{err.Message, err}}), nil)
		default:
			if event != "" {
				c.receive(newEvent(event, args), &question{event: event})
			}
			c.receive(newEvent("disconnect", []any{"io server disconnect"}), nil)
		}
		c.end(cause, reason)
	}
	c.mu.Unlock()
	c.server.remove(c)
}

// Alive reports whether the client is there.
func (s *socket) Alive(ctx context.Context) bool {
	c := (*Conn)(s)
	c.mu.Lock()
	vanished := c.vanished
	c.mu.Unlock()
	if vanished {
		<-ctx.Done()
	}
	return !vanished
}

// LeaveRoom takes the socket out of a room, for the guard.
func (s *socket) LeaveRoom(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms, room)
}

// refusal is the argument of connect_error, and the part of that of unauthorized
// that is of use.
type refusal struct {
	Message string                      `json:"message"`
	Data    *verifier.UnauthorizedError `json:"data"`
}
