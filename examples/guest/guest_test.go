package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDemonstration(t *testing.T) {
	secret := mint.Secret()
	server, err := newServer(secret)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()
	var out strings.Builder
	if err := demonstrate(t.Context(), &out, web.URL, secret); err != nil || strings.Count(out.String(), "  ok  ") != 8 {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := demonstrate(t.Context(), &out, web.URL, mint.Secret()); err == nil {
		t.Error("a demonstration whose tokens are not good holds")
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
