package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// demonstrate shows what happens to good and bad tokens at the server. It prints
// a line for each outcome, and fails if one is not as it should be.
func demonstrate(ctx context.Context, out io.Writer, url string, secret []byte) error {
	now := time.Now()
	changed := func(name string, value any) string {
		c := chatpage.Claims("Ada", now)
		c[name] = value
		return mint.HS256(secret, c)
	}
	ada := mint.HS256(secret, chatpage.Claims("Ada", now))
	parts := strings.Split(ada, ".")
	admin, _ := json.Marshal(chatpage.Claims("admin", now)) // strings and numbers: it cannot fail

	report := trial.Report{Out: out}
	for _, row := range []struct {
		what string
		auth any
		want string
	}{
		{"no token", nil, "no token provided"},
		{"a forged token", token(mint.HS256(mint.Secret(), chatpage.Claims("Ada", now))), "invalid signature"},
		{"a tampered token", token(parts[0] + "." + mint.Encode(string(admin)) + "." + parts[2]), "invalid signature"},
		{"a token signed by nobody", token(mint.Encode(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2]), "invalid algorithm"},
		{"an expired token", token(changed("exp", now.Unix()-1)), "jwt expired"},
		{"a token of the future", token(changed("nbf", now.Add(time.Hour).Unix())), "jwt not active"},
		{"a token for another service", token(changed("aud", "billing")), "jwt audience invalid. expected: " + chatpage.Audience},
		{"something that is not a token", token("open the door"), "jwt malformed"},
		{"a number for a token", map[string]any{"token": 123}, "invalid token datatype"},
		{"a valid token", token(ada), "connected"},
		{"a valid token as Bearer", token("Bearer " + ada), "connected"},
	} {
		got, err := outcome(ctx, url, row.auth)
		report.Expect(row.what, row.want, got, err)
	}
	said, err := chatted(ctx, url, ada)
	report.Expect("what a client says", "Ada: hello", said, err)
	return report.Err()
}

func token(t string) map[string]any { return map[string]any{"token": t} }

// outcome is what happens to an auth payload: "connected", or the message of the
// refusal.
func outcome(ctx context.Context, url string, auth any) (string, error) {
	c, err := sio4.Connect(ctx, url, auth)
	var refusal *sio4.ConnectError
	switch {
	case errors.As(err, &refusal):
		return refusal.Message, nil
	case err != nil:
		return "", err
	}
	c.Close()
	return "connected", nil
}

// chatted sends a message under a name that is not the token's, and returns the message that
// the clients receive.
func chatted(ctx context.Context, url, ada string) (string, error) {
	c, err := sio4.Connect(ctx, url, token(ada))
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.Emit("message", "hello"); err != nil {
		return "", err
	}
	var heard message
	if err := c.Await("message", &heard); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %s", heard.From, heard.Text), nil
}
