package zishang

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestEndsInFlight: a session that ends while the library connects its socket leaves
// nothing in the way of the next.
func TestEndsInFlight(t *testing.T) {
	registry := socketio.NewRegistry(nil)
	var joined atomic.Int32
	options := socket.DefaultServerOptions()
	options.SetAdapter(&joins{then: func(socket.Namespace) {
		if joined.Add(1) == 2 { // the first is public
			for s := range registry.Sessions(socketio.Filter{}) {
				s.End(errBadToken)
			}
			time.Sleep(50 * time.Millisecond) // for an end that does not wait for the library
		}
	}})
	web := serve(t, options, func(io *Server) {
		guard(t, io, "/", byName(), socketio.WithRegistry(registry))
		public(t, io, "/public")
	})
	f := upgrade(t, web)
	f.send("40/public,")
	f.expect("40/public,")
	f.send(`40{"token":"alice"}`)
	f.expect(refusalPacket("/", errBadToken))
	f.send(`40{"token":"alice"}`)
	f.expect(`40{"sid"`)
}

// TestOldClientAgain: the sockets of a client 2.x in a namespace have one id, one after
// another, and the query of each is its own.
func TestOldClientAgain(t *testing.T) {
	t.Run("refused before", func(t *testing.T) {
		var admin socket.Namespace
		web := serve(t, withOld(), func(io *Server) {
			admin = guard(t, io, "/admin", byName())
			_ = admin.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("who", func(...any) { _ = admin.Emit("here", s.Id()) })
			})
		})
		for range 50 {
			f := upgradeOld(t, web, "")
			f.send("40/admin?token=bad,")
			f.expect("44/admin,")
			f.send("40/admin?token=alice,")
			f.expect("40/admin")
			f.send(`42/admin,["who"]`) // its answer is a broadcast, which a socket that was forgotten does not get
			f.expect(`42/admin,["here"`)
			_ = f.conn.Close()
		}
	})
	t.Run("ended before", func(t *testing.T) {
		for _, query := range []string{"", "?token=alice"} {
			web := serve(t, withOld(), func(io *Server) {
				admin := guard(t, io, "/admin", byName())
				OnAuthenticated(admin, func(s *socket.Socket, session *socketio.Session) error {
					_ = s.On("disconnecting", func(...any) { time.Sleep(20 * time.Millisecond) }) // as a slow handler
					return s.On("end", func(...any) { session.End(errBadToken) })
				})
			})
			f := upgradeOld(t, web, "&token=alice")
			for range 3 {
				f.send("40/admin" + query + ",")
				f.expect("40/admin")
				f.send(`42/admin,["end"]`)
				f.expect(`42/admin,1073741824["unauthorized"`, "41/admin")
			}
		}
	})
}

func upgradeOld(t *testing.T, web *httptest.Server, query string) *frames {
	t.Helper()
	f := dialFrames(t, web, "EIO=3"+query)
	f.expect("40")
	return f
}

// TestOnAnyAfterEnd: what is queued when a session ends is not handled.
func TestOnAnyAfterEnd(t *testing.T) {
	var late atomic.Int32
	busy, goOn, done := make(chan *socketio.Session), make(chan struct{}), make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		guard(t, io, "/", byName())
		OnAuthenticated(io.IO(), func(s *socket.Socket, session *socketio.Session) error {
			s.OnAny(func(...any) {
				if session.Context().Err() != nil {
					late.Add(1)
				}
			})
			_ = s.Once("disconnect", func(...any) { close(done) })
			return s.Once("say", func(...any) { busy <- session; <-goOn })
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	f.send(slices.Repeat([]string{`42["say"]`}, 50)...)
	f.send("40/public,") // which is answered when those are queued
	f.expect("40/public,")
	session := <-busy
	session.End(errBadToken)
	close(goOn)
	f.expect(`421073741824["unauthorized"`, "41")
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("OnAny heard %d events after the end", n)
	}
}

// TestAcknowledgementsElsewhere: a client that was refused in a guarded namespace may go on in a
// public one, however often it acknowledges.
func TestAcknowledgementsElsewhere(t *testing.T) {
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/admin", byName())
		_ = public(t, io, "/").On("connection", func(args ...any) {
			var ask func([]any, error)
			ask = func([]any, error) { args[0].(*socket.Socket).EmitWithAck("ask")(ask) }
			ask(nil, nil)
		})
	})
	f := upgrade(t, web)
	f.send(`40/admin,{"token":"bad"}`)
	f.expect(refusalPacket("/admin", errBadToken))
	f.send("40")
	f.expect("40")
	for id := range 2 * maxIdle {
		f.expect(fmt.Sprintf(`42%d["ask"]`, id))
		f.send(fmt.Sprintf(`43%d[]`, id))
	}
}

