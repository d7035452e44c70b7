package sockettest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Conn is the server's end of a client's socket: what handlers get. Its methods are among
// those of googollee.Conn, and it is a Conn of go-socket.io's.
type Conn struct {
	server    *Server
	id        string
	handshake *verifier.Handshake
	guard     *socketio.Guard // set before the client may send and before attached is closed

	attached chan struct{}
	gone     chan struct{} // closed when the socket has ended

	mu        sync.Mutex // guards the rest
	context   any
	session   *socketio.Session
	connected bool // whether the client was told that it is
	open      bool // to the application
	welcoming bool // whether OnAuthenticated runs
	welcomed  bool // whether it has begun
	closed    bool
	reason    string // for OnDisconnect
	vanished  bool   // the client is gone, and the server does not know
	cause     error
	received  []Event
	asked     []*question // what the client has not acknowledged
	queue     []func()    // handles what the client has sent
	working   bool        // whether a goroutine is at the queue
	rooms     map[string]bool
}

// question is an event that asks for an acknowledgement.
type question struct {
	event  string
	answer func(values []json.RawMessage)
}

// Session returns the socket's session, nil for a guest. It is still there when
// the socket is gone; its context has then ended.
func (c *Conn) Session() *socketio.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// ID returns the socket's ID, which is also the name of a room that it is in.
func (c *Conn) ID() string { return c.id }

// Emit sends an event to the client, if its socket is open to the application. If the
// last argument is a function, it is called with what the client acknowledges
// ([Client.Acknowledge]), in its turn among the client's events. Arguments that cannot be
// sent as JSON panic.
func (c *Conn) Emit(event string, args ...any) {
	var answer func([]json.RawMessage)
	if n := len(args); n > 0 {
		if f := reflect.ValueOf(args[n-1]); f.Kind() == reflect.Func && !f.IsNil() {
			args = args[:n-1]
			answer = func(values []json.RawMessage) {
				c.enqueue(func() { call(fmt.Sprintf("the acknowledgement of %q", event), f, values) })
			}
		}
	}
	c.send(newEvent(event, args), answer)
}

// EmitWithAck sends an event and returns the first value of the client's acknowledgement
// ([Client.Acknowledge]). It waits until the context ends, whose error it then returns,
// or the socket is gone, which is [socketio.ErrDisconnected].
func (c *Conn) EmitWithAck(ctx context.Context, event string, args ...any) (cluster.Payload, error) {
	answer := make(chan cluster.Payload, 1)
	q := c.send(newEvent(event, args), func(values []json.RawMessage) {
		answer <- cluster.Payload{JSON: append(values, json.RawMessage("null"))[0]}
	})
	if q == nil {
		return cluster.Payload{}, fmt.Errorf("sockettest: EmitWithAck: %w", socketio.ErrDisconnected)
	}
	select {
	case value := <-answer:
		return value, nil
	case <-c.gone:
		return cluster.Payload{}, fmt.Errorf("sockettest: EmitWithAck: %w", socketio.ErrDisconnected)
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = slices.DeleteFunc(c.asked, func(other *question) bool { return other == q })
		return cluster.Payload{}, fmt.Errorf("sockettest: EmitWithAck: %w", ctx.Err())
	}
}

// send sends an event of the application's. If answer is not nil the event asks for an
// acknowledgement. It returns nil if the socket is not open.
func (c *Conn) send(e Event, answer func([]json.RawMessage)) *question {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.closed {
		return nil
	}
	q := &question{e.Name, answer}
	c.receive(e, q)
	return q
}

// receive has the client see an event. q is nil for what is not an event of Socket.IO's.
// The caller holds mu.
func (c *Conn) receive(e Event, q *question) {
	if c.vanished {
		return
	}
	if q != nil && q.answer == nil && q.event == socketio.EventUnauthorized {
		q.answer = func([]json.RawMessage) {} // it always asks for one
	}
	if q != nil && q.answer != nil {
		e.WantsAck = true
		c.asked = append(c.asked, q)
	}
	c.connected = c.connected || e.Name == "connect"
	c.received = append(c.received, e)
}

// Close disconnects the client. Its error is always nil.
func (c *Conn) Close() error {
	c.leave(serverDisconnect, "io server disconnect")
	return nil
}

// serverDisconnect is the reason if the application disconnects a socket.
const serverDisconnect = "server disconnect"

// leave ends the socket, if it has not ended. It has a reason for the application and one
// for the client.
func (c *Conn) leave(reason, told string) {
	c.mu.Lock()
	ends := !c.closed
	if ends {
		c.receive(newEvent("disconnect", []any{told}), nil)
		c.end(socketio.ErrDisconnected, reason)
	}
	c.mu.Unlock()
	if ends {
		c.server.remove(c)
		c.guard.Closed()
	}
}

// end notes that the socket has ended. The caller holds mu, and then calls remove.
func (c *Conn) end(cause error, reason string) {
	c.closed, c.cause, c.reason = true, cause, reason
	c.rooms, c.queue = nil, nil
	close(c.gone)
	c.disconnectedLocked()
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

// Namespace returns the Namespace of the handshake.
func (c *Conn) Namespace() string { return c.handshake.Namespace }

// URL returns the URL of the handshake.
func (c *Conn) URL() url.URL {
	if c.handshake.URL == nil {
		return url.URL{}
	}
	return *c.handshake.URL
}

// RemoteHeader returns the header of the handshake.
func (c *Conn) RemoteHeader() http.Header { return c.handshake.Header }

// RemoteAddr returns the RemoteAddr of the handshake.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.handshake.RemoteAddr) }

// LocalAddr returns the Host of the handshake.
func (c *Conn) LocalAddr() net.Addr { return addr(c.handshake.Host) }

type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }
