package googollee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"sync"

	gosio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// Conn is a socket: one client in one namespace, with its session. It is a Conn of
// go-socket.io's, whose methods may all be called from any goroutine and any
// handler. A client that leaves a namespace and comes back is another Conn. When
// the socket is gone Emit, Close, Join, Leave and LeaveAll do nothing.
type Conn struct {
	socket *socket

	mu      sync.Mutex // guards the rest
	context any
	data    json.RawMessage // what other nodes are told
}

var _ gosio.Conn = (*Conn)(nil)

// Session returns the socket's session, nil for a guest and in a public
// namespace. It is still there when the socket is gone; its context has then
// ended.
func (c *Conn) Session() *socketio.Session { return c.socket.Current.Load() }

// ID returns the socket's ID, which the client knows as socket.id. It is hard to
// guess. A client 1.x or 2.x has the same one in every namespace, and anyone who
// knows it can speak for that client over polling.
func (c *Conn) ID() string { return c.socket.ID() }

// Emit sends an event to the client. If the last argument is a function it is
// called with what the client acknowledges, in its turn among the client's
// events: a handler must not wait for it. A parser.Buffer of go-socket.io's, by
// pointer, is sent as an attachment. What cannot be encoded is logged and not
// sent.
func (c *Conn) Emit(event string, args ...any) {
	var ack any
	if n := len(args); n > 0 {
		if f := reflect.ValueOf(args[n-1]); f.Kind() == reflect.Func && !f.IsNil() {
			ack, args = f, args[:n-1]
		}
	}
	if e := c.socket.namespace.encode(event, args); e != nil {
		c.socket.Stay.Send(e, ack)
	}
}

// EmitVolatile is Emit for an event that may be lost: it is sent only if nothing else
// waits for the client, as with the JavaScript server's socket.volatile. It takes no
// function.
func (c *Conn) EmitVolatile(event string, args ...any) {
	if e := c.socket.namespace.encode(event, args); e != nil {
		c.socket.Stay.SendVolatile(e, nil)
	}
}

// EmitWithAck sends an event and returns the first value of the client's
// acknowledgement. It waits until the context ends, whose error it then returns, or
// the socket is gone, which is [socketio.ErrDisconnected]. Any handler may call it.
func (c *Conn) EmitWithAck(ctx context.Context, event string, args ...any) (cluster.Payload, error) {
	n, stay := c.socket.namespace, c.socket.Stay
	data, attachments, err := encode(parser.Event, append([]any{event}, args...))
	if err != nil {
		return cluster.Payload{}, fmt.Errorf("googollee: EmitWithAck: %w", err)
	}
	answer := engine.NewAnswer()
	if !stay.Send(engine.NewEvent(n.name, data, attachments), answer) {
		if stay.Over() || !stay.Passes() {
			return cluster.Payload{}, fmt.Errorf("googollee: EmitWithAck: %w", socketio.ErrDisconnected)
		}
		return cluster.Payload{}, errors.New("googollee: EmitWithAck: the client owes too many acknowledgements")
	}
	select {
	case p, ok := <-answer:
		if !ok {
			return cluster.Payload{}, fmt.Errorf("googollee: EmitWithAck: %w", socketio.ErrDisconnected)
		}
		return firstValue(p), nil
	case <-ctx.Done():
		stay.Forget(answer)
		return cluster.Payload{}, fmt.Errorf("googollee: EmitWithAck: %w", ctx.Err())
	}
}

// Close disconnects the socket from its namespace, behind what was emitted
// before; a client 1.x or 2.x that it disconnects from the root loses the whole
// connection. It does not wait and its error is always nil.
func (c *Conn) Close() error {
	c.socket.disconnect()
	return nil
}

// Join puts the socket into a room, if the rules allow it ([socketio.AllowRoom]).
// Otherwise the client is told by "unauthorized"; [Conn.JoinWith] says it here.
func (c *Conn) Join(room string) { _ = c.socket.join(room, "") }

// JoinWith is Join with a room token ([socketio.RoomTokens]), "" for none. The error, an
// [*verifier.UnauthorizedError] as a rule, says why the socket may not be in the room; the
// client has been told.
func (c *Conn) JoinWith(room, token string) error { return c.socket.join(room, token) }

// To selects the other sockets of the rooms, or all others of the namespace if there are
// no rooms: what the JavaScript server calls socket.to and socket.broadcast.
func (c *Conn) To(rooms ...string) BroadcastOperator {
	return c.socket.namespace.To(rooms...).Except(c.ID())
}

// Leave takes the socket out of a room.
func (c *Conn) Leave(room string) {
	c.socket.LeftRoom(room) // first: it must not forget a join that follows
	c.socket.LeaveRoom(room)
}

// LeaveAll takes the socket out of every room, including the one named by its ID.
func (c *Conn) LeaveAll() {
	c.socket.LeftRoom("")
	c.socket.namespace.leaveRooms(c.socket)
}

// Rooms returns the rooms that the socket is in, in no order. It is in none when
// it is gone.
func (c *Conn) Rooms() []string { return c.socket.namespace.roomsOf(c.socket) }

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

// SetData keeps a value, encoded as JSON, that [BroadcastOperator.Sockets] shows to
// all nodes of the cluster: Socket.IO's socket.data. Put no secrets into it.
func (c *Conn) SetData(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("googollee: SetData: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data = data
	return nil
}

// Namespace returns the name of the socket's namespace, "/" for the root.
func (c *Conn) Namespace() string { return c.socket.namespace.name }

// URL returns the URL of the request that opened the connection.
func (c *Conn) URL() url.URL { return *c.socket.Stay.Request().URL }

// RemoteHeader returns the header of that request.
func (c *Conn) RemoteHeader() http.Header { return c.socket.Stay.Request().Header }

// RemoteAddr returns the client's address: the proxy's, behind one.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.socket.Stay.Request().RemoteAddr) }

// LocalAddr returns the address at which the server was reached.
func (c *Conn) LocalAddr() net.Addr {
	r := c.socket.Stay.Request()
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return addr(r.Host)
}

type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }
