package main

import (
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trialtest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDemonstration: it succeeds, and fails when a device was stolen.
func TestDemonstration(t *testing.T) {
	f := newFleet()
	server, err := newServer(f)
	if err != nil {
		t.Fatal(err)
	}
	trialtest.Demonstrate(t, server, trialtest.Case{OK: 11, Run: func(out io.Writer, url string) error {
		return demonstrate(t.Context(), out, url, f)
	}}, trialtest.Case{OK: 8, Failed: 3, Err: "3 of these outcomes", Run: func(out io.Writer, url string) error {
		f.change(func() { f.stolen["meter-1"] = true })
		return demonstrate(t.Context(), out, url, f)
	}})
}

func TestRun(t *testing.T) { trialtest.Main(t, run) }

// Each part is a function, and its test a table.
func TestFromEnvelope(t *testing.T) {
	for name, test := range map[string]struct {
		auth  any
		token string
		err   error
	}{
		"nothing":         {nil, "", nil},
		"another payload": {map[string]any{"token": "t"}, "", nil},
		"a text":          {"t", "", nil},
		"a device":        {map[string]any{"device": map[string]any{"token": "t"}}, "t", nil},
		"no object":       {map[string]any{"device": "t"}, "", verifier.ErrTokenMalformed},
		"no token":        {map[string]any{"device": map[string]any{}}, "", verifier.ErrTokenMalformed},
	} {
		token, err := fromEnvelope(t.Context(), &verifier.Handshake{Auth: test.auth})
		if token != test.token || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
}

func TestNotStolen(t *testing.T) {
	f := newFleet()
	f.stolen["pump-1"] = true
	if err := f.notStolen(t.Context(), verifiertest.VerifiedToken(verifiertest.Claims{"sub": "pump-1"}), nil); !errors.Is(err, verifier.Reason("device_stolen")) {
		t.Errorf("a stolen device: %v", err)
	}
	if err := f.notStolen(t.Context(), verifiertest.VerifiedToken(verifiertest.Claims{"sub": "pump-2"}), nil); err != nil {
		t.Error(err)
	}
}
