package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sioclient"
)

// authenticate presents a token and returns the answer.
func (d *demonstration) authenticate(ctx context.Context, c *sioclient.Client, token string) (sioclient.Event, error) {
	if err := c.Emit("authenticate", map[string]string{"token": token}); err != nil {
		return sioclient.Event{}, err
	}
	return c.Next(ctx)
}

// enter opens a socket and authenticates it.
func (d *demonstration) enter(ctx context.Context, token string) (*sioclient.Client, error) {
	c, err := sioclient.Connect(ctx, d.url)
	if err != nil {
		return nil, err
	}
	if e, err := d.authenticate(ctx, c, token); err != nil || e.Name != "authenticated" {
		c.Close()
		return nil, unexpected(e, err, "authenticated")
	}
	return c, nil
}

// next waits for an event of that name, past others of the chat.
func next(ctx context.Context, c *sioclient.Client, name string) (sioclient.Event, error) {
	for {
		e, err := c.Next(ctx)
		if err != nil || e.Name == name {
			return e, err
		}
		if e.Name != "people" && e.Name != "message" {
			return e, unexpected(e, nil, name)
		}
	}
}

// text waits for the next thing that somebody says.
func text(ctx context.Context, c *sioclient.Client) (string, error) {
	e, err := next(ctx, c, "message")
	if err != nil {
		return "", err
	}
	var m message
	if len(e.Args) != 1 || json.Unmarshal(e.Args[0], &m) != nil {
		return "", fmt.Errorf("a message that cannot be read: %s", e.Args)
	}
	return m.Text, nil
}

// reason checks that an event is the refusal with that message, and words it.
func reason(e sioclient.Event, message string) (string, error) {
	var u struct {
		Data struct{ Code, Message string }
	}
	if e.Name != "unauthorized" || len(e.Args) != 1 || json.Unmarshal(e.Args[0], &u) != nil || u.Data.Message != message {
		return "", unexpected(e, nil, "unauthorized: "+message)
	}
	return fmt.Sprintf("unauthorized (%s: %s)", u.Data.Code, u.Data.Message), nil
}

func disconnected(ctx context.Context, c *sioclient.Client) error {
	e, err := c.Next(ctx)
	if err != nil || e.Name != "disconnect" {
		return unexpected(e, err, "disconnect")
	}
	return nil
}

// ended checks that an event is the refusal with that message, and that it ends the
// socket.
func ended(ctx context.Context, c *sioclient.Client, e sioclient.Event, message string) (string, error) {
	why, err := reason(e, message)
	if err != nil {
		return "", err
	}
	return why, disconnected(ctx, c)
}

func unexpected(e sioclient.Event, err error, want string) error {
	if err != nil {
		return fmt.Errorf("instead of %q: %w", want, err)
	}
	return fmt.Errorf("instead of %q came %q %s", want, e.Name, e.Args)
}

func unexpectedText(said string, err error, want string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%q was heard, expected %q", said, want)
}
