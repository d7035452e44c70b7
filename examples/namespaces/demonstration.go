package main

import (
	"context"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// demonstrate shows who enters which namespace.
func demonstrate(ctx context.Context, out io.Writer, url string, secret []byte, registry *socketio.Registry) error {
	token := func(claims map[string]any) any {
		claims["sub"], claims["aud"], claims["exp"] = "ada", "chat", time.Now().Add(time.Hour).Unix()
		return map[string]any{"token": mint.HS256(secret, claims)}
	}
	user, admin, acme := token(map[string]any{}), token(map[string]any{"scope": "admin"}), token(map[string]any{"tenant": "acme"})

	report := trial.Report{Out: out}
	for _, row := range []struct {
		what, namespace string
		auth            any
		want            string
	}{
		{"nobody, /", "/", nil, "we are open"},
		{"nobody, /chat", "/chat", nil, "token_missing"},
		{"nobody, /admin", "/admin", nil, "token_missing"},
		{"nobody, /tenant-acme", "/tenant-acme", nil, "token_missing"},
		{"a user, /chat", "/chat", user, "ada in /chat"},
		{"a user, /admin", "/admin", user, "insufficient_scope"},
		{"a user, /tenant-acme", "/tenant-acme", user, "not_a_member"},
		{"an administrator, /admin", "/admin", admin, "ada in /admin"},
		{"a member of acme, /tenant-acme", "/tenant-acme", acme, "ada in /tenant-acme"},
		{"a member of acme, /tenant-globex", "/tenant-globex", acme, "not_a_member"},
		{"a member of acme, /tenant-ACME", "/tenant-ACME", acme, "Invalid namespace"},
	} {
		got, err := enter(ctx, url, row.namespace, row.auth)
		report.Expect(row.what, row.want, got, err)
	}
	got, err := logout(ctx, url, registry, user, admin)
	report.Expect("ada in /chat and /admin, as she logs out", "token_revoked token_revoked", got, err)
	return report.Err()
}

// logout has ada enter two namespaces, ends what sessions she has in any, and
// returns what her clients are told.
func logout(ctx context.Context, url string, registry *socketio.Registry, user, admin any) (string, error) {
	chat, err := sio4.Dial(ctx, url, "/chat", nil, user)
	if err != nil {
		return "", err
	}
	defer chat.Close()
	administration, err := sio4.Dial(ctx, url, "/admin", nil, admin)
	if err != nil {
		return "", err
	}
	defer administration.Close()
	if err := registry.Revoke(ctx, socketio.Revocation{Subject: "ada"}); err != nil {
		return "", err
	}
	first, err := chat.Answer()
	if err != nil {
		return "", err
	}
	second, err := administration.Answer()
	return first + " " + second, err
}

// enter returns what the namespace says, or why it refuses the client.
func enter(ctx context.Context, url, namespace string, auth any) (string, error) {
	c, err := sio4.Dial(ctx, url, namespace, nil, auth)
	if err != nil {
		return sio4.Outcome(c, err)
	}
	defer c.Close()
	event := "welcome"
	if namespace == "/" {
		event = "news"
	}
	var said string
	err = c.Await(event, &said)
	return said, err
}
