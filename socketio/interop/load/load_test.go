package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// TestMain lets the test binary be the servers that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serve(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			fail(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestCompare: every socket is accepted or refused as it should be, by all servers
// in Go, over both transports. Its figures mean nothing.
func TestCompare(t *testing.T) {
	for name, args := range map[string][]string{
		"ours":         {"-n", "60", "-rounds", "1", "-servers", "gosio,zishang"},
		"hand-written": {"-n", "60", "-rounds", "1", "-servers", "gosio-hand,zishang-hand", "-alg", "RS256"},
		"upgrade":      {"-n", "60", "-rounds", "1", "-servers", "gosio,zishang", "-upgrade"},
		"idle":         {"-idle", "20", "-ping", "50ms", "-servers", "gosio,zishang"},
	} {
		t.Run(name, func(t *testing.T) { command(t, compare, args...) })
	}
}

// TestChurn, TestAttack and TestSoak are the runs of docs/benchmarks.md in small:
// everybody is accepted, refused, or cut off as it should be, and nothing is left.

func TestChurn(t *testing.T) {
	command(t, churn, "-n", "200")
}

func TestAttack(t *testing.T) {
	for _, server := range []string{"gosio", "zishang"} {
		for _, name := range []string{"half-frame", "huge-frames", "namespaces", "compression-bomb", "websocket-pongs"} {
			t.Run(server+"/"+name, func(t *testing.T) {
				command(t, attack, "-for", "500ms", "-timeout", "3s", "-rate", "20", "-servers", server, "-attacks", name)
			})
		}
	}
}

// TestScale: both bindings take the whole trial, and draw it.
func TestScale(t *testing.T) {
	dir := t.TempDir()
	command(t, scale, "-sockets", "100,120", "-servers", "gosio,zishang,floor", "-eio", "4", "-work", "1000", "-svg", dir)
}

// TestScaleTrunks: the same over connections that carry many.
func TestScaleTrunks(t *testing.T) {
	command(t, scale, "-sockets", "100", "-servers", "gosio,zishang", "-eio", "4", "-work", "1000", "-trunks")
}

func TestSoak(t *testing.T) {
	command(t, soak, "-for", "5s", "-rate", "40", "-every", "500ms", "-lasting", "1s", "-troubles", "clients cut off,Redis stopped")
}

// TestCrash: everybody comes back, and the dead node's sessions are gone within the lease.
func TestCrash(t *testing.T) {
	command(t, crash, "-n", "100", "-lease", "3s")
}

// TestSpread: every socket of three nodes has every broadcast.
func TestSpread(t *testing.T) {
	command(t, spread, "-sockets", "5", "-n", "20", "-rounds", "1", "-servers", "gosio,zishang")
}

// TestAway: clients 4.8.4 come back by themselves when Redis and networks do.
func TestAway(t *testing.T) {
	if _, err := exec.LookPath("npm"); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	command(t, away, "-n", "20", "-each", "4s", "-faults", "redis-stopped,clients-half-open")
}

// TestFaults: in the short time no client is accepted that must not be, or kept
// out for longer than is documented.
func TestFaults(t *testing.T) {
	command(t, faults, "-each", "2s", "-ttl", "2s", "-rate", "30", "-faults", "issuer-cut,redis-killed,clients-cut")
}

func command(t *testing.T, run func([]string, io.Writer) error, args ...string) {
	t.Parallel()
	var out bytes.Buffer
	err := run(args, &out)
	t.Log("\n" + out.String())
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Error(err)
	}
}
