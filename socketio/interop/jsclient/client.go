package jsclient

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Version is a release of the npm package socket.io-client.
type Version string

// The versions at hand: one of each generation in use.
const (
	V1  Version = "1.7.4"
	V2  Version = "2.5.0"
	V3  Version = "3.1.3"
	V40 Version = "4.0.0" // the first of its generation
	V4  Version = "4.8.4"
)

// Modern reports whether the version speaks the protocol of Socket.IO 3 and
// later.
func (v Version) Modern() bool { return v != V1 && v != V2 }

// Options say how a client connects. Besides the first two, what is left out
// stays as a JavaScript program without options has it.
type Options struct {
	Version Version
	URL     string // "http://127.0.0.1:3000"

	Namespace  string            // appended to the URL; may have a query: "/admin?token=x"
	Transports []string          // nil: polling, then an upgrade to websocket
	Query      map[string]string // of the connection
	Header     map[string]string // extraHeaders
	Auth       any               // the auth payload, for modern clients

	// Multiplex lets the client share a connection with others to the same
	// server, as they do by default. Without it the client has its own.
	Multiplex bool

	// OnConnect is emitted inside the client's connect handler, where
	// applications authenticate. Events sent later by Emit come one round trip
	// between processes after it.
	OnConnect []Emission

	// ConnectAgain has the client call connect inside its disconnect handler, as
	// many applications do.
	ConnectAgain bool

	// CallsBack has the client call the second argument of "unauthorized" inside its
	// handler, as applications on socketio-jwt do. Otherwise the client sees
	// the event "threw".
	CallsBack bool

	// Extra holds any other option under its JavaScript name.
	Extra map[string]any
}

// Emission is an event to be emitted.
type Emission struct {
	Event string `json:"event"`
	Args  []any  `json:"args"`
}

// The transports of a client, for [Options].
var (
	Websocket = []string{"websocket"}
	Polling   = []string{"polling"}
)

func (o *Options) command() map[string]any {
	c := map[string]any{"version": o.Version, "url": o.URL, "namespace": o.Namespace, "multiplex": o.Multiplex}
	if o.Transports != nil {
		c["transports"] = o.Transports
	}
	if o.Query != nil {
		c["query"] = o.Query
	}
	if o.Header != nil {
		c["headers"] = o.Header
	}
	if o.Auth != nil {
		c["auth"] = o.Auth
	}
	if o.OnConnect != nil {
		c["onConnect"] = o.OnConnect
	}
	if o.CallsBack {
		c["callsBack"] = true
	}
	if o.ConnectAgain {
		c["connectAgain"] = true
	}
	if o.Extra != nil {
		c["extra"] = o.Extra
	}
	return c
}

// Binary is bytes as an argument of an event: the client sends an attachment.
type Binary []byte

// MarshalJSON gives the form in which the driver passes bytes on.
func (b Binary) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"$bin": base64.StdEncoding.EncodeToString(b)})
}

