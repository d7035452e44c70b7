package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

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
