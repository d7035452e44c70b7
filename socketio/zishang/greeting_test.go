package zishang

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// joins is an adapter that does something when a socket joins its own room, which is
// in the midst of its being connected.
type joins struct {
	socket.AdapterBuilder
	then func(socket.Namespace)
}

func (j *joins) New(n socket.Namespace) socket.Adapter {
	return &joinsAdapter{j.AdapterBuilder.New(n), j.then}
}

type joinsAdapter struct {
	socket.Adapter
	then func(socket.Namespace)
}

func (a *joinsAdapter) AddAll(id socket.SocketId, rooms *types.Set[socket.Room]) {
	a.Adapter.AddAll(id, rooms)
	a.then(a.Nsp())
}

// frames is a client over a websocket that sees every packet there is.
type frames struct {
	t    *testing.T
	conn *websocket.Conn
}

func upgrade(t *testing.T, web *httptest.Server) *frames {
	t.Helper()
	return dialFrames(t, web, "EIO=4")
}

func dialFrames(t *testing.T, web *httptest.Server, query string) *frames {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?transport=websocket&"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	f := &frames{t, conn}
	f.expect("0{")
	return f
}

func (f *frames) send(packets ...string) {
	f.t.Helper()
	for _, packet := range packets {
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *frames) next() string {
	f.t.Helper()
	_, got, err := f.conn.ReadMessage()
	if err != nil {
		f.t.Fatal(err)
	}
	return string(got)
}

// expect compares how the next packets begin.
func (f *frames) expect(prefixes ...string) {
	f.t.Helper()
	for _, prefix := range prefixes {
		if got := f.next(); !strings.HasPrefix(got, prefix) {
			f.t.Fatalf("got %s\nwant %s", got, prefix)
		}
	}
}

// TestNoEmptyPackets: over a websocket a client gets what it is told, in order, and
// not the library's words that were taken out.
func TestNoEmptyPackets(t *testing.T) {
	options := socket.DefaultServerOptions()
	// As of what another goroutine emits before the library has told the client that
	// it is connected.
	options.SetAdapter(&joins{then: func(n socket.Namespace) { _ = n.Emit("early") }})
	web := serve(t, options, func(io *Server) {
		guard(t, io, "/", byName())
		event := guard(t, io, "/event", byName(), socketio.ByEvent(), socketio.DisconnectNow())
		_ = event.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("welcome") })
	})
	f := upgrade(t, web)
	for range 3 {
		f.send(`40{"token":"bad"}`)
		f.expect(refusalPacket("/", errBadToken))
		f.send("40/event,")
		f.expect("40/event,")
		f.send(`42/event,["authenticate",{"token":"bad"}]`)
		f.expect(`42/event,1073741824["unauthorized",`, "41/event,")
		f.send("40/event,")
		f.expect("40/event,")
		f.send(`42/event,["authenticate",{"token":"alice"}]`)
		f.expect(`42/event,["authenticated"]`, `42/event,["early"]`, `42/event,["welcome"]`)
		f.send("41/event,")
	}
	f.send(`40{"token":"alice"}`)
	f.expect(`40{"sid":"`, `42["early"]`) // the library by itself has them in the other order
}

// TestSocketAfterSocket: a namespace has one socket after another, and what is said
// of one is not taken for the other's.
func TestSocketAfterSocket(t *testing.T) {
	t.Run("refused, then accepted", func(t *testing.T) {
		web := serve(t, nil, func(io *Server) { guard(t, io, "/", byName()) })
		for range 20 {
			f := upgrade(t, web)
			f.send(`40{"token":"bad"}`)
			f.expect(refusalPacket("/", errBadToken))
			f.send(`40{"token":"alice"}`)
			f.expect(`40{"sid":"`)
		}
	})
	t.Run("left, and back at once", func(t *testing.T) {
		web := serve(t, nil, func(io *Server) { guard(t, io, "/", byName()) })
		f := upgrade(t, web)
		f.send(`40{"token":"alice"}`)
		f.expect(`40{"sid":"`)
		for range 100 {
			f.send("41", `40{"token":"bob"}`)
			f.expect(`40{"sid":"`)
		}
	})
	t.Run("ended, and still emitted to", func(t *testing.T) {
		sockets := make(chan *socket.Socket, 1)
		web := serve(t, nil, func(io *Server) {
			guard(t, io, "/", byName(), socketio.ByEvent())
			OnAuthenticated(io.IO(), func(s *socket.Socket, _ *socketio.Session) error { sockets <- s; return nil })
		})
		f := upgrade(t, web)
		f.send("40")
		f.expect("40")
		f.send(`42["authenticate",{"token":"alice"}]`)
		f.expect(`42["authenticated"]`)
		old := <-sockets
		SessionOf(old).End(errBadToken)
		f.expect(`421073741824["unauthorized"`, "41")
		f.send("40")
		f.expect("40")
		_ = old.Emit("secret")
		f.send(`42["authenticate",{"token":"bob"}]`)
		f.expect(`42["authenticated"]`)
	})
	t.Run("refused by us, then by another", func(t *testing.T) {
		web := serve(t, nil, func(io *Server) {
			n := 0
			io.IO().Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				if n++; n == 1 {
					next(socket.NewExtendedError("too often", nil))
					return
				}
				next(nil)
			})
			guard(t, io, "/", byName())
		})
		f := upgrade(t, web)
		f.send(`40{"token":"bad"}`)
		f.expect(refusalPacket("/", errBadToken))
		f.send(`40{"token":"alice"}`)
		f.expect(`44{"message":"too often","data":null}`)
		f.send(`40{"token":"alice"}`)
		f.expect(`40{"sid":"`)
	})
	t.Run("ended while it connects, then refused by another", func(t *testing.T) {
		for name, mode := range map[string]socketio.Option{"handshake": socketio.ByHandshake(), "event": socketio.ByEvent()} {
			t.Run(name, func(t *testing.T) {
				ended := false
				web := serve(t, nil, func(io *Server) {
					guard(t, io, "/", byName(), mode)
					io.IO().Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
						if !ended {
							ended = true
							SessionOf(s).End(errBadToken)
							next(socket.NewExtendedError("no room", nil))
							return
						}
						next(nil)
					})
				})
				f := upgrade(t, web)
				enter := func() {
					f.send(`40{"token":"alice"}`)
					if name == "event" {
						f.expect(`40{"sid":"`)
						f.send(`42["authenticate",{"token":"alice"}]`)
						f.expect(`42["authenticated"]`)
					}
				}
				enter()
				if name == "handshake" {
					f.expect(refusalPacket("/", errBadToken)) // it was not connected yet
				} else {
					f.expect(`421073741824["unauthorized"`, "41")
				}
				enter()
				if name == "handshake" {
					f.expect(`40{"sid":"`)
				}
			})
		}
	})
}

// TestRefusedAfterAccepted: a socket that a middleware first accepts and then refuses
// is disconnected.
func TestRefusedAfterAccepted(t *testing.T) {
	accepted, sessions := make(chan struct{}), make(chan *socketio.Session, 1)
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		io.IO().Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			sessions <- SessionOf(s)
			next(nil)
			<-accepted
			next(socket.NewExtendedError("no room", nil))
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect(`40{"sid":"`)
	close(accepted)
	f.expect("41")
	<-(<-sessions).Context().Done()
}
