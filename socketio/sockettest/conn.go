package sockettest

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Conn is the server's end of a client's socket: what handlers are given.
type Conn struct {
	server *Server
	id     string
	guard  *socketio.Guard // set before the client may send and before attached is closed

	attached chan struct{}

	mu        sync.Mutex // guards the rest
	session   *socketio.Session
	connected bool // whether the client was told that it is
	open      bool // to the application
	closed    bool
	vanished  bool // the client is gone, and the server does not know
	cause     error
	received  []Event
	acks      []func() // of the events that ask for an acknowledgement, until it is given
	queue     []Event  // from the client, for the handlers
	rooms     map[string]bool
	working   bool // whether a goroutine is at the queue
}

// Session returns the socket's session, nil for a guest. It is still there when
// the socket is gone; its context has then ended.
func (c *Conn) Session() *socketio.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Emit sends an event to the client, if its socket is open to the application.
// Arguments that cannot be sent as JSON panic.
func (c *Conn) Emit(event string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open && !c.closed {
		c.receive(event, args...)
	}
}

// Join puts the socket into a room, if the rules allow it ([socketio.AllowRoom]). The
// error says why not, and the client has been told by "unauthorized".
func (c *Conn) Join(room string) error { return c.JoinWith(room, "") }

// JoinWith is Join with a room token ([socketio.RoomTokens]).
func (c *Conn) JoinWith(room, token string) error {
	err := c.guard.Join(context.Background(), room, token, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.rooms == nil {
			c.rooms = make(map[string]bool)
		}
		c.rooms[room] = !c.closed
	})
	if err != nil {
		c.guard.JoinRefused(room, err)
	}
	return err
}

// Leave takes the socket out of a room.
func (c *Conn) Leave(room string) {
	(*socket)(c).LeaveRoom(room)
	c.guard.Left(room)
}

// LeaveRoom takes the socket out of a room, for the guard.
func (s *socket) LeaveRoom(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms, room)
}

func (c *Conn) isIn(room string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms[room]
}

// receive has the client see an event. The caller holds mu.
func (c *Conn) receive(event string, args ...any) {
	if c.vanished {
		return
	}
	c.connected = c.connected || event == "connect"
	c.received = append(c.received, newEvent(event, args))
}

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
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.receive(event, args...)
	if ack != nil {
		c.acks = append(c.acks, ack)
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
		c.receive("connect")
	}
	if event != "" {
		c.receive(event)
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
	if f := c.server.onAuthenticated; f != nil {
		return f(c, session)
	}
	return nil
}

// Close ends the socket: a client that is not connected yet never is.
func (s *socket) Close(cause error, event string, args ...any) {
	c := (*Conn)(s)
	c.mu.Lock()
	if !c.closed {
		c.cause = cause
		switch {
		case !c.connected:
			err := verifier.AsUnauthorized(cause)
			c.receive("connect_error", refusal{err.Message, err})
		default:
			if event != "" {
				c.receive(event, args...)
			}
			c.receive("disconnect", "io server disconnect")
		}
	}
	c.closed = true
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

// refusal is the argument of connect_error, and the part of that of unauthorized
// that is of use.
type refusal struct {
	Message string                      `json:"message"`
	Data    *verifier.UnauthorizedError `json:"data"`
}

// handle has an event of the client's handled, behind those before it.
func (c *Conn) handle(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.closed {
		return // a server does not hand on what comes before its time
	}
	c.queue = append(c.queue, e)
	if !c.working {
		c.working = true
		go c.work()
	}
}

// work handles the queued events until there are none.
func (c *Conn) work() {
	for {
		c.mu.Lock()
		if c.closed || len(c.queue) == 0 {
			c.working, c.queue = false, nil
			c.mu.Unlock()
			return
		}
		e := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()

		h, ok := c.server.events[e.Name]
		if s := c.guard.Session(); !ok || s == nil && !h.forGuests || s != nil && !s.Wait() {
			continue
		}
		if !c.guard.Permit(e.Name, nil) {
			continue
		}
		args := make([]any, len(e.Args))
		for i, data := range e.Args {
			_ = json.Unmarshal(data, &args[i]) // it was made by Marshal
		}
		h.f(c, args...)
	}
}
