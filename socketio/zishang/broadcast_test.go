package zishang

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// broadcaster sets the adapter of a server.
type broadcaster func(t *testing.T, o *socket.ServerOptions)

func (set broadcaster) serve(t *testing.T) *ruled {
	t.Helper()
	options := socket.DefaultServerOptions()
	set(t, options)
	return newRuled(t, options)
}

// broadcasters are those whose broadcasts different adapters write.
var broadcasters = map[string]broadcaster{
	"in memory": func(*testing.T, *socket.ServerOptions) {},
	"recovery": func(_ *testing.T, o *socket.ServerOptions) {
		o.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	},
	"cluster": func(t *testing.T, o *socket.ServerOptions) {
		c, err := cluster.New(cluster.NewMemory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		o.SetAdapter(ClusterAdapter(c))
	},
}

// TestBroadcastAcrossTheEnd: the adapter has chosen a socket for a broadcast, and writes
// it after the client was told that it is no longer in the room.
func TestBroadcastAcrossTheEnd(t *testing.T) {
	const room = "org:red:news"
	ends := map[string]func(t *testing.T, r *ruled, f *frames, s *socket.Socket){
		"a rule that no longer holds": func(t *testing.T, r *ruled, f *frames, _ *socket.Socket) {
			f.send(`42/chat,["authenticate",{"token":"` + r.token("ada", "w", "blue") + `"}]`)
			heard(t, f, `42/chat,1073741824["unauthorized"`, room, `"reason":"forbidden"`)
			heard(t, f, `42/chat,["authenticated"]`)
		},
		"a room token that expires": func(t *testing.T, r *ruled, f *frames, s *socket.Socket) {
			soon := float64(time.Now().Add(2*time.Second).UnixMilli()) / 1000
			token := r.key.Mint(nil, verifiertest.Claims{"aud": "room", "sub": "ada", "room": room, "exp": soon})
			if err := JoinWith(s, room, token); err != nil {
				t.Error(err)
			}
			heard(t, f, `42/chat,["token_expiring"`, room)
			heard(t, f, `42/chat,1073741824["unauthorized"`, room, `"reason":"token_expired"`)
		},
		"Leave": func(t *testing.T, _ *ruled, f *frames, s *socket.Socket) {
			s.Leave(room)
			_ = s.Emit("left")
			heard(t, f, `42/chat,["left"`)
		},
		"the end of the session": func(t *testing.T, _ *ruled, f *frames, s *socket.Socket) {
			SessionOf(s).End(nil)
			heard(t, f, `42/chat,1073741824["unauthorized"`)
			heard(t, f, "41/chat,") // RefusalDelay is over at once here
		},
		"Disconnect": func(t *testing.T, _ *ruled, f *frames, s *socket.Socket) {
			s.Disconnect(false)
			heard(t, f, "41/chat,")
		},
	}
	for adapter, set := range broadcasters {
		for end, finish := range ends {
			for _, acked := range []bool{false, true} {
				name := adapter + "/" + end + map[bool]string{true: "/with acknowledgements"}[acked]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					broadcastAcross(t, set.serve(t), room, acked, finish)
				})
			}
		}
	}
}

// broadcastAcross runs end while a broadcast to the room stands before its write.
func broadcastAcross(t *testing.T, r *ruled, room socket.Room, acked bool, end func(*testing.T, *ruled, *frames, *socket.Socket)) {
	f, s := r.enters(t, r.token("ada", "w", "red"))
	f.send("40")
	heard(t, f, `40{"sid":`)
	s.Join(room)
	chosen, goOn, written := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var stopped atomic.Bool
	s.OnAnyOutgoing(func(...any) { // runs between the choice and the write
		if !stopped.Swap(true) {
			close(chosen)
			<-goOn
		}
	})
	go func() {
		defer close(written)
		p := &parser.Packet{Type: parser.EVENT, Data: []any{"news"}}
		to := &socket.BroadcastOptions{Rooms: newRooms(room, "org:other"), Except: newRooms()}
		if acked {
			r.chat.Adapter().BroadcastWithAck(p, to, func(uint64) {}, func([]any, error) {})
		} else {
			r.chat.Adapter().Broadcast(p, to)
		}
	}()
	<-chosen
	end(t, r, f, s)
	close(goOn)
	<-written
	_ = r.server.IO().Emit("behind it")
	heard(t, f, `42["behind it"`)
}

// TestBroadcastToOtherRooms: a socket that left one room of a broadcast, and is in
// another, hears it once.
func TestBroadcastToOtherRooms(t *testing.T) {
	for adapter, set := range broadcasters {
		t.Run(adapter, func(t *testing.T) {
			r := set.serve(t)
			f, s := r.enters(t, r.token("ada", "w", "red"))
			s.Join("org:red:a", "org:red:b")
			var once sync.Once
			s.OnAnyOutgoing(func(...any) { once.Do(func() { s.Leave("org:red:a") }) })
			_ = r.chat.To("org:red:a", "org:red:b").Emit("to both")
			heard(t, f, `42/chat,["to both"`)
			_ = r.chat.To("org:red:a").Emit("to a")
			_ = r.chat.Emit("to all")
			heard(t, f, `42/chat,["to all"`)
		})
	}
}

// TestBroadcastAckedByAll: a socket that leaves the room before the write is not waited for.
func TestBroadcastAckedByAll(t *testing.T) {
	for adapter, set := range broadcasters {
		t.Run(adapter, func(t *testing.T) {
			r := set.serve(t)
			_, s := r.enters(t, r.token("ada", "w", "red"))
			s.Join("org:red:a")
			s.OnAnyOutgoing(func(...any) { s.Leave("org:red:a") })
			answered := make(chan error, 1)
			r.chat.To("org:red:a").Timeout(5 * time.Second).EmitWithAck("ask")(func(_ []any, err error) { answered <- err })
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
}

// panicking makes adapters that panic in a broadcast.
type panicking struct{ socket.AdapterBuilder }

func (p *panicking) New(n socket.Namespace) socket.Adapter {
	return panickingAdapter{p.AdapterBuilder.New(n)}
}

type panickingAdapter struct{ socket.Adapter }

func (panickingAdapter) Broadcast(*parser.Packet, *socket.BroadcastOptions) { panic("boom") }
func (panickingAdapter) BroadcastWithAck(*parser.Packet, *socket.BroadcastOptions, func(uint64), socket.Ack) {
	panic("boom")
}

// TestBroadcastForgotten: nothing is kept of a broadcast, nor of one in which an adapter
// panicked.
func TestBroadcastForgotten(t *testing.T) {
	for name, adapter := range map[string]socket.AdapterConstructor{"panics": &panicking{}, "works": &socket.AdapterBuilder{}} {
		options := socket.DefaultServerOptions()
		options.SetAdapter(adapter)
		server := NewServer(options)
		a := public(t, server, "/").Adapter()
		for what, send := range map[string]func(*parser.Packet){
			"Broadcast":        func(p *parser.Packet) { a.Broadcast(p, nil) },
			"BroadcastWithAck": func(p *parser.Packet) { a.BroadcastWithAck(p, nil, func(uint64) {}, func([]any, error) {}) },
		} {
			kept := func() (kept weak.Pointer[parser.Packet]) {
				p := &parser.Packet{Type: parser.EVENT, Data: []any{"news"}}
				kept = weak.Make(p)
				defer func() { _ = recover() }()
				send(p)
				return kept
			}()
			runtime.GC()
			if kept.Value() != nil {
				t.Errorf("%s of an adapter that %s: the packet is kept", what, name)
			}
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}
