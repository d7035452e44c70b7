package sockettest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Client is a client's end of a socket. Its methods are for the goroutine that the
// bubble began with: they wait until everything else has come to rest.
type Client struct{ conn *Conn }

// Event is something a client has received: an event of the application's or of
// authorization's, what a JavaScript client would tell by the events "connect",
// "connect_error" and "disconnect", or "ack" with the acknowledgement of an event that
// [Client.EmitWithAck] has sent.
type Event struct {
	Name     string
	Args     []json.RawMessage
	WantsAck bool // whether it asks for an acknowledgement
}

// newEvent panics where an argument cannot be sent as JSON.
func newEvent(name string, args []any) Event {
	e := Event{Name: name}
	for _, a := range args {
		data, err := json.Marshal(a)
		if err != nil {
			panic(fmt.Sprintf("sockettest: an argument of %q: %v", name, err))
		}
		e.Args = append(e.Args, data)
	}
	return e
}

// Refusal returns the reason in an "unauthorized" or "connect_error" event, or in the
// acknowledgement of an event that the rules refuse ([socketio.Allow]). It is nil for any
// other event.
func (e Event) Refusal() *verifier.UnauthorizedError {
	if e.Name != socketio.EventUnauthorized && e.Name != "connect_error" && e.Name != "ack" || len(e.Args) != 1 {
		return nil
	}
	var told struct {
		Data struct {
			Message, Code, Type string
			Reason              verifier.Reason
			Retryable           bool
			Nonce               string
		}
	}
	if json.Unmarshal(e.Args[0], &told) != nil || e.Name == "ack" && told.Data.Type != "UnauthorizedError" {
		return nil // an answer of the application's
	}
	return &verifier.UnauthorizedError{
		Message: told.Data.Message, Code: told.Data.Code, Reason: told.Data.Reason,
		Retryable: told.Data.Retryable, Nonce: told.Data.Nonce,
	}
}

// String returns the event in a line, to be compared: its name and its arguments,
// as JSON; of a refusal the reason stands for the argument.
func (e Event) String() string {
	if r := e.Refusal(); r != nil {
		return e.Name + " " + string(r.Reason)
	}
	if e.Name == "disconnect" {
		return e.Name
	}
	var line strings.Builder
	line.WriteString(e.Name)
	for _, a := range e.Args {
		fmt.Fprintf(&line, " %s", a)
	}
	return line.String()
}

// Received returns what the client has received since it was last asked.
func (c *Client) Received() []Event {
	synctest.Wait()
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	received := c.conn.received
	c.conn.received = nil
	return received
}

// Authenticate emits "authenticate" with the token.
func (c *Client) Authenticate(token string) {
	c.Emit(socketio.EventAuthenticate, map[string]string{"token": token})
}

// Emit sends an event. Arguments that cannot be sent as JSON panic.
func (c *Client) Emit(event string, args ...any) { c.emit(newEvent(event, args)) }

// EmitWithAck is Emit for an event that asks for an acknowledgement. The client receives
// it as "ack": the results of the handler, or the refusal ([Event.Refusal]) of an event that
// the rules do not allow.
func (c *Client) EmitWithAck(event string, args ...any) {
	e := newEvent(event, args)
	e.WantsAck = true
	c.emit(e)
}

func (c *Client) emit(e Event) {
	c.conn.mu.Lock()
	vanished := c.conn.vanished
	c.conn.mu.Unlock()
	switch {
	case vanished:
	case c.conn.guard == nil: // refused in the handshake
	case e.Name == socketio.EventAuthenticate:
		var data any
		if len(e.Args) > 0 {
			_ = json.Unmarshal(e.Args[0], &data) // it was made by Marshal
		}
		c.conn.guard.Authenticate(data)
	default:
		c.conn.enqueue(func() { c.conn.handle(e) })
	}
	synctest.Wait()
}

// Acknowledge acknowledges the oldest event of that name that asks for it and has not been
// acknowledged; "unauthorized" always asks. It does nothing if there is none, or if the
// server no longer waits. Values that cannot be sent as JSON panic.
func (c *Client) Acknowledge(event string, values ...any) {
	synctest.Wait()
	args := newEvent(event, values).Args
	c.conn.mu.Lock()
	i := slices.IndexFunc(c.conn.asked, func(q *question) bool { return q.event == event })
	var q *question
	if i >= 0 && !c.conn.vanished {
		q = c.conn.asked[i]
		c.conn.asked = slices.Delete(c.conn.asked, i, i+1)
	}
	c.conn.mu.Unlock()
	if q != nil {
		q.answer(args)
	}
	synctest.Wait()
}

// Disconnect ends the socket, as a client does that goes away.
func (c *Client) Disconnect() {
	synctest.Wait()
	c.conn.leave("client namespace disconnect", "io client disconnect")
	synctest.Wait()
}

// Vanish ends the client without a word, as a phone does that loses its network: it
// receives and sends nothing more, and the server still takes it for connected.
func (c *Client) Vanish() {
	synctest.Wait()
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	c.conn.vanished = true
}

// Session returns the client's session, nil if it has none, or none any more.
func (c *Client) Session() *socketio.Session {
	synctest.Wait()
	if c.conn.guard == nil {
		return nil
	}
	return c.conn.guard.Session()
}

// Err returns why the socket has ended, as the server knows it: what errors.Is
// and errors.As look into. Nil while it is there.
func (c *Client) Err() error {
	synctest.Wait()
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.conn.cause
}
