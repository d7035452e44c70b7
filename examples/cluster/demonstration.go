package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// demonstrate has Ada at one node, and Grace at both.
func demonstrate(ctx context.Context, out io.Writer, one, two *node, secret []byte) error {
	token := func(subject string) any {
		claims := map[string]any{"sub": subject, "aud": "chat", "exp": time.Now().Add(time.Hour).Unix()}
		return map[string]any{"token": mint.HS256(secret, claims)}
	}
	// The nodes find each other by the adapter's heartbeats.
	if !eventually(func() bool { return one.nodes() == 2 && two.nodes() == 2 }) {
		return fmt.Errorf("the nodes see %d and %d of their kind, expected 2", one.nodes(), two.nodes())
	}
	var clients []*sio4.Client
	for _, c := range []struct {
		at   *node
		auth any
	}{{one, token("ada")}, {one, token("grace")}, {two, token("grace")}} {
		client, err := sio4.Connect(ctx, c.at.url, c.auth)
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.Line(); err != nil { // welcome
			return err
		}
		clients = append(clients, client)
	}
	ada, graceAtOne, graceAtTwo := clients[0], clients[1], clients[2]
	report := trial.Report{Out: out}

	err := ada.Emit("message", "hello")
	for _, listener := range []struct {
		who    string
		client *sio4.Client
	}{{"what is said at one node, there", graceAtOne}, {"and at the other", graceAtTwo}} {
		var got string
		if err == nil {
			got, err = listener.client.Line()
		}
		report.Expect(listener.who, `message ["ada" "hello"]`, got, err)
	}

	got := ""
	if err = ada.Emit("whisper", "grace", "psst"); err == nil {
		got, err = graceAtTwo.Line()
	}
	report.Expect("what is said to a user, at the other node", `whisper ["ada" "psst"]`, got, err)

	// Grace's account is closed at the node where she says nothing.
	if err := one.registry.Revoke(ctx, socketio.Revocation{Subject: "grace"}); err != nil {
		return err
	}
	got, err = graceAtOne.Answer()
	report.Expect("a user who is revoked, there", "token_revoked", got, err)
	got, err = graceAtTwo.Answer()
	report.Expect("and at the other node", "token_revoked", got, err)
	for _, n := range []*node{one, two} {
		got, err = sio4.Outcome(sio4.Connect(ctx, n.url, token("grace")))
		report.Expect("her token after that", "token_revoked", got, err)
	}
	got, err = sio4.Outcome(sio4.Connect(ctx, two.url, token("ada")))
	report.Expect("another user's", "connected", got, err)
	return report.Err()
}