// once is an adapter that gives a session away once, as that of Redis streams does.
type once struct {
	socket.SessionAwareAdapterBuilder
}

func (o *once) New(n socket.Namespace) socket.Adapter {
	return &onceAdapter{Adapter: o.SessionAwareAdapterBuilder.New(n), kept: make(map[socket.PrivateSessionId]bool)}
}

type onceAdapter struct {
	socket.Adapter
	mu   sync.Mutex
	kept map[socket.PrivateSessionId]bool
}

func (a *onceAdapter) PersistSession(session *socket.SessionToPersist) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept[session.Pid] = true
	a.Adapter.PersistSession(session)
}

func (a *onceAdapter) RestoreSession(pid socket.PrivateSessionId, offset string) (*socket.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.kept[pid] {
		return nil, errors.New("session not found")
	}
	delete(a.kept, pid)
	return a.Adapter.RestoreSession(pid, offset)
}

// TestRecoveryIsNotUsedUp: a session is there for the next attempt when a socket that
// came to recover it has not authenticated, no matter which function refused it, and
// whatever adapter keeps it.
func TestRecoveryIsNotUsedUp(t *testing.T) {
	for name, adapter := range map[string]socket.AdapterConstructor{"the library's adapter": nil, "one that gives once": &once{}} {
		t.Run(name, func(t *testing.T) {
			options := socket.DefaultServerOptions()
			options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
			if adapter != nil {
				options.SetAdapter(adapter)
			}
			gone, recovered := make(chan struct{}, 1), make(chan bool, 1)
			web := serve(t, options, func(io *Server) {
				guard(t, io, "/", byName(), socketio.ByEvent())
				io.IO().Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					_ = s.Once("disconnect", func(...any) { gone <- struct{}{} })
					next(nil)
				})
				OnAuthenticated(io.IO(), func(s *socket.Socket, _ *socketio.Session) error {
					recovered <- s.Recovered()
					return s.Emit("welcome")
				})
			})
			f := upgrade(t, web)
			f.send("40")
			var names struct{ Sid, Pid string }
			_ = json.Unmarshal([]byte(f.next()[2:]), &names)
			f.send(`42["authenticate",{"token":"alice"}]`)
			f.expect(`42["authenticated"]`)
			var welcome []string
			if err := json.Unmarshal([]byte(f.next()[2:]), &welcome); err != nil || <-recovered {
				t.Fatal(welcome, err)
			}
			_ = f.conn.Close()
			<-gone
			again := fmt.Sprintf(`40{"pid":%q,"offset":%q}`, names.Pid, welcome[1])
			present := func(want string) *frames {
				t.Helper()
				f := upgrade(t, web)
				for range 100 { // until the library has forgotten the one before
					f.send(again)
					if got := f.next(); strings.HasPrefix(got, want) {
						return f
					}
					f.send("41")
					time.Sleep(10 * time.Millisecond)
				}
				t.Fatalf("never came %s", want)
				return nil
			}
			old := `40{"sid":"` + names.Sid
			_ = present(old).conn.Close()
			present(old).send("41")
			f = present(old)
			f.send(`42["authenticate",{"token":"alice"}]`)
			f.expect(`42["authenticated"]`)
			if !<-recovered {
				t.Error("it was not recovered")
			}
			f = upgrade(t, web)
			f.send(again)
			if got := f.next(); strings.HasPrefix(got, old) {
				t.Error("it was recovered twice")
			}
		})
	}
}

// TestApplicationDisconnects: when the application disconnects a socket, the client may
// come back at once, and what it has sent meanwhile does not cost it the connection.
func TestApplicationDisconnects(t *testing.T) {
	read := make(chan struct{}, 100) // for each event: at the end of the test nobody may be left to take it
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		_ = io.IO().On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("leave", func(...any) { s.Disconnect(false) })
			_ = s.On("linger", func(...any) {
				_ = s.On("disconnecting", func(...any) {
					select {
					case <-read:
					case <-t.Context().Done(): // the server is closed before the library has forgotten it
					}
				})
				s.Disconnect(false)
			})
		})
		_ = public(t, io, "/public").On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("read", func(...any) { read <- struct{}{} })
		})
	})
	for range 10 {
		f := upgrade(t, web)
		f.send("40/public,")
		f.expect("40/public,")
		come := func() {
			t.Helper()
			f.send(`40{"token":"alice"}`)
			for got := f.next(); !strings.HasPrefix(got, `40{"sid"`); got = f.next() {
				if got != "41" {
					t.Fatalf("got %s", got)
				}
			}
		}
		come()
		for range 10 { // both leave
			f.send(`42["leave"]`, "41")
			come()
		}
		for range 10 {
			f.send(`42["linger"]`)
			f.expect("41") // and the library is yet to forget it
			f.send(`42["late"]`, `42/public,["read"]`)
			come()
		}
	}
}
