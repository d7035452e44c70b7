package zishang

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// ruled is a server with rules for events and rooms.
type ruled struct {
	key     *verifiertest.Key
	server  *Server
	chat    socket.Namespace
	web     *httptest.Server
	sockets chan *socket.Socket
	handled chan string
	left    chan struct{}
}

// rules are those of the tests.
func rules() []socketio.Option {
	return []socketio.Option{socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}:*")}
}

func newRuled(t *testing.T, options *socket.ServerOptions, extra ...socketio.Option) *ruled {
	t.Helper()
	r := &ruled{key: verifiertest.NewKey(verifier.HS256, ""), sockets: make(chan *socket.Socket, 9), handled: make(chan string, 9), left: make(chan struct{}, 9)}
	set, err := keys.Secret(r.key.Material().([]byte))
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(set, verifier.Audience("chat"))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := verifier.New(set, verifier.Audience("room"))
	if err != nil {
		t.Fatal(err)
	}
	r.web = serve(t, options, func(s *Server) {
		r.server = s
		public(t, s, "/")
		r.chat = guard(t, s, "/chat", v, append(append(rules(), socketio.RoomTokens(tokens), socketio.Timeout(time.Minute)), extra...)...)
		_ = r.chat.On("connection", func(args ...any) {
			so := args[0].(*socket.Socket)
			_ = so.On("disconnect", func(...any) { r.left <- struct{}{} })
			handle := func(args ...any) {
				r.handled <- args[0].(string)
				if ack, ok := args[len(args)-1].(socket.Ack); ok {
					ack([]any{"ok"}, nil)
				}
			}
			_ = so.On("write", handle)
			_ = so.On("read", handle)
			_ = so.On("join", func(args ...any) {
				answer := "joined"
				if err := JoinWith(so, socket.Room(args[0].(string)), args[1].(string)); err != nil {
					answer = string(verifier.AsUnauthorized(err).Reason)
				}
				args[2].(socket.Ack)([]any{answer}, nil)
			})
			r.sockets <- so
		})
	})
	return r
}

func (r *ruled) token(sub, scope, org string) string {
	return r.key.Mint(nil, verifiertest.Claims{"aud": "chat", "sub": sub, "scope": scope, "org": org})
}

// enters connects a client, and returns the library's socket of it.
func (r *ruled) enters(t *testing.T, token string) (*frames, *socket.Socket) {
	t.Helper()
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + token + `"}`)
	f.expect("40/chat,")
	return f, <-r.sockets
}

// heard reads a packet, and fails unless it has the prefix and the words.
func heard(t *testing.T, f *frames, prefix string, words ...string) {
	t.Helper()
	got := f.next()
	ok := strings.HasPrefix(got, prefix)
	for _, w := range words {
		ok = ok && strings.Contains(got, w)
	}
	if !ok {
		t.Fatalf("got %s, want %s with %q", got, prefix, words)
	}
}

// TestRules: events and joins are decided by the token in force, for clients of both
// protocols; after a renewal with fewer rights the room's broadcasts no longer arrive.
func TestRules(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(map[bool]string{false: "4.x", true: "2.x"}[old], func(t *testing.T) {
			revoked := make(chan string, 9)
			r := newRuled(t, withOld(), socketio.OnRoomRevoked(func(_ *socketio.Session, room string, err *verifier.UnauthorizedError) {
				revoked <- room + " " + string(err.Reason)
			}))
			var f *frames
			if old {
				f = upgradeOld(t, r.web, "")
				f.send("40/chat?token=" + r.token("ada", "w", "red"))
				f.expect("40/chat")
				<-r.sockets
			} else {
				f, _ = r.enters(t, r.token("ada", "w", "red"))
			}
			f.send(`42/chat,1["write","first"]`, `42/chat,2["join","org:red:news",""]`, `42/chat,3["join","org:blue:news",""]`)
			heard(t, f, `43/chat,1["ok"]`)
			heard(t, f, `43/chat,2["joined"]`)
			heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:news"`, `"reason":"forbidden"`)
			heard(t, f, `43/chat,3["forbidden"]`)
			tell := func(colour string) { _ = r.chat.To(socket.Room("org:"+colour+":news")).Emit("news", colour) }
			tell("blue")
			tell("red")
			heard(t, f, `42/chat,["news","red"]`)

			f.send(`42/chat,["authenticate",{"token":"` + r.token("ada", "r", "blue") + `"}]`)
			heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:red:news"`, `"reason":"forbidden"`)
			heard(t, f, `42/chat,["authenticated"]`)
			tell("red")
			if got := <-revoked; got != "org:red:news forbidden" {
				t.Errorf("OnRoomRevoked heard of %s", got)
			}
			f.send(`42/chat,4["write","fourth"]`, `42/chat,["write","fifth"]`, `42/chat,["read","sixth"]`, `42/chat,5["join","org:blue:news",""]`)
			heard(t, f, `43/chat,4[{`, `"event":"write"`, `"reason":"insufficient_scope"`)
			heard(t, f, `42/chat,1073741824["unauthorized"`, `"event":"write"`, `"reason":"insufficient_scope"`)
			heard(t, f, `43/chat,5["joined"]`)
			for _, want := range []string{"first", "sixth"} {
				if got := <-r.handled; got != want {
					t.Errorf("%q was handled, want %q", got, want)
				}
			}
		})
	}
}

