// Package sioclient is a small Socket.IO 2.x client over a websocket
// (Engine.IO protocol 3), for the demonstrations of the examples: what they
// show, they show over real sockets. It knows the root namespace, text events
// and acknowledgements; it never reconnects.
package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Event is something the server sent: its own event, or "connect", "error" and
// "disconnect", which stand for the packets of those names.
type Event struct {
	Name string
	Args []json.RawMessage
	ack  string // the id of the acknowledgement that the server waits for
}

// Client is one connection. Its methods may be called from any goroutine.
type Client struct {
	ws     *websocket.Conn
	events chan Event    // closed when the connection ends
	done   chan struct{} // closed by Close

	write sync.Mutex // held while a frame is written

	mu      sync.Mutex // guards the rest
	closing bool
	asked   int
	waiting map[int]chan []json.RawMessage
}

// Dial connects to the server at base, "http://127.0.0.1:3000", with the query
// of its handshake.
func Dial(ctx context.Context, base string, query url.Values) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	all := url.Values{"EIO": {"3"}, "transport": {"websocket"}}
	for name, values := range query {
		all[name] = values
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path, u.RawQuery = "/socket.io/", all.Encode()
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, u.String(), nil)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(1 << 20)
	c := &Client{
		ws: ws, events: make(chan Event, 256), done: make(chan struct{}),
		waiting: make(map[int]chan []json.RawMessage),
	}
	go c.read()
	return c, nil
}

// Connect is [Dial] without a query, and waits until the server connects the client to
// the root namespace. The client is not authenticated yet.
func Connect(ctx context.Context, base string) (*Client, error) {
	c, err := Dial(ctx, base, nil)
	if err != nil {
		return nil, err
	}
	e, err := c.Next(ctx)
	if err == nil && e.Name != "connect" {
		err = fmt.Errorf("%q came %s", e.Name, e.Args)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("instead of connect: %w", err)
	}
	return c, nil
}

// Emit sends an event.
func (c *Client) Emit(event string, args ...any) error { return c.emit("", event, args) }

// Call sends an event and returns a channel that gets the server's
// acknowledgement, if there ever is one.
func (c *Client) Call(event string, args ...any) (<-chan []json.RawMessage, error) {
	answer := make(chan []json.RawMessage, 1)
	c.mu.Lock()
	id := c.asked
	c.asked++
	c.waiting[id] = answer
	c.mu.Unlock()
	return answer, c.emit(strconv.Itoa(id), event, args)
}

func (c *Client) emit(id, event string, args []any) error {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return err
	}
	return c.send("42" + id + string(data))
}

// Acknowledge answers an event whose sender asked for it.
func (c *Client) Acknowledge(e Event) error {
	if e.ack == "" {
		return fmt.Errorf("%s asks for no acknowledgement", e.Name)
	}
	return c.send("43" + e.ack + "[]")
}

// ErrEnded is the error of Next when the connection has ended.
var ErrEnded = errors.New("the connection has ended")

// Next waits for the next event. After the last one its error is [ErrEnded].
func (c *Client) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-c.events:
		if !ok {
			return Event{}, ErrEnded
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, fmt.Errorf("waiting for an event: %w", ctx.Err())
	}
}

// Close ends the connection.
func (c *Client) Close() {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	c.mu.Unlock()
	if first {
		close(c.done)
		_ = c.send("41")
		_ = c.ws.Close()
	}
}

func (c *Client) send(frame string) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.ws.WriteMessage(websocket.TextMessage, []byte(frame))
}

// read hands on what comes until the connection ends.
func (c *Client) read() {
	var tasks sync.WaitGroup
	ended := make(chan struct{})
	defer close(c.events)
	defer tasks.Wait()
	defer close(ended)
	for {
		_, frame, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		if !c.handle(frame, func(interval time.Duration) { tasks.Go(func() { c.ping(interval, ended) }) }) {
			return
		}
	}
}

// handle handles a packet. It reports whether it is one of a Socket.IO server.
func (c *Client) handle(frame []byte, ping func(time.Duration)) bool {
	kind, body := frame, []byte(nil)
	if len(frame) > 2 {
		kind, body = frame[:2], frame[2:]
	}
	switch string(kind) {
	case "40":
		c.deliver(Event{Name: "connect"})
	case "41":
		c.deliver(Event{Name: "disconnect"})
	case "42":
		id, args, err := split(string(body))
		var name string
		if err != nil || len(args) == 0 || json.Unmarshal(args[0], &name) != nil {
			return false
		}
		c.deliver(Event{Name: name, Args: args[1:], ack: id})
	case "43":
		return c.acknowledged(string(body))
	case "44":
		c.deliver(Event{Name: "error", Args: []json.RawMessage{body}})
	case "0{": // OPEN: in this protocol the client pings
		var open struct{ PingInterval int64 }
		if json.Unmarshal(frame[1:], &open) == nil && open.PingInterval > 0 {
			ping(time.Duration(open.PingInterval) * time.Millisecond)
		}
	}
	return true
}

// acknowledged hands an acknowledgement to the call that waits for it.
func (c *Client) acknowledged(text string) bool {
	id, args, err := split(text)
	n, convErr := strconv.Atoi(id)
	if err != nil || convErr != nil {
		return false
	}
	c.mu.Lock()
	answer := c.waiting[n]
	delete(c.waiting, n)
	c.mu.Unlock()
	if answer != nil {
		answer <- args
	}
	return true
}

func (c *Client) deliver(e Event) {
	select {
	case c.events <- e:
	case <-c.done:
	}
}

func (c *Client) ping(interval time.Duration, ended <-chan struct{}) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = c.send("2")
		case <-ended:
			return
		case <-c.done:
			return
		}
	}
}

// split reads an acknowledgement's id and the arguments behind it.
func split(text string) (id string, args []json.RawMessage, err error) {
	digits := strings.IndexByte(text, '[')
	if digits < 0 {
		return "", nil, errors.New("no arguments")
	}
	err = json.Unmarshal([]byte(text[digits:]), &args)
	return text[:digits], args, err
}
