package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemonstration(t *testing.T) {
	f := newFleet()
	server, err := newServer(f)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()
	var out strings.Builder
	if err := demonstrate(t.Context(), &out, web.URL, f); err != nil || strings.Count(out.String(), "  ok  ") != 11 {
		t.Errorf("%v\n%s", err, &out)
	}
	// It would notice: this device is no longer good.
	f.change(func() { f.stolen["meter-1"] = true })
	out.Reset()
	if err := demonstrate(t.Context(), &out, web.URL, f); err == nil || strings.Count(out.String(), "  FAIL  ") != 3 {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestRun(t *testing.T) {
	if err := run(t.Context(), "", false); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, "localhost:0", true); err == nil {
		t.Error("a demonstration that cannot be given goes unnoticed")
	}
}

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
