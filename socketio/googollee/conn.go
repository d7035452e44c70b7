package googollee

import (
	"encoding/json"
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

	mu      sync.Mutex // guards context
	context any
}

// Session returns the socket's session, nil for a guest and in a public
// namespace. It is still there when the socket is gone; its context has then
// ended.
func (c *Conn) Session() *socketio.Session { return c.socket.current.Load() }

// Emit sends an event to the client. If the last argument is a function it is
// called with what the client acknowledges.
func (c *Conn) Emit(event string, args ...any) {
	c.Conn.Emit(event, nonNil(args)...)
}

// nonNil replaces nils, which go-socket.io panics at, by the JSON null that they
// stand for.
func nonNil(args []any) []any {
	for i, a := range args {
		if a == nil {
			args = append([]any(nil), args...) // the caller's slice stays as it is
			for ; i < len(args); i++ {
				if args[i] == nil {
					args[i] = json.RawMessage("null")
				}
			}
			break
		}
	}
	return args
}

// Close disconnects the socket from its namespace, the root namespace with the
// whole connection, once what was emitted before is on its way. It does not
// wait and its error is always nil.
func (c *Conn) Close() error {
	c.socket.flush(func() { c.socket.disconnect(serverDisconnect, false) })
	return nil
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
