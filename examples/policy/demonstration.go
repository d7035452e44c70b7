package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// demonstrate has a member and a moderator do what the policy allows, and what it does not.
func demonstrate(ctx context.Context, out io.Writer, url string, secret []byte) error {
	report := trial.Report{Out: out}
	token := func(subject, org string, roles ...string) string {
		claims := map[string]any{"sub": subject, "aud": "chat", "exp": time.Now().Add(time.Hour).Unix(), "roles": roles}
		if org != "" {
			claims["org"] = org
		}
		return mint.HS256(secret, claims)
	}
	connect := func(token string) (*sio4.Client, error) {
		return sio4.Connect(ctx, url, map[string]any{"token": token})
	}
	ada, err := connect(token("ada", "red"))
	if err != nil {
		return err
	}
	defer ada.Close()
	grace, err := connect(token("grace", "red", "moderator"))
	if err != nil {
		return err
	}
	defer grace.Close()
	does := func(c *sio4.Client, event string, args ...any) (string, error) {
		if err := c.Emit(event, args...); err != nil {
			return "", err
		}
		return answer(c)
	}

	got, err := does(ada, "join", "org:red:news")
	report.Expect("a member joins a room of the organization", "joined", got, err)
	got, err = does(ada, "join", "org:blue:news")
	report.Expect("and a room of another one", "forbidden", got, err)
	got, err = does(ada, "join", "lobby")
	report.Expect("and the room for everybody", "joined", got, err)
	got, err = does(ada, "announce", "org:red:news", "hello")
	report.Expect("and announces", "forbidden", got, err)

	if err = grace.Emit("announce", "org:red:news", "hello"); err == nil {
		got, err = ada.Line()
	}
	report.Expect("what members hear from a moderator", `announcement ["grace: hello"]`, got, err)

	// A token without the role takes effect at once.
	got, err = grace.Authenticate(token("grace", "red"))
	report.Expect("the moderator renews without the role", "authenticated", got, err)
	got, err = does(grace, "announce", "org:red:news", "once more")
	report.Expect("and announces", "forbidden", got, err)

	// A token of another organization: the server takes the socket out of the room.
	got, err = does(ada, "authenticate", map[string]any{"token": token("ada", "blue")})
	report.Expect("the member renews for another organization", "forbidden", got, err)
	return report.Err()
}

// answer waits for what the server says of an event: "joined", or the reason of a refusal.
func answer(c *sio4.Client) (string, error) {
	for {
		event, args, err := c.Next()
		if err != nil || event == "joined" {
			return event, err
		}
		var refusal struct{ Data struct{ Reason string } }
		if event == socketio.EventUnauthorized && len(args) == 1 {
			err := json.Unmarshal(args[0], &refusal)
			return refusal.Data.Reason, err
		}
	}
}