// TestRulesOfGuests: a guest may send what no rule is about, and joins nothing.
func TestRulesOfGuests(t *testing.T) {
	r := newRuled(t, nil, socketio.Optional())
	f := upgrade(t, r.web)
	f.send("40/chat,")
	f.expect("40/chat,")
	f.send(`42/chat,1["write","a"]`, `42/chat,2["read","b"]`, `42/chat,3["join","org::x",""]`)
	heard(t, f, `43/chat,1[{`, `"event":"write"`, `"reason":"token_missing"`)
	heard(t, f, `43/chat,2["ok"]`)
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org::x"`, `"reason":"token_missing"`)
	heard(t, f, `43/chat,3["token_missing"]`)
}

// TestRulesJoins: whatever asks for a join, the rules decide: the application, a
// middleware, SocketsJoin. A room token opens its room, and Leave forgets it.
func TestRulesJoins(t *testing.T) {
	r := newRuled(t, nil)
	r.chat.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
		s.Join("org:red:early", "org:blue:early")
		next(nil)
	})
	f, s := r.enters(t, r.token("ada", "w", "red"))
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:early"`)
	s.Join("org:blue:a")
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:a"`)
	r.chat.SocketsJoin("org:blue:b")
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:b"`)
	r.chat.SocketsJoin("org:red:b")
	if err := JoinWith(s, "org:blue:c", "x"); verifier.AsUnauthorized(err).Reason != verifier.ErrTokenMalformed {
		t.Errorf("JoinWith of an invalid token: %v", err)
	}
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:c"`)
	ticket := r.key.Mint(nil, verifiertest.Claims{"aud": "room", "sub": "ada", "room": "org:blue:c", "exp": time.Now().Add(time.Hour).Unix()})
	if err := JoinWith(s, "org:blue:c", ticket); err != nil {
		t.Errorf("JoinWith: %v", err)
	}
	for room, want := range map[socket.Room]bool{
		socket.Room(s.Id()): true, "org:red:early": true, "org:red:b": true, "org:blue:c": true,
		"org:blue:early": false, "org:blue:a": false, "org:blue:b": false,
	} {
		if s.Rooms().Has(room) != want {
			t.Errorf("%s: in it: %v, want %v", room, !want, want)
		}
	}
	s.Leave("org:red:b")
	f.send(`42/chat,["authenticate",{"token":"` + r.token("ada", "w", "green") + `"}]`)
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:red:early"`)
	heard(t, f, `42/chat,["authenticated"]`) // not told of the room that it had left
	_ = f.conn.Close()
	<-r.left
	if err := JoinWith(s, "org:green:a", ""); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("JoinWith of a socket that is gone: %v", err)
	}
	if n := r.chat.Adapter().Sids().Len(); n != 0 {
		t.Errorf("the adapter has %d sockets", n)
	}
}

// TestRulesOfOtherNodes: a join that another node asks for is decided here.
func TestRulesOfOtherNodes(t *testing.T) {
	broker := cluster.NewMemory()
	var nodes [2]*ruled
	var clusters [2]*cluster.Cluster
	for i := range nodes {
		c, err := cluster.New(broker, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		options := socket.DefaultServerOptions()
		options.SetAdapter(ClusterAdapter(c))
		clusters[i], nodes[i] = c, newRuled(t, options)
	}
	for _, c := range clusters {
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f, s := nodes[0].enters(t, nodes[0].token("ada", "w", "red"))
	nodes[1].chat.SocketsJoin("org:red:a", "org:blue:a")
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:a"`, `"reason":"forbidden"`)
	if !s.Rooms().Has("org:red:a") && !s.Rooms().Has("org:blue:a") {
		// Rooms are joined in the order of a set: ask again behind the refusal.
		nodes[1].chat.SocketsJoin("org:blue:b")
		heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:blue:b"`)
	}
	if !s.Rooms().Has("org:red:a") || s.Rooms().Has("org:blue:a") {
		t.Errorf("the socket is in %v", s.Rooms().Keys())
	}
}

// TestRulesOfRecovery: a recovered session gets back the rooms that its new token allows.
func TestRulesOfRecovery(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	r := newRuled(t, options)
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + r.token("ada", "w", "red") + `"}`)
	_, answer, _ := strings.Cut(f.next(), `"pid":"`)
	pid, _, _ := strings.Cut(answer, `"`)
	s := <-r.sockets
	s.Join("org:red:a")
	_ = s.Emit("hello")
	packet := f.next()
	offset := packet[strings.LastIndex(packet, `,"`)+2 : strings.LastIndex(packet, `"`)]
	_ = f.conn.Close()
	<-r.left

	f = upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + r.token("ada", "w", "blue") + `","pid":"` + pid + `","offset":"` + offset + `"}`)
	heard(t, f, `40/chat,`, pid)
	heard(t, f, `42/chat,1073741824["unauthorized"`, `"room":"org:red:a"`, `"reason":"forbidden"`)
	if again := <-r.sockets; !again.Recovered() || again.Rooms().Has("org:red:a") {
		t.Errorf("recovered: %v, in %v", again.Recovered(), again.Rooms().Keys())
	}
}

// TestRulesNeedTheAdapter: with an adapter that cannot ask the rules about joins a
// namespace refuses everybody.
func TestRulesNeedTheAdapter(t *testing.T) {
	r := newRuled(t, nil)
	r.server.IO().SetAdapter(&socket.AdapterBuilder{})
	f := upgrade(t, r.web)
	f.send(`40/chat,{"token":"` + r.token("ada", "w", "red") + `"}`)
	heard(t, f, `44/chat,`, `"reason":"server_error"`)
}
