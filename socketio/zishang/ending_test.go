package zishang

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestEndDuringEvents: when a session ends while its client is sending, the client
// is told, and keeps its other namespaces. The library by itself closes the
// connection if it meets an event of a socket that has just been disconnected.
func TestEndDuringEvents(t *testing.T) {
	heard := make(chan *socketio.Session, 1) // from a session, for the first time
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		_ = io.IO().On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("still there?", func(...any) { _ = s.Emit("yes") })
		})
		admin := guard(t, io, "/admin", byName())
		OnAuthenticated(admin, func(s *socket.Socket, session *socketio.Session) error {
			var once sync.Once
			return s.On("say", func(...any) { once.Do(func() { heard <- session }) })
		})
	})
	const auth = `{"token":"alice"}`
	for name, event := range map[string][]string{
		"text":       {`42/admin,["say"]`},
		"attachment": {`451-/admin,["say",{"_placeholder":true,"num":0}]`, "bAAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			events := slices.Repeat(event, 300)
			for range 100 {
				c := dial(t, web)
				c.send("40" + auth)
				c.connected("/")
				c.send("40/admin," + auth)
				c.connected("/admin")
				var sending sync.WaitGroup
				sending.Go(func() { c.send(events...) })
				(<-heard).End(errBadToken)
				if got := c.next(); !strings.HasPrefix(got, `42/admin,1073741824["unauthorized"`) {
					t.Fatalf("got %s", got)
				}
				c.expect("41/admin,")
				sending.Wait()
				c.send(`42["still there?"]`)
				c.expect(`42["yes"]`)
				c.send("1")
			}
		})
	}
}

// TestEndWithheld: a client that keeps the attachment of an event to itself when
// its session ends gains nothing by it: what it sent before is not handled any
// more, and its socket is neither kept nor recovered.
func TestEndWithheld(t *testing.T) {
	type seen struct {
		session *socketio.Session
		socket  *socket.Socket
	}
	came, heard, reasons := make(chan seen, 1), make(chan struct{}, 1000), make(chan any, 1)
	var ended atomic.Bool
	var late atomic.Int32
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	web := serve(t, options, func(io *Server) {
		guard(t, io, "/", byName())
		OnAuthenticated(io.IO(), func(s *socket.Socket, session *socketio.Session) error {
			s.Join("secret")
			_ = s.Emit("welcome")
			_ = s.On("disconnect", func(args ...any) { reasons <- args[0] })
			came <- seen{session, s}
			return s.On("say", func(...any) {
				if ended.Load() {
					late.Add(1)
				}
				heard <- struct{}{}
				time.Sleep(time.Millisecond)
			})
		})
	})
	c := dial(t, web)
	c.send(`40{"token":"alice"}`)
	var names struct{ Sid, Pid string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(c.next(), "40")), &names); err != nil {
		t.Fatal(err)
	}
	var welcome []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(c.next(), "42")), &welcome); err != nil {
		t.Fatal(err)
	}
	first := <-came
	c.send(append(slices.Repeat([]string{`42["say"]`}, 300), `451-["say",{"_placeholder":true,"num":0}]`)...)
	<-heard
	first.session.End(errBadToken)
	ended.Store(true)
	if got := c.next(); !strings.HasPrefix(got, `421073741824["unauthorized"`) {
		t.Fatalf("got %s", got)
	}
	c.expect("41")
	_ = c.post("1")
	if reason := <-reasons; reason != "server namespace disconnect" && reason != "transport close" {
		t.Errorf("it is disconnected: %v", reason)
	}
	if n := late.Load(); n > 1 { // one may be in flight
		t.Errorf("%d events were handled after the end", n)
	}
	again := dial(t, web)
	again.send(fmt.Sprintf(`40{"token":"alice","pid":%q,"offset":%q}`, names.Pid, welcome[1]))
	again.connected("/")
	if second := <-came; second.socket.Recovered() || second.socket.Id() == first.socket.Id() {
		t.Error("the session was recovered")
	}
}

// TestTwiceAtOnce: a client that authenticates twice without waiting does not meet
// the moment in which the library has yet to learn of its socket.
func TestTwiceAtOnce(t *testing.T) {
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName(), socketio.ByEvent())
	})
	const authenticate = `42["authenticate",{"token":"alice"}]`
	for range 200 {
		c := dial(t, web)
		c.send("40")
		c.connected("/")
		c.send(slices.Repeat([]string{authenticate}, 3)...)
		for range 3 {
			c.expect(`42["authenticated"]`)
		}
		c.send("1")
	}
}
