package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/redis/go-redis/v9"
	adapters "github.com/zishang520/socket.io/adapters/redis/v3"
	streams "github.com/zishang520/socket.io/adapters/redis/v3/adapter"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// byName verifies nothing: the token is the user's name.
func byName(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	name, err := verifier.DefaultExtractor().Extract(ctx, h)
	if err != nil {
		return nil, err
	}
	return &verifier.Token{Issuer: "i", Subject: name}, nil
}

// node is one server of a cluster.
type node struct {
	io       *socket.Server
	url      string
	sessions chan string // "subject, recovered: ..."
	gone     chan struct{}
}

func newNode(t *testing.T, address string, options ...socketio.Option) *node {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	ctx, cancel := context.WithCancel(context.Background())
	serverOptions := socket.DefaultServerOptions()
	serverOptions.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	serverOptions.SetAdapter(&streams.RedisStreamsAdapterBuilder{Redis: adapters.NewRedisClient(ctx, client)})
	server := zishang.NewServer(serverOptions, zishang.RefusalDelay(time.Nanosecond))
	n := &node{io: server.IO(), sessions: make(chan string, 9), gone: make(chan struct{}, 9)}
	namespace, err := server.Authorize("/", socketio.AuthenticatorFunc(byName), options...)
	if err != nil {
		t.Fatal(err)
	}
	zishang.OnAuthenticated(namespace, func(s *socket.Socket, session *socketio.Session) error {
		_ = s.On("disconnect", func(...any) { n.gone <- struct{}{} })
		if !s.Recovered() {
			s.Join("news")
		}
		n.sessions <- fmt.Sprintf("%s, recovered: %v, in the room: %v", session.Token().Subject, s.Recovered(), s.Rooms().Has("news"))
		return nil
	})
	web := httptest.NewServer(server)
	n.url = "ws" + strings.TrimPrefix(web.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
		cancel()
		_ = client.Close()
	})
	return n
}

// client is a client 4.x over a websocket.
type client struct {
	t        *testing.T
	conn     *websocket.Conn
	pid, sid string
}

// connects opens a connection, and enters the root with a payload.
func (n *node) connects(t *testing.T, payload map[string]any) *client {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), n.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	c := &client{t: t, conn: conn}
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	c.send("40" + string(data))
	var answer struct{ Sid, Pid string }
	if err := json.Unmarshal([]byte(c.next("40")), &answer); err != nil {
		t.Fatal(err)
	}
	c.sid, c.pid = answer.Sid, answer.Pid
	return c
}

func (c *client) send(packet string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next packet with a prefix, without it.
func (c *client) next(prefix string) string {
	c.t.Helper()
	for {
		_, packet, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(string(packet), prefix); ok {
			return rest
		}
	}
}

// hears waits for an event, and returns the offset at its end.
func (c *client) hears(event string) (offset string) {
	c.t.Helper()
	var args []any
	if err := json.Unmarshal([]byte(c.next("42")), &args); err != nil {
		c.t.Fatal(err)
	}
	if len(args) < 2 || args[0] != event {
		c.t.Fatalf("got %v, expected %s with an offset", args, event)
	}
	offset, _ = args[len(args)-1].(string)
	return offset
}

// startRedis starts a server for one test.
func startRedis(t *testing.T) *outage.Redis {
	t.Helper()
	server, err := outage.NewRedis()
	if errors.Is(err, outage.ErrNoRedis) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// TestRecoveryOnAnotherNode: a session that one node keeps is recovered at another, by
// its owner only: another user who presents its private id begins a new session, or is
// refused, and the owner still gets what was missed.
func TestRecoveryOnAnotherNode(t *testing.T) {
	for _, byEvent := range []bool{false, true} {
		t.Run(map[bool]string{false: "by handshake", true: "by event"}[byEvent], func(t *testing.T) {
			server := startRedis(t)
			var options []socketio.Option
			if byEvent {
				options = append(options, socketio.ByEvent())
			}
			first, second := newNode(t, server.Address(), options...), newNode(t, server.Address(), options...)
			enters := func(n *node, user string, payload map[string]any) *client {
				if payload == nil {
					payload = map[string]any{}
				}
				if !byEvent {
					payload["token"] = user
				}
				c := n.connects(t, payload)
				if byEvent {
					c.send(fmt.Sprintf(`42["authenticate",{"token":%q}]`, user))
				}
				return c
			}
			ada := enters(first, "ada", nil)
			expect(t, first.sessions, "ada, recovered: false, in the room: true")
			if byEvent {
				ada.next(`42["authenticated"]`)
			}
			_ = first.io.To("news").Emit("hello")
			offset := ada.hears("hello")
			_ = ada.conn.Close()
			<-first.gone
			_ = first.io.To("news").Emit("missed", "secret")

			bob := enters(second, "bob", map[string]any{"pid": ada.pid, "offset": offset})
			if byEvent {
				if refusal := bob.next("42"); !strings.Contains(refusal, "identity_mismatch") {
					t.Errorf("bob is told %s", refusal)
				}
			} else {
				if bob.sid == ada.sid || bob.pid == ada.pid {
					t.Error("bob has the session of ada")
				}
				expect(t, second.sessions, "bob, recovered: false, in the room: true")
			}
			_ = bob.conn.Close()

			again := enters(second, "ada", map[string]any{"pid": ada.pid, "offset": offset})
			expect(t, second.sessions, "ada, recovered: true, in the room: true")
			if again.sid != ada.sid {
				t.Errorf("ada has the ID %s, expected %s", again.sid, ada.sid)
			}
			if byEvent {
				again.next(`42["authenticated"]`)
			}
			again.hears("missed")

			third := enters(first, "ada", map[string]any{"pid": ada.pid, "offset": offset})
			expect(t, first.sessions, "ada, recovered: false, in the room: true")
			if third.sid == ada.sid {
				t.Error("the session was recovered twice")
			}
		})
	}
}

func expect(t *testing.T, sessions chan string, want string) {
	t.Helper()
	select {
	case got := <-sessions:
		if got != want {
			t.Fatalf("the session is %s, expected %s", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("no session began, expected %s", want)
	}
}
