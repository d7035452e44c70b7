package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// demonstrate mints tokens, good and bad, and has them explained.
func (c *command) demonstrate(ctx context.Context) error {
	secret := fmt.Sprintf("%x", mint.Secret())
	now := c.now().Truncate(time.Second) // stands still, so that what is said of it stays true
	run := func(in string, args ...string) (string, int) {
		var out, trouble bytes.Buffer
		inner := *c
		inner.in, inner.out, inner.err, inner.color = strings.NewReader(in), &out, &trouble, false
		inner.now = func() time.Time { return now }
		inner.getenv = func(name string) string { return map[string]string{"SECRET": secret, "OTHER": secret + "!"}[name] }
		status := inner.run(ctx, args)
		return out.String() + trouble.String(), status
	}
	r := &trial.Report{Out: c.out}
	fmt.Fprint(c.out, "What token explain says of\n\n")
	past := fmt.Sprint(now.Add(-3 * time.Minute).Unix())
	for _, row := range []struct {
		what, secret, claims string
		failed               string // the check
		status               int
	}{
		{"a good token", "SECRET", `{"sub":"ada","aud":"chat"}`, "", 0},
		{"one that expired", "SECRET", `{"sub":"ada","aud":"chat","exp":` + past + `}`, "FAIL  expiry", 1},
		{"one for another service", "SECRET", `{"sub":"ada","aud":"billing"}`, "FAIL  audience", 1},
		{"one by another secret", "OTHER", `{"sub":"ada","aud":"chat"}`, "FAIL  signature", 1},
		{"one that is both expired and forged", "OTHER", `{"aud":"chat","exp":` + past + `}`, "expired 3 minutes ago", 1},
	} {
		token, status := run("", "mint", "-secret-env", row.secret, "-claims", row.claims)
		if status != 0 {
			r.Expect(row.what, "a token", token, nil)
			continue
		}
		text, status := run(token, "explain", "-secret-env", "SECRET", "-audience", "chat")
		got := fmt.Sprintf("status %d", status)
		if !strings.Contains(text, row.failed) || row.failed == "" && strings.Contains(text, "FAIL") {
			got += ", and not " + row.failed + "\n" + text
		}
		r.Expect(row.what, fmt.Sprintf("status %d", row.status), got, nil)
	}
	return r.Err()
}
