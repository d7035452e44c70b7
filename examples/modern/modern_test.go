package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// show runs the demonstration against its own server.
func show(t *testing.T, options ...verifier.Option) (string, error) {
	t.Helper()
	secret := mint.Secret()
	server, err := newServer(secret, options...)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(chatpage.New(secret, chatpage.Version4, server))
	t.Cleanup(func() {
		_ = server.Close()
		web.Close()
	})
	var out strings.Builder
	err = demonstrate(t.Context(), &out, web.URL, secret)
	return out.String(), err
}

func TestDemonstration(t *testing.T) {
	if out, err := show(t); err != nil || strings.Contains(out, "FAIL") || strings.Count(out, "  ok  ") != 12 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDemonstrationNotices: a server that accepts what it should not is found
// out.
func TestDemonstrationNotices(t *testing.T) {
	out, err := show(t, verifier.IgnoreExpiration())
	if err == nil || strings.Count(out, "FAIL") != 1 || !strings.Contains(out, "FAIL  an expired token") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = show(t, verifier.Subject("nobody"))
	if err == nil || strings.Count(out, "FAIL") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}
