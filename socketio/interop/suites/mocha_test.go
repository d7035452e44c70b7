package suites

import (
	"context"
	_ "embed"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

//go:embed reporter.js
var reporterScript []byte

// listen serves a handler until the test ends and returns its host and port.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: h}
	go func() { _ = web.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = web.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

// runFolder makes a folder, inside of one with node_modules, for one run.
func runFolder(t *testing.T, installed string) string {
	t.Helper()
	dir, err := os.MkdirTemp(installed, "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// mocha runs mocha in a folder, as [node] runs a program.
func mocha(t *testing.T, installed, dir string, nodeArgs []string, args ...string) (failures map[string]string, ran int) {
	t.Helper()
	write(t, dir, "reporter.js", reporterScript)
	program := append(nodeArgs, filepath.Join(installed, "node_modules/mocha/bin/mocha.js"), "--exit", "--reporter", "./reporter.js")
	return node(t, dir, append(program, args...)...)
}

// node runs a program that prints a line of JSON for each case. It returns why cases
// failed, by their names, and how many ran. What has not ended after five minutes is
// stopped.
func node(t *testing.T, dir string, args ...string) (failures map[string]string, ran int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SUITE_TOKEN="+suiteIssuer.Token(verifiertest.Claims{"sub": "suite"}))
	out, err := cmd.CombinedOutput() // it fails where a case does
	failures = make(map[string]string)
	for line := range strings.Lines(string(out)) {
		var c struct{ Name, Error string }
		if json.Unmarshal([]byte(line), &c) != nil || c.Name == "" {
			continue // what the suite itself prints
		}
		if ran++; c.Error != "" {
			failures[c.Name] = strings.Join(strings.Fields(c.Error), " ")
		}
	}
	if ran == 0 || ctx.Err() != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	return failures, ran
}
