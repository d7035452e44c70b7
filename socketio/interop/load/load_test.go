package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
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

// TestCompare: every socket is let in or refused as it should be, by all servers
// in Go, over both transports. Its figures mean nothing.
func TestCompare(t *testing.T) {
	for name, args := range map[string][]string{
		"ours":    {"-n", "60", "-rounds", "1", "-servers", "gosio,zishang"},
		"by hand": {"-n", "60", "-rounds", "1", "-servers", "gosio-hand,zishang-hand", "-alg", "RS256"},
		"upgrade": {"-n", "60", "-rounds", "1", "-servers", "gosio,zishang", "-upgrade"},
		"idle":    {"-idle", "20", "-ping", "50ms", "-servers", "gosio,zishang"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := compare(args, &out); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + out.String())
			if lines := strings.Count(out.String(), "\n"); lines < 6 {
				t.Errorf("there are %d lines in the table", lines)
			}
		})
	}
}
