package sockettest_test

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// handlers use all that a fake socket and a real one have in common.
func handlers[Conn interface {
	gosio.Conn
	conn[Room]
}, Room interface {
	emitter
	Except(rooms ...string) Room
}](on func(event string, handler any)) {
	register[Conn](on)
	on("rooms", func(c Conn) string {
		rooms := slices.DeleteFunc(c.Rooms(), func(room string) bool { return room == c.ID() })
		slices.Sort(rooms)
		return strings.Join(rooms, " ")
	})
	on("leave", func(c Conn, room string) (string, int) { c.Leave(room); return room, 1 })
	on("leave all", func(c Conn) int { c.LeaveAll(); return len(c.Rooms()) })
	on("shout", func(c Conn, text string) string { c.To().Emit("shouted", text); return "shouted" })
	on("either", func(c Conn, a, b string) string { c.To(a, b).Emit("either", a, b); return "" })
	on("but", func(c Conn, room, but string) string { c.To(room).Except(but).Emit("but", room, but); return "" })
	on("number", func(_ Conn, n *int, more ...string) any { return map[string]any{"n": n, "more": more} })
	on("set", func(c Conn, v string) string { before := fmt.Sprint(c.Context()); c.SetContext(v); return before })
	on("write", func(Conn) string { return "written" })
}

// TestMethods: each method of the fake types is one of the real types, so that an interface
// has both.
func TestMethods(t *testing.T) {
	real := strings.NewReplacer("sockettest.Server", "googollee.Namespace", "sockettest.", "googollee.")
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*sockettest.Conn](), reflect.TypeFor[*googollee.Conn]()},
		{reflect.TypeFor[*sockettest.Server](), reflect.TypeFor[*googollee.Namespace]()},
		{reflect.TypeFor[sockettest.BroadcastOperator](), reflect.TypeFor[googollee.BroadcastOperator]()},
	} {
		for m := range pair[0].Methods() {
			if m.Name == "Connect" || m.Name == "Registry" { // of the test, and of the Server
				continue
			}
			want := real.Replace(m.Type.String())
			if of, ok := pair[1].MethodByName(m.Name); !ok || of.Type.String() != want {
				t.Errorf("%v.%s is %v, of the real type %v", pair[0], m.Name, m.Type, of.Type)
			}
		}
	}
}

// script has what clients emit, one after the other, and wait for an acknowledgement.
var script = [][]any{
	{"ada", "join", "red:a"}, {"ada", "join", "red:b"}, {"bob", "join", "red:a"}, {"cyd", "join", "red:b"},
	{"eve", "join", "red:a"}, {"eve", "join", "blue:a"}, {"ada", "rooms"}, {"eve", "rooms"},
	{"ada", "say", "red:a", "to bob"}, {"ada", "say", "red:b", "to cyd"}, {"eve", "say", "red:a", "to ada and bob"},
	{"ada", "shout", "to all others"}, {"ada", "either", "red:a", "red:b"}, {"eve", "but", "red:a", "red:b"},
	{"ada", "leave", "red:b"}, {"ada", "rooms"}, {"cyd", "say", "red:b", "to nobody"},
	{"ada", "leave all"}, {"bob", "say", "red:a", "to nobody"}, {"ada", "join", "red:c"}, {"ada", "rooms"},
	{"ada", "number", 1, "a", "b"}, {"ada", "number"}, {"ada", "number", nil}, {"ada", "set", "x"}, {"ada", "set", "y"},
	{"ada", "write"}, {"cyd", "say", "red:a", "the last"},
}

var orgs = map[string]string{"ada": "red", "bob": "red", "cyd": "red", "eve": "blue"}

// TestAgreesWithGoogollee: the same handlers run with the fake server and with a real one,
// and the clients of both hear the same.
func TestAgreesWithGoogollee(t *testing.T) {
	options := []socketio.Option{socketio.ByHandshake(), socketio.AllowRoom("{org}:*"), socketio.Allow("write", socketio.Scope("w"))}
	issuer := func() (*verifiertest.Issuer, *verifier.Verifier) {
		i := verifiertest.NewIssuer("https://issuer.test/")
		return i, verifier.Must(verifier.New(i))
	}
	want := make(map[string][]string)
	synctest.Test(t, func(t *testing.T) {
		issuer, v := issuer()
		server := sockettest.NewServer(v, options...)
		handlers[*sockettest.Conn](server.OnEvent)
		clients := make(map[string]*sockettest.Client)
		for name, org := range orgs {
			token := issuer.Token(verifiertest.Claims{"sub": name, "org": org})
			clients[name] = server.Connect(&verifier.Handshake{Auth: map[string]any{"token": token}})
		}
		for _, step := range script {
			clients[step[0].(string)].EmitWithAck(step[1].(string), step[2:]...)
		}
		for name, c := range clients {
			for _, e := range c.Received() {
				want[name] = append(want[name], bindingtest.Event(e).String())
			}
		}
	})

	onNetwork, err := googollee.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	issued, v := issuer()
	root, err := onNetwork.Authorize("/", v, options...)
	if err != nil {
		t.Fatal(err)
	}
	handlers[*googollee.Conn](root.OnEvent)
	web := httptest.NewServer(onNetwork)
	defer web.Close()
	defer onNetwork.Close()
	got, clients := make(map[string][]string), make(map[string]bindingtest.Client)
	hears := func(name, until string) {
		for {
			e, err := clients[name].Next()
			if err != nil {
				t.Fatalf("%s: %v after %q", name, err, got[name])
			}
			if got[name] = append(got[name], e.String()); e.Name == until {
				return
			}
		}
	}
	for name, org := range orgs {
		clients[name] = bindingtest.Dial(t, web.URL, issued.Token(verifiertest.Claims{"sub": name, "org": org}))
		hears(name, "connect")
	}
	for _, step := range script {
		name := step[0].(string)
		if err := clients[name].Emit(true, step[1].(string), step[2:]...); err != nil {
			t.Fatal(err)
		}
		hears(name, "ack")
	}
	for name, c := range clients {
		for _, e := range c.Rest() {
			got[name] = append(got[name], e.String())
		}
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s heard of a real server\n\t%q\nand of the fake one\n\t%q", name, got[name], want[name])
		}
	}
}
