package nginx_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// TestRollingRestart: a node that is taken out of the configuration and drained loses
// nobody: its clients come back by themselves, at the other node.
func TestRollingRestart(t *testing.T) {
	config := configuration(t, "by-address")
	p := start(t, config)
	var clients []*jsclient.Client
	for _, v := range versions {
		for _, with := range transports {
			for i := range 8 {
				clients = append(clients, jsclient.Start(t).Connect(t, jsclient.Options{
					Version: v, URL: "http://" + p.http, Transports: with, Query: map[string]string{"token": token()},
					Header: map[string]string{"X-Test-Address": fmt.Sprintf("%d.%d.7.1", 20+i, 3*i)}, Auth: map[string]string{"token": token()},
				}))
			}
		}
	}
	for _, c := range clients {
		c.Expect(t, "welcome")
	}
	one, two := p.nodes[0], p.nodes[1]
	moving := one.sockets.Load()
	if moving == 0 || two.sockets.Load() == 0 {
		t.Fatalf("%d clients at the one node and %d at the other", moving, two.sockets.Load())
	}
	down := strings.Replace(config, "server 10.0.0.1:3000;", "server 10.0.0.1:3000 down;", 1)
	if down == config {
		t.Fatal("the configuration has no server 10.0.0.1:3000")
	}
	if err := p.Reload(realIP + p.local(down)); err != nil {
		t.Fatal(err)
	}
	awaitWorker(t, p)
	if err := one.registry.Drain(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); two.registry.Count(socketio.Filter{}) != len(clients); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("of %d clients %d have moved, %d are at the other node", moving, two.sockets.Load(), two.registry.Count(socketio.Filter{}))
		}
	}
	if n := one.sockets.Load(); n != moving {
		t.Errorf("%d clients came to a node that is down", n-moving)
	}
}

// awaitWorker waits until nginx serves new connections with the configuration that it
// was told to load.
func awaitWorker(t *testing.T, p *proxy) {
	t.Helper()
	for range 500 {
		if strings.Contains(p.Log("default-error.log"), "gracefully shutting down") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nginx does not reload:\n%s", p.Log("default-error.log"))
}
