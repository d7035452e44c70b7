package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/nginx"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startSite starts everything, or skips the test where something is not installed.
func startSite(t *testing.T) *site {
	t.Helper()
	addr, err := nginx.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{secret: mint.Secret()}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	err = s.start(t.Context(), addr)
	absent := errors.Is(err, errNoRedis) || errors.Is(err, npm.ErrNoNode) || errors.Is(err, nginx.ErrNotInstalled) || errors.Is(err, exec.ErrNotFound)
	if absent && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDemonstration: it holds, and can fail.
func TestDemonstration(t *testing.T) {
	s := startSite(t)
	var out strings.Builder
	if err := s.demonstrate(t.Context(), &out); err != nil || strings.Count(out.String(), "  ok  ") != 15 {
		t.Errorf("%v\n%s", err, &out)
	}
	s.secret = mint.Secret()
	if err := s.demonstrate(t.Context(), &out); err == nil {
		t.Error("a demonstration whose tokens are not good holds")
	}
}
