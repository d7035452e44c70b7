package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trialtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDemonstration: it succeeds, and fails with tokens of another secret.
func TestDemonstration(t *testing.T) {
	secret := mint.Secret()
	server, err := newServer(secret, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	with := func(secret []byte) func(io.Writer, string) error {
		return func(out io.Writer, url string) error { return demonstrate(t.Context(), out, url, secret) }
	}
	trialtest.Demonstrate(t, server, trialtest.Case{OK: 8, Run: with(secret)}, trialtest.Case{Err: "invalid signature", Run: with(mint.Secret())})
}

func TestRun(t *testing.T) { trialtest.Main(t, run) }

// TestPolicy: each row is a token, what it asks for, and the decision.
func TestPolicy(t *testing.T) {
	policy, err := compile(expressions)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		claims   verifiertest.Claims
		action   socketio.Action
		resource string
		want     error
	}{
		{verifiertest.Claims{}, socketio.ActionEvent, "join", nil},
		{verifiertest.Claims{}, socketio.ActionEvent, "announce", socketio.ErrForbidden},
		{verifiertest.Claims{"roles": []string{"moderator"}}, socketio.ActionEvent, "announce", nil},
		{verifiertest.Claims{"roles": []string{"member"}}, socketio.ActionEvent, "announce", socketio.ErrForbidden},
		{verifiertest.Claims{}, socketio.ActionJoin, "lobby", nil},
		{verifiertest.Claims{}, socketio.ActionJoin, "org:red:news", socketio.ErrForbidden},
		{verifiertest.Claims{"org": "red"}, socketio.ActionJoin, "org:red:news", nil},
		{verifiertest.Claims{"org": "red"}, socketio.ActionJoin, "org:redder:news", socketio.ErrForbidden},
		{verifiertest.Claims{}, "leave", "lobby", errNoPolicy},
	} {
		synctest.Test(t, func(t *testing.T) {
			row.claims["sub"] = "ada"
			client := sockettest.NewServer(verifiertest.Accept(row.claims)).Connect(nil)
			client.Authenticate("any")
			defer client.Disconnect()
			if err := policy.Decide(t.Context(), client.Session(), row.action, row.resource); !errors.Is(err, row.want) {
				t.Errorf("%v: %s %s: %v, want %v", row.claims, row.action, row.resource, err, row.want)
			}
		})
	}
}

// TestErrorsRefuse: what the policy cannot evaluate is refused, and within the context.
func TestErrorsRefuse(t *testing.T) {
	policy, err := compile(map[socketio.Action]string{
		socketio.ActionEvent: `claims.level > 3`,
		socketio.ActionJoin:  `claims.list.all(a, claims.list.all(b, claims.list.all(c, a == b || b == c || c != resource)))`,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		claims := verifiertest.Claims{"sub": "ada", "list": strings.Split(strings.Repeat("x ", 500), " ")}
		client := sockettest.NewServer(verifiertest.Accept(claims)).Connect(nil)
		client.Authenticate("any")
		defer client.Disconnect()
		if err := policy.Decide(t.Context(), client.Session(), socketio.ActionEvent, "say"); err == nil || !strings.Contains(err.Error(), "no such key") {
			t.Errorf("a missing claim: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := policy.Decide(ctx, client.Session(), socketio.ActionJoin, "lobby"); err == nil {
			t.Error("an expression without end is evaluated")
		}
	})
}

// TestCompileRefuses: a mistake in an expression fails at the start.
func TestCompileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`resource ==`:   "Syntax error",
		`user == "ada"`: "undeclared reference",
		`resource`:      "expected bool",
	} {
		if _, err := compile(map[socketio.Action]string{socketio.ActionEvent: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
