package interop

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// TestVanishedClient: with one session per user and RejectNewest, a new login gets in
// when the machine of the client with the session has vanished, and not while that client
// is there.
func TestVanishedClient(t *testing.T) {
	limit := refusal{"session_limit", "too many sessions", "session_limit", true}
	for _, b := range bindings {
		for _, version := range []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V4} {
			for _, choice := range transportChoices {
				t.Run(b.name+"/"+string(version)+"/"+choice.name, func(t *testing.T) {
					t.Parallel()
					server := b.start(t, config{app: &app{}, logger: discard, refusalDelay: 100 * time.Millisecond, guards: map[string]guard{"/": {
						policy{}.authenticator(t), []socketio.Option{
							socketio.ByEvent(), socketio.WithLogger(discard), patience, socketio.SessionLimit(1, socketio.RejectNewest),
						},
					}}})
					t.Cleanup(server.Close)
					network := startNetwork(t, strings.TrimPrefix(server.URL(), "http://"))
					driver := jsclient.Start(t)
					o := atOnce(alice)
					o.Version, o.Transports, o.URL = version, choice.transports, network.url
					first := driver.Connect(t, o)
					first.Expect(t, "authenticated")
					if choice.transports == nil {
						first.ExpectUpgrade(t)
					}
					o.URL = server.URL()
					second := driver.Connect(t, o)
					if got := second.Expect(t, "unauthorized").JSON(); got != jsclient.Canonical(unauthorizedArgs(limit)) {
						t.Errorf("a second login was answered %s", got)
					}
					if args := first.EmitAck(t, "whoami", 0).Wait(t); len(args) != 1 || string(args[0]) != `"alice"` {
						t.Errorf("the first client was answered %s", args)
					}
					network.vanish()
					began := time.Now()
					second.Emit(t, "authenticate", map[string]string{"token": alice})
					second.Expect(t, "authenticated")
					if took := time.Since(began); took > 20*time.Second { // a ping times out after 20 to 45 s
						t.Errorf("the login took %v", took)
					}
					network.end()
				})
			}
		}
	}
}

// network forwards connections to a server until it vanishes: then nothing gets through
// any more, and neither side is told.
type network struct {
	url      string
	listener net.Listener

	mu       sync.Mutex // guards the rest
	vanished bool
	conns    []net.Conn
}

func startNetwork(t *testing.T, server string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{url: "http://" + l.Addr().String(), listener: l}
	t.Cleanup(n.end)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			n.mu.Lock()
			n.conns = append(n.conns, client, up)
			n.mu.Unlock()
			go n.forward(client, up)
			go n.forward(up, client)
		}
	}()
	return n
}

func (n *network) forward(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		size, err := from.Read(b)
		n.mu.Lock()
		vanished := n.vanished
		n.mu.Unlock()
		if vanished {
			return
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(b[:size]); err != nil {
			return
		}
	}
}

func (n *network) vanish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.vanished = true
}

// end closes all connections, so that nobody waits for an answer.
func (n *network) end() {
	n.listener.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
}
