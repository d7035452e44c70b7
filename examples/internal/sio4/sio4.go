// Package sio4 is a small Socket.IO 4.x client over a websocket (Engine.IO
// protocol 4), for the demonstrations of the examples: a socket in one namespace,
// text events, no reconnection.
package sio4

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a connection lasts: what a demonstration waits for comes
// sooner, or not at all.
const patience = 20 * time.Second

// Client is a socket in a namespace. Its methods are for one goroutine at a time.
type Client struct {
	ws        *websocket.Conn
	namespace string // with the comma that ends it in a packet; "" for the root
}

// ConnectError is the refusal of a connection.
type ConnectError struct {
	Message string
	Data    struct {
		Message, Code, Reason string
		Retryable             bool
	}
}

// Error returns what the event connect_error would say.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("connect_error: %s (%s)", e.Message, e.Data.Code)
}

// Connect opens a connection and asks for the root namespace with an auth
// payload, as io(url, {auth}) does. A refusal is a [ConnectError].
func Connect(ctx context.Context, url string, auth any) (*Client, error) {
	return Dial(ctx, url, "/", nil, auth)
}

// Dial is [Connect] for any namespace, and with a header for the connection.
func Dial(ctx context.Context, url, namespace string, header http.Header, auth any) (*Client, error) {
	url = strings.Replace(url, "http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, url, header)
	if err != nil {
		return nil, err
	}
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	c := &Client{ws: ws}
	if namespace != "/" {
		c.namespace = namespace + ","
	}
	if err := c.enter(auth); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) enter(auth any) error {
	if err := c.send('0', auth); err != nil {
		return err
	}
	for {
		kind, data, err := c.read()
		switch {
		case err != nil:
			return err
		case kind == '0':
			return nil
		case kind == '4':
			refusal := new(ConnectError)
			if err := json.Unmarshal(data, refusal); err != nil {
				return err
			}
			return refusal
		}
	}
}

// Emit sends an event.
func (c *Client) Emit(event string, args ...any) error {
	return c.send('2', append([]any{event}, args...))
}

// ErrDisconnected is the error of a wait for an event that never comes.
var ErrDisconnected = errors.New("disconnected by the server")

// Next waits for the next event. It fails with [ErrDisconnected] if the server
// disconnects.
func (c *Client) Next() (event string, args []json.RawMessage, err error) {
	for {
		kind, data, err := c.read()
		switch {
		case err != nil:
			return "", nil, err
		case kind == '1':
			return "", nil, ErrDisconnected
		case kind != '2':
			continue
		}
		data = bytes.TrimLeft(data, "0123456789") // the id of an acknowledgement, which nobody gives
		if err := json.Unmarshal(data, &args); err != nil || len(args) == 0 || json.Unmarshal(args[0], &event) != nil {
			return "", nil, fmt.Errorf("not an event: %s", data)
		}
		return event, args[1:], nil
	}
}

// Line is Next, in a line: the event and its arguments, as JSON.
func (c *Client) Line() (string, error) {
	event, args, err := c.Next()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s", event, args), nil
}

// Await waits for the next event of that name, past others, and reads its only
// argument into v.
func (c *Client) Await(event string, v any) error {
	for {
		name, args, err := c.Next()
		switch {
		case err != nil:
			return fmt.Errorf("waiting for %s: %w", event, err)
		case name != event:
			continue
		case len(args) != 1:
			return fmt.Errorf("%s came with %d arguments", event, len(args))
		}
		return json.Unmarshal(args[0], v)
	}
}

// Authenticate emits "authenticate" and waits for the answer, past other events:
// "authenticated", or the reason of the refusal.
func (c *Client) Authenticate(token string) (string, error) {
	if err := c.Emit("authenticate", map[string]string{"token": token}); err != nil {
		return "", err
	}
	return c.Answer()
}

// Answer waits for the server's answer to the token: "authenticated", or the reason of
// the refusal.
func (c *Client) Answer() (string, error) {
	for {
		name, args, err := c.Next()
		switch {
		case err != nil:
			return "", err
		case name == "authenticated":
			return name, nil
		case name == "unauthorized" && len(args) == 1:
			var refusal struct{ Data struct{ Reason string } }
			err := json.Unmarshal(args[0], &refusal)
			return refusal.Data.Reason, err
		}
	}
}

func (c *Client) send(kind byte, v any) error {
	var data []byte
	if v != nil {
		var err error
		if data, err = json.Marshal(v); err != nil {
			return err
		}
	}
	packet := fmt.Appendf(nil, "4%c%s%s", kind, c.namespace, data)
	return c.ws.WriteMessage(websocket.TextMessage, packet)
}

// read returns the next packet of the namespace's, and answers pings.
func (c *Client) read() (kind byte, data []byte, err error) {
	for {
		_, frame, err := c.ws.ReadMessage()
		if err != nil {
			return 0, nil, err
		}
		if string(frame) == "2" {
			if err := c.ws.WriteMessage(websocket.TextMessage, []byte("3")); err != nil {
				return 0, nil, err
			}
			continue
		}
		if packet, ok := strings.CutPrefix(string(frame), "4"); ok && packet != "" {
			data, _ := strings.CutPrefix(packet[1:], c.namespace)
			return packet[0], []byte(data), nil
		}
	}
}

// Close ends the connection.
func (c *Client) Close() { _ = c.ws.Close() }

// Outcome is what happens to an attempt to connect: "connected", or the reason
// of the refusal. It closes the connection.
func Outcome(c *Client, err error) (string, error) {
	var refusal *ConnectError
	switch {
	case errors.As(err, &refusal):
		return cmp.Or(refusal.Data.Reason, refusal.Message), nil // not every refusal is ours
	case err != nil:
		return "", err
	}
	c.Close()
	return "connected", nil
}
