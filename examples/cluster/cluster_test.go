package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func needRedis(t *testing.T) *redisServer {
	t.Helper()
	redis, err := startRedis(t.Context())
	if errors.Is(err, errNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.stop)
	return redis
}

// TestDemonstration: it holds, and can fail.
func TestDemonstration(t *testing.T) {
	secret := mint.Secret()
	redis := needRedis(t)
	start := func() *node {
		n, err := startNode(redis.address, secret)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.close(); err != nil {
				t.Error(err)
			}
		})
		return n
	}
	var out strings.Builder
	one, two := start(), start()
	if err := demonstrate(t.Context(), &out, one, two, secret); err != nil || strings.Count(out.String(), "  ok  ") != 8 {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := demonstrate(t.Context(), &out, one, two, mint.Secret()); err == nil {
		t.Error("a demonstration whose tokens are no good holds")
	}
}

func TestRun(t *testing.T) {
	if err := run(t.Context(), needRedis(t).address, false); err != nil {
		t.Error(err)
	}
}
