package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// client speaks as much of the protocol of Socket.IO 4.x as the demonstration
// needs: the root namespace over a websocket.
type client struct{ ws *websocket.Conn }

// connect opens a connection and asks for the root namespace with an auth
// payload, as io(url, {auth}) does. A refusal is a connectError.
func connect(ctx context.Context, url string, auth any) (*client, error) {
	url = strings.Replace(url, "http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	c := &client{ws}
	if err := c.enter(auth); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// connectError is the refusal of a connection.
type connectError struct {
	Message string
	Data    struct{ Code, Reason string }
}

func (e *connectError) Error() string {
	return fmt.Sprintf("connect_error: %s (%s)", e.Message, e.Data.Code)
}

func (c *client) enter(auth any) error {
	if err := c.send("40", auth); err != nil {
		return err
	}
	for {
		packet, err := c.read()
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(packet, "40"):
			return nil
		case strings.HasPrefix(packet, "44"):
			refusal := new(connectError)
			if err := json.Unmarshal([]byte(packet[2:]), refusal); err != nil {
				return err
			}
			return refusal
		}
	}
}

// emit sends an event.
func (c *client) emit(event string, args ...any) error {
	return c.send("42", append([]any{event}, args...))
}

// next waits for the next event of that name, past others, and reads its
// argument into v. It fails if the server disconnects.
func (c *client) next(event string, v any) error {
	for {
		packet, err := c.read()
		if err != nil {
			return err
		}
		if packet == "41" {
			return errors.New("disconnected by the server")
		}
		var data []json.RawMessage
		if !strings.HasPrefix(packet, "42") || json.Unmarshal([]byte(packet[2:]), &data) != nil || len(data) == 0 {
			continue
		}
		if string(data[0]) != `"`+event+`"` {
			continue
		}
		if len(data) != 2 {
			return fmt.Errorf("%s came with %d arguments", event, len(data)-1)
		}
		return json.Unmarshal(data[1], v)
	}
}

func (c *client) send(prefix string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.ws.WriteMessage(websocket.TextMessage, append([]byte(prefix), data...))
}

// read returns the next packet, and answers pings.
func (c *client) read() (string, error) {
	for {
		_, packet, err := c.ws.ReadMessage()
		if err != nil {
			return "", err
		}
		if string(packet) != "2" {
			return string(packet), nil
		}
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte("3")); err != nil {
			return "", err
		}
	}
}

func (c *client) close() { _ = c.ws.Close() }
