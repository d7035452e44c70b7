package main

import (
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trialtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDemonstration: it succeeds, and fails with tokens of another secret.
func TestDemonstration(t *testing.T) {
	secret := mint.Secret()
	server, err := newServer(secret)
	if err != nil {
		t.Fatal(err)
	}
	with := func(secret []byte) func(io.Writer, string) error {
		return func(out io.Writer, url string) error { return demonstrate(t.Context(), out, url, secret) }
	}
	trialtest.Demonstrate(t, server, trialtest.Case{OK: 8, Run: with(secret)}, trialtest.Case{Failed: 1, Err: "invalid signature", Run: with(mint.Secret())})
}

func TestRun(t *testing.T) { trialtest.Main(t, run) }
