package googollee_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestFault16MemoryOfIdleSockets: go-socket.io starts a goroutine and a timer for
// every frame and keeps large buffers for every connection. Ours costs at most 20 KB in
// all, with its one goroutine, and a connection that asked for no namespace at most
// 10 KB. The clients are in another process.
func TestFault16MemoryOfIdleSockets(t *testing.T) {
	stock(t, shown, func(t *testing.T) {
		_, url := stockServer(t, func(s *gosio.Server) {
			s.OnEvent("/", "echo", func(_ gosio.Conn, v any) any { return v })
		})
		if bytes := memoryOfEach(t, url, "3"); bytes > 24000 {
			t.Log(shown)
		}
	})
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { return nil })
		s.OnDisconnect(func(*googollee.Conn, string) {})
	}, socketio.ByHandshake())
	for name, test := range map[string]struct {
		eio  string
		most int
	}{"a socket": {"3", 20000}, "a connection without a namespace": {"4", 10000}} {
		// The race detector itself needs much memory.
		if bytes := memoryOfEach(t, s.URL, test.eio); bytes > test.most && !raceEnabled {
			t.Errorf("%s costs %d bytes, expected at most %d", name, bytes, test.most)
		}
	}
}

// memoryOfEach measures what an idle connection costs the server in bytes. A client of
// Engine.IO 3 is in the root namespace, and one of Engine.IO 4 in none.
func memoryOfEach(t *testing.T, url, eio string) int {
	t.Helper()
	release := connectIdle(t, url, eio, 50) // what is made once is made now
	defer release()
	before := measure()
	n := int64(min(*idle, 4000)) // the server bounds the connections without a namespace
	releaseAll := connectIdle(t, url, eio, int(n))
	defer releaseAll()
	time.Sleep(200 * time.Millisecond) // for the goroutines of handshakes to end
	after := measure()
	heap, stacks := (after.heap-before.heap)/n, (after.stack-before.stack)/n
	t.Logf("EIO %s: heap %d, stacks %d bytes, %.1f goroutines each", eio, heap, stacks, float64(after.goroutines-before.goroutines)/float64(n))
	return int(heap + stacks)
}

// connectIdle connects n clients of another process, until release.
func connectIdle(t *testing.T, url, eio string, n int) (release func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, url, strconv.Itoa(n), eio)
	cmd.Env = append(os.Environ(), childVariable+"=idle")
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the clients: %q, %v", line, err)
	}
	return func() { in.Close(); _ = cmd.Wait() }
}

func init() {
	children["idle"] = func() {
		n, _ := strconv.Atoi(os.Args[2])
		sockets := make([]*rawclient.Websocket, n)
		lanes(n, 20, func(i int) {
			var err error
			if sockets[i], err = idleSocket(os.Args[1], os.Args[3]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		})
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		runtime.KeepAlive(sockets) // a connection that is collected is closed
	}
}

// idleSocket connects one client. One of Engine.IO 3 asks for an event, so that it is
// ready, and one of Engine.IO 4 for nothing.
func idleSocket(server, eio string) (*rawclient.Websocket, error) {
	token := "good." + strings.Repeat("x", 800) // as long as tokens are
	c := &rawclient.Session{URL: server, Query: url.Values{"token": {token}}, EIO: eio}
	ws, _, err := c.Dial(context.Background())
	if err != nil {
		return nil, err
	}
	if eio == "4" {
		return ws, c.ReadOpen(ws)
	}
	err = ws.Write(`421["echo",1]`)
	for p := ""; err == nil && p != "431[1]"; {
		p, err = ws.Read()
	}
	return ws, err
}
