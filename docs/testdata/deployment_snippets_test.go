package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestAllowOrigin: pages of the origin get the headers that their browsers ask for, and the
// endpoints do not see preflights.
func TestAllowOrigin(t *testing.T) {
	const origin = "https://app.example.com"
	endpoints := http.NewServeMux()
	endpoints.HandleFunc("POST /login", func(http.ResponseWriter, *http.Request) {})
	for _, row := range []struct {
		method, origin string
		status         int
		allowed        string
	}{
		{"OPTIONS", origin, http.StatusNoContent, origin},
		{"POST", origin, http.StatusOK, origin},
		{"POST", "", http.StatusOK, ""},
		{"POST", "https://other.example", http.StatusOK, ""},
		{"OPTIONS", "https://other.example", http.StatusMethodNotAllowed, ""},
	} {
		r := httptest.NewRequest(row.method, "/login", nil)
		r.Header.Set("Origin", row.origin)
		w := httptest.NewRecorder()
		allowOrigin(origin, endpoints).ServeHTTP(w, r)
		h := w.Header()
		if w.Code != row.status || h.Get("Access-Control-Allow-Origin") != row.allowed || h.Get("Vary") != "Origin" {
			t.Errorf("%s from %q: status %d, headers %v", row.method, row.origin, w.Code, h)
		}
		preflight := h.Get("Access-Control-Allow-Methods") == "GET, POST" && h.Get("Access-Control-Allow-Headers") == "Authorization, Content-Type"
		if preflight != (row.status == http.StatusNoContent) || (h.Get("Access-Control-Allow-Credentials") == "true") != (row.allowed != "") {
			t.Errorf("%s from %q: headers %v", row.method, row.origin, h)
		}
	}
}

// TestNode runs the whole node beside a Redis: it becomes healthy, serves, and is not
// healthy any longer when it is told to stop.
func TestNode(t *testing.T) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Log("not tested: ", err)
		return
	}
	socket := filepath.Join(t.TempDir(), "redis.sock")
	server := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	v := verifier.Must(verifier.New(verifiertest.NewIssuer("https://issuer.example/")))
	go func() { ended <- node(ctx, v, socket, address) }()
	answers := func(path string, want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("the node ended: %v", err)
			default:
			}
			if r, err := http.Get("http://" + address + path); err == nil {
				r.Body.Close()
				if r.StatusCode == want {
					return
				}
			}
		}
		t.Fatalf("%s does not answer %d", path, want)
	}
	answers("/healthz", http.StatusOK)
	answers("/livez", http.StatusOK)
	answers("/socket.io/?EIO=4&transport=polling", http.StatusOK)
	stop()
	answers("/healthz", http.StatusServiceUnavailable)
}
