package main

import (
	"context"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// demonstrate follows a guest who becomes a user.
func demonstrate(ctx context.Context, out io.Writer, url string, secret []byte) error {
	token := func(subject string, lifetime time.Duration) string {
		return mint.HS256(secret, map[string]any{"sub": subject, "aud": "chat", "exp": time.Now().Add(lifetime).Unix()})
	}
	report := trial.Report{Out: out}

	got, err := sio4.Outcome(sio4.Connect(ctx, url, map[string]any{"token": token("ada", -time.Hour)}))
	report.Expect("a client with an expired token", "token_expired", got, err)

	user, err := sio4.Connect(ctx, url, map[string]any{"token": token("grace", time.Hour)})
	if err != nil {
		return err
	}
	defer user.Close()
	got, err = user.Line()
	report.Expect("a client with a token", `welcome ["grace"]`, got, err)

	guest, err := sio4.Connect(ctx, url, nil)
	if err != nil {
		return err
	}
	defer guest.Close()
	say := func(c *sio4.Client, text string) (string, error) {
		if err := c.Emit("message", text); err != nil {
			return "", err
		}
		return c.Line()
	}
	got, err = say(guest, "hello?")
	report.Expect("what a guest says", `problem ["log in to speak"]`, got, err)

	_, err = say(user, "good morning")
	if err == nil {
		got, err = guest.Line()
	}
	report.Expect("what a guest hears", `message ["grace" "good morning"]`, got, err)

	got, err = guest.Authenticate(mint.HS256(mint.Secret(), map[string]any{"sub": "grace", "aud": "chat"}))
	report.Expect("a guest with a forged token", "signature_invalid", got, err)
	got, err = say(guest, "I am grace")
	report.Expect("what it says then", `problem ["log in to speak"]`, got, err)

	got, err = guest.Authenticate(token("ada", time.Hour))
	if err == nil {
		var greeting string
		greeting, err = guest.Line()
		got += " " + greeting
	}
	report.Expect("a guest with a token", `authenticated welcome ["ada"]`, got, err)
	got, err = say(guest, "hello!")
	report.Expect("what it says then", `message ["ada" "hello!"]`, got, err)
	return report.Err()
}
