package interop

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// worst is how long an acknowledgement may take in TestProxyThatDropsAnswers: on a quiet
// machine it takes 0.3 s, and without polling in the meantime 10 s.
const worst = 3 * time.Second

// TestProxyThatDropsAnswers: behind a proxy that opens websockets, and drops what the
// server sends on them, a client that tries to upgrade goes on by polling.
func TestProxyThatDropsAnswers(t *testing.T) {
	for _, b := range bindings {
		for _, version := range b.versions {
			t.Run(b.name+"/"+string(version), func(t *testing.T) {
				t.Parallel()
				server := b.start(t, config{app: &app{}, logger: discard, refusalDelay: 100 * time.Millisecond, guards: map[string]guard{"/": {
					policy{}.authenticator(t), []socketio.Option{socketio.ByEvent(), socketio.WithLogger(discard), patience},
				}}})
				t.Cleanup(server.Close)
				o := atOnce(alice)
				dropped := make(chan struct{}, 100)
				o.Version, o.URL = version, deafProxy(t, strings.TrimPrefix(server.URL(), "http://"), dropped)
				c := jsclient.Start(t).Connect(t, o)
				c.Expect(t, "authenticated")
				<-dropped // the answer to the probe
				var slowest time.Duration
				for i := range 20 {
					began := time.Now()
					if args := c.EmitAck(t, "echo", i).Wait(t); len(args) != 1 {
						t.Fatalf("echo answered %s", args)
					}
					slowest = max(slowest, time.Since(began))
				}
				t.Logf("the slowest of 20 acknowledgements took %v", slowest)
				if slowest > worst {
					t.Errorf("an acknowledgement took %v, expected at most %v", slowest, worst)
				}
				if transport := c.State(t).Transport; transport != "polling" {
					t.Errorf("the client is on %s", transport)
				}
				c.Close(t)
			})
		}
	}
}

// deafProxy forwards connections to a server. Of websockets it drops what the server
// sends behind the answer to the upgrade, and reports that on dropped.
func deafProxy(t *testing.T, server string, dropped chan<- struct{}) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go forward(client, server, dropped)
		}
	}()
	return "http://" + l.Addr().String()
}

func forward(client net.Conn, server string, dropped chan<- struct{}) {
	defer client.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	var head bytes.Buffer
	in := bufio.NewReader(client)
	request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(in, &head)))
	if err != nil {
		return
	}
	websocket := strings.EqualFold(request.Header.Get("Upgrade"), "websocket")
	go func() {
		_, _ = io.Copy(up, io.MultiReader(&head, in))
		up.Close()
	}()
	if !websocket {
		_, _ = io.Copy(client, up)
		return
	}
	out := bufio.NewReader(up)
	for line := ""; line != "\r\n"; { // the answer's header
		if line, err = out.ReadString('\n'); err != nil {
			return
		}
		if _, err := io.WriteString(client, line); err != nil {
			return
		}
	}
	if _, err := out.ReadByte(); err == nil {
		dropped <- struct{}{}
		_, _ = io.Copy(io.Discard, out)
	}
}
