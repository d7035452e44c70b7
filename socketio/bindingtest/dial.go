package bindingtest

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// Dial connects a client 4.x to a server at a URL without a path, by a websocket, and
// has it enter the root namespace with a token, "" for none. It serves tests of any
// server. Next waits for 30 seconds, and Leave does not close the connection: the end of the
// test does.
func Dial(t testing.TB, url, token string) Client {
	t.Helper()
	session := &rawclient.Session{URL: url, EIO: "4"}
	socket, _, err := session.Dial(t.Context())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	if err := session.ReadOpen(socket); err != nil {
		t.Fatalf("Dial: %v", err)
	}
	c := &wire{socket: socket, heard: make(chan Event, 999)}
	go c.read()
	c.Enter(token)
	return c
}

// wire is a client over a websocket.
type wire struct {
	socket *rawclient.Websocket
	heard  chan Event // closed at the end of the connection

	mu       sync.Mutex // guards the rest, and writing
	acks     []string   // ids of events that ask for an acknowledgement
	vanished bool
}

// settled is heard in answer to what Rest sends.
const settled = "settled"

// nowhere is a namespace that does not exist.
const nowhere = "/bindingtest-nowhere"

// read reads packets until the connection closes.
func (c *wire) read() {
	defer close(c.heard)
	for {
		p, err := c.socket.Read()
		if err != nil {
			return
		}
		if e, ok := c.event(p); ok {
			c.heard <- e
		}
	}
}

// event is what a client hears by a packet.
func (c *wire) event(p string) (Event, bool) {
	switch {
	case p == "2":
		c.write("3")
	case strings.HasPrefix(p, "44"+nowhere):
		return Event{Name: settled}, true
	case strings.HasPrefix(p, "40"):
		return Event{Name: "connect"}, true
	case p == "41":
		return Event{Name: "disconnect"}, true
	case strings.HasPrefix(p, "44"):
		return Event{Name: "connect_error", Args: []json.RawMessage{json.RawMessage(p[2:])}}, true
	case strings.HasPrefix(p, "42"), strings.HasPrefix(p, "43"):
		id := p[2 : 2+strings.Index(p[2:], "[")]
		var args []json.RawMessage
		if json.Unmarshal([]byte(p[2+len(id):]), &args) != nil {
			break
		}
		if p[1] == '3' {
			return Event{Name: "ack", Args: args}, true
		}
		if id != "" {
			c.mu.Lock()
			c.acks = append(c.acks, id)
			c.mu.Unlock()
		}
		var name string
		if len(args) == 0 || json.Unmarshal(args[0], &name) != nil {
			break
		}
		return Event{name, args[1:], id != ""}, true
	}
	return Event{}, false
}

var errClosed = errors.New("the connection is closed")

// Next implements [Client].
func (c *wire) Next() (Event, error) {
	select {
	case e, ok := <-c.heard:
		if !ok {
			return Event{}, errClosed
		}
		return e, nil
	case <-time.After(patience):
		return Event{}, errors.New("nothing comes")
	}
}

// Rest implements [Client]: the answer to one packet more comes behind everything else.
func (c *wire) Rest() []Event {
	c.write("40" + nowhere + ",")
	var rest []Event
	for {
		e, err := c.Next()
		if err != nil || e.Name == settled {
			return rest
		}
		rest = append(rest, e)
	}
}

// Emit implements [Client].
func (c *wire) Emit(ack bool, event string, args ...any) error {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return err
	}
	id := ""
	if ack {
		id = "1"
	}
	c.write("42" + id + string(data))
	return nil
}

// Acknowledge implements [Client].
func (c *wire) Acknowledge() {
	c.mu.Lock()
	var id string
	if len(c.acks) > 0 {
		id, c.acks = c.acks[0], c.acks[1:]
	}
	c.mu.Unlock()
	c.write("43" + id + "[]")
}

// Vanish implements [Client].
func (c *wire) Vanish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vanished = true
}

// Leave implements [Client].
func (c *wire) Leave() { c.write("41") }

// Enter implements [Client].
func (c *wire) Enter(token string) {
	if token == "" {
		c.write("40")
		return
	}
	c.write(`40{"token":"` + token + `"}`)
}

// write sends a packet. A connection that is closed is for read to tell.
func (c *wire) write(packet string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.vanished {
		_ = c.socket.Write(packet)
	}
}