// UnmarshalJSON reads the form in which the driver passes bytes on.
func (b *Binary) UnmarshalJSON(data []byte) error {
	var v struct {
		Bin *[]byte `json:"$bin"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	if v.Bin == nil {
		return fmt.Errorf("not binary: %s", data)
	}
	*b = *v.Bin
	return nil
}

// Client is one client in the driver's process.
type Client struct {
	d       *Driver
	id      int
	options Options
	started time.Time

	mu      sync.Mutex // guards what follows
	events  []Event    // all that it saw
	taken   []bool     // which of them an Expect has returned
	changed chan struct{}
	acks    map[int]*Ack
	log     []string
	closed  bool
}

// Event is something that a client saw. Its name is that of the JavaScript
// client: an event of the server, or an event of the client itself, such as "connect",
// "disconnect", "error", "connect_error", "reconnect_attempt". Those of the
// connection below have a prefix: "engine:upgrade", "engine:upgradeError" and
// "engine:close".
//
// An argument that is an Error in JavaScript has the form
// {"$error": name, "message": ..., "data": ...}, a binary one is a [Binary].
type Event struct {
	Name string
	Args []json.RawMessage

	client *Client
	ack    int
}

// Connect starts a client and returns at once. Use the Expect methods to wait for
// the outcome. The client is closed when the test ends.
func (d *Driver) Connect(t testing.TB, o Options) *Client {
	t.Helper()
	c := &Client{d: d, options: o, started: time.Now(), changed: make(chan struct{}), acks: map[int]*Ack{}}
	d.mu.Lock()
	d.seq++
	c.id = d.seq
	d.clients[c.id] = c
	d.mu.Unlock()
	command := o.command()
	command["cmd"], command["id"] = "connect", c.id
	c.note("→ connect %s%s with %s %v", o.URL, o.Namespace, o.Version, o.Transports)
	c.must(t, command, nil)
	t.Cleanup(func() { c.Close(t) })
	return c
}

func (c *Client) must(t testing.TB, command map[string]any, into any) {
	t.Helper()
	command["id"] = c.id
	name := command["cmd"]
	result, err := c.d.call(command, Deadline)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, c.Log())
	}
}

// saw records an event. It runs in the driver's reading goroutine.
func (c *Client) saw(name string, args []json.RawMessage) {
	e := Event{Name: name, Args: args, client: c}
	if n := len(args); n > 0 {
		var last struct {
			Ack int `json:"$ack"`
		}
		if json.Unmarshal(args[n-1], &last) == nil && last.Ack != 0 {
			e.ack, e.Args = last.Ack, args[:n-1]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
	c.taken = append(c.taken, false)
	c.noteLocked("← %s", e)
	c.wake()
}

// wake lets every waiting Expect look again. The mutex is held.
func (c *Client) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Client) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteLocked(format, args...)
}

func (c *Client) noteLocked(format string, args ...any) {
	at := time.Since(c.started).Round(100 * time.Microsecond)
	line := fmt.Sprintf(format, args...)
	if len(line) > maxLogLine {
		line = fmt.Sprintf("%s... (%d bytes)", line[:maxLogLine], len(line))
	}
	c.log = append(c.log, fmt.Sprintf("%10s  %s", at, line))
}

// maxLogLine keeps a megabyte of payload out of a failing test's output.
const maxLogLine = 2000

// Emit emits an event.
func (c *Client) Emit(t testing.TB, event string, args ...any) {
	t.Helper()
	c.note("→ %s", show(event, args))
	c.must(t, map[string]any{"cmd": "emit", "event": event, "args": args}, nil)
}

// EmitAck emits an event with an acknowledgement.
func (c *Client) EmitAck(t testing.TB, event string, args ...any) *Ack {
	t.Helper()
	a := &Ack{client: c, event: event, done: make(chan struct{})}
	c.d.mu.Lock()
	c.d.seq++
	a.id = c.d.seq
	c.d.mu.Unlock()
	c.mu.Lock()
	c.acks[a.id] = a
	c.noteLocked("→ %s, acknowledgement %d", show(event, args), a.id)
	c.mu.Unlock()
	c.must(t, map[string]any{"cmd": "emit", "event": event, "args": args, "answer": a.id}, nil)
	return a
}

// answered settles an acknowledgement. It runs in the driver's reading
// goroutine.
func (c *Client) answered(id int, args []json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteLocked("← acknowledgement %d %s", id, join(args))
	if a := c.acks[id]; a != nil {
		delete(c.acks, id)
		a.args = args
		close(a.done)
	}
}

// Ack is an acknowledgement that a client has asked for.
type Ack struct {
	client *Client
	id     int
	event  string
	args   []json.RawMessage
	done   chan struct{}
}

// Wait waits for the server's acknowledgement and returns its arguments.
func (a *Ack) Wait(t testing.TB) []json.RawMessage {
	t.Helper()
	timer := time.NewTimer(Deadline)
	defer timer.Stop()
	select {
	case <-a.done:
		return a.args
	case <-a.client.d.gone:
		t.Fatalf("%s\n%s", a.client.d.obituary(), a.client.Log())
	case <-timer.C:
		t.Fatalf("%s was not acknowledged in %s\n%s", a.event, Deadline, a.client.Log())
	}
	return nil
}

// Answered reports whether the acknowledgement has come so far.
func (a *Ack) Answered() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// Barrier waits for a round trip of the connection itself, so that everything
// the server had written before it has been seen. It works for sockets that are
// not authenticated. On a modern client it asks for a namespace that does not
// exist, which the server refuses.
func (c *Client) Barrier(t testing.TB) {
	t.Helper()
	c.must(t, map[string]any{"cmd": "barrier"}, nil)
}

// State is what a client knows about its connection.
type State struct {
	Connected    bool   // the namespace is connected
	Reconnecting bool   // the client is about to try again
	Transport    string // "polling" or "websocket"
	Engine       string // "opening", "open", "closing" or "closed"
	ID           string // the socket's id, as the client sees it
	SID          string // the connection's id
	PendingEmits int    // emitted, but kept until it is connected
}

// State asks the client for its state.
func (c *Client) State(t testing.TB) State {
	t.Helper()
	var s State
	c.must(t, map[string]any{"cmd": "state"}, &s)
	return s
}

// Present changes what the client presents when it connects again: the auth
// payload of a modern client, or the query. Nil leaves it as it is.
func (c *Client) Present(t testing.TB, auth any, query map[string]string) {
	t.Helper()
	command := map[string]any{"cmd": "present"}
	if auth != nil {
		command["auth"] = auth
	}
	if query != nil {
		command["query"] = query
	}
	c.must(t, command, nil)
}

// Open connects again, after a disconnect from either side.
func (c *Client) Open(t testing.TB) {
	t.Helper()
	c.note("→ connect again")
	c.must(t, map[string]any{"cmd": "open"}, nil)
}

// Drop cuts the client's websocket without a close frame, as a lost network does.
// The client will reconnect by itself.
func (c *Client) Drop(t testing.TB) {
	t.Helper()
	c.note("→ drop the connection")
	c.must(t, map[string]any{"cmd": "drop"}, nil)
}

// Close disconnects the client, waits until its connection is closed on its
// side, and forgets it. Only the first call does something.
func (c *Client) Close(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return
	}
	c.note("→ close")
	if _, err := c.d.call(map[string]any{"cmd": "close", "id": c.id}, Deadline); err != nil {
		t.Errorf("close: %v\n%s", err, c.Log())
	}
	c.d.mu.Lock()
	delete(c.d.clients, c.id)
	c.d.mu.Unlock()
}

// Closed reports whether Close was called.
func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
