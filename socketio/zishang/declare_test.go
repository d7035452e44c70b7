package zishang

import (
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestDeclareInCallbacks: a match function and a listener of "new_namespace" may declare
// namespaces.
func TestDeclareInCallbacks(t *testing.T) {
	web := serve(t, nil, func(server *Server) {
		var made atomic.Bool
		_ = server.IO().On("new_namespace", func(args ...any) {
			if args[0].(socket.Namespace).Name() == "/first" {
				public(t, server, "/second")
			}
		})
		public(t, server, "/first")
		guard(t, server, func(name string) bool {
			if !made.Swap(true) {
				guard(t, server, "/made", byName())
			}
			return strings.HasPrefix(name, "/dynamic")
		}, byName())
	})
	f := upgrade(t, web)
	for _, name := range []string{"/dynamic-1", "/made", "/first", "/second"} {
		f.send("40" + name + `,{"token":"alice"}`)
		f.expect("40" + name + `,{"sid"`)
	}
}

// clumsy makes adapters, and panics the first time that a dynamic namespace needs one.
type clumsy struct {
	socket.AdapterBuilder
	panicked atomic.Bool
}

func (c *clumsy) New(n socket.Namespace) socket.Adapter {
	if n.Name() == "/dynamic" && !c.panicked.Swap(true) {
		panic("boom")
	}
	return c.AdapterBuilder.New(n)
}

// TestPanicWhileMade: a panic while a dynamic namespace is made costs one client its
// connection, and the next one enters.
func TestPanicWhileMade(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetAdapter(&clumsy{})
	server := NewServer(options, WithLogger(discard), RefusalDelay(1))
	web := serveServer(t, server)
	guard(t, server, func(name string) bool { return name == "/dynamic" }, byName())
	f := upgrade(t, web)
	f.send(`40/dynamic,{"token":"alice"}`)
	if _, _, err := f.conn.ReadMessage(); err == nil {
		t.Error("the client whose namespace panicked is still connected")
	}
	f = upgrade(t, web)
	f.send(`40/dynamic,{"token":"alice"}`)
	f.expect(`40/dynamic,{"sid"`)
}

// TestJoinWithOtherAdapters: JoinWith puts a socket into a room, also into that of its
// ID, and where the application has set its own adapter.
func TestJoinWithOtherAdapters(t *testing.T) {
	for name, set := range map[string]func(*socket.Server){
		"ours":              func(*socket.Server) {},
		"the application's": func(io *socket.Server) { io.SetAdapter(&socket.AdapterBuilder{}) },
	} {
		t.Run(name, func(t *testing.T) {
			sockets, left := make(chan *socket.Socket, 1), make(chan struct{})
			web := serve(t, nil, func(server *Server) {
				set(server.IO())
				_ = guard(t, server, "/", byName()).On("connection", func(args ...any) {
					s := args[0].(*socket.Socket)
					_ = s.On("disconnect", func(...any) { close(left) })
					sockets <- s
				})
			})
			f := upgrade(t, web)
			f.send(`40{"token":"alice"}`)
			f.expect("40")
			s := <-sockets
			for _, room := range []socket.Room{socket.Room(s.Id()), "room"} {
				if err := JoinWith(s, room, ""); err != nil || !s.Rooms().Has(room) {
					t.Errorf("JoinWith %s: %v, in %v", room, err, s.Rooms().Keys())
				}
			}
			_ = f.conn.Close()
			<-left
			if err := JoinWith(s, "room", ""); !errors.Is(err, socketio.ErrDisconnected) {
				t.Errorf("JoinWith of a socket that is gone: %v, want %v", err, socketio.ErrDisconnected)
			}
		})
	}
}

// TestNamespaceOfOldClients: a client 2.x is in the namespace that it authenticated for, not
// in the one that its name means as a URL.
func TestNamespaceOfOldClients(t *testing.T) {
	web := serve(t, withOld(), func(s *Server) {
		public(t, s, "/")
		n := guard(t, s, regexp.MustCompile("^/tenant-"), byName())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			asked := SessionOf(s).Handshake().Namespace
			_ = s.On("where", func(...any) { _ = s.Nsp().Emit("here", s.Nsp().Name(), asked) })
		})
	})
	for _, name := range []string{"/tenant-A", "/tenant-%41", "/tenant-A#x", "/tenant-A/../B", "/tenant-A;x&y"} {
		f := upgradeOld(t, web, "")
		f.send("40" + name + "?token=alice,")
		f.expect("40" + name)
		f.send("42" + name + `,["where"]`)
		quoted := strings.ReplaceAll(name, "&", `\u0026`)
		f.expect("42" + name + `,["here","` + quoted + `","` + quoted + `"]`)
	}
}
