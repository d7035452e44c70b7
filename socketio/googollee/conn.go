package googollee

import (
	"reflect"
	"sync"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// Conn is a socket in a namespace: go-socket.io's Conn, with its session. The
// methods that go-socket.io cannot be trusted with are replaced, so that all of
// them may be called from any goroutine and any handler.
type Conn struct {
	gosio.Conn
	socket *socket

	mu      sync.Mutex // guards the rest
	context any
	rooms   map[string]struct{}
	gone    bool
}

// Session returns the socket's session, nil for a guest and in a public
// namespace. It is still there when the socket is gone; its context has then
// ended.
func (c *Conn) Session() *socketio.Session { return c.socket.current.Load() }

// Emit sends an event to the client. If the last argument is a function it is
// called with what the client acknowledges, in its turn among the client's
// events: a handler must not wait for it. A parser.Buffer of go-socket.io's, by
// pointer, is sent as an attachment. What cannot be encoded is logged and not
// sent.
func (c *Conn) Emit(event string, args ...any) {
	var ack any
	if n := len(args); n > 0 && reflect.ValueOf(args[n-1]).Kind() == reflect.Func {
		ack, args = reflect.ValueOf(args[n-1]), args[:n-1]
	}
	if e := c.socket.namespace.encode(event, args); e != nil {
		c.socket.session.Send(e, ack)
	}
}

// Close disconnects the socket from its namespace, the root namespace with the
// whole connection, behind what was emitted before. It does not wait and its
// error is always nil.
func (c *Conn) Close() error {
	c.socket.disconnect(serverDisconnect, false)
	return nil
}

// Join puts the socket into a room. It does nothing when the socket is gone.
func (c *Conn) Join(room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.Conn.Join(room)
	if c.rooms == nil {
		c.rooms = make(map[string]struct{})
	}
	c.rooms[room] = struct{}{}
}

// Leave takes the socket out of a room.
func (c *Conn) Leave(room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn.Leave(room)
	delete(c.rooms, room)
}

// LeaveAll takes the socket out of every room, that of its own ID included.
func (c *Conn) LeaveAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn.LeaveAll()
	c.rooms = nil
}

// closed takes the socket out of the rooms that it joined while go-socket.io was
// already done with it.
func (c *Conn) closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for room := range c.rooms {
		c.Conn.Leave(room)
	}
	c.rooms = nil
}

// Context returns what SetContext set.
func (c *Conn) Context() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.context
}

// SetContext keeps a value of the application's with the socket.
func (c *Conn) SetContext(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.context = v
}

// Namespace returns the name of the socket's namespace, "/" for the root.
func (c *Conn) Namespace() string { return c.socket.namespace.name }
