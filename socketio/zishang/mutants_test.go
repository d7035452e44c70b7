package zishang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Tests of lines that could be broken without any other test noticing.

// TestUpgraded: the application learns whether a client has come from polling to a
// websocket.
func TestUpgraded(t *testing.T) {
	web := serve(t, nil, func(io *Server) {
		n := guard(t, io, "/", byName())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("upgraded?", func(...any) { _ = s.Emit("upgraded", s.Conn().Upgraded()) })
		})
	})
	const ask, no, yes = `42["upgraded?"]`, `42["upgraded",false]`, `42["upgraded",true]`
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	f.send(ask)
	f.expect(no)

	c := dial(t, web)
	c.send(`40{"token":"alice"}`)
	c.connected("/")
	c.send(ask)
	c.expect(no)
	conn, response, err := websocket.DefaultDialer.Dial(strings.Replace(strings.Replace(c.url, "http", "ws", 1), "polling", "websocket", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	f = &frames{t, conn}
	f.send("2probe")
	f.expect("3probe")
	f.send("5", ask)
	f.expect(yes)
}

// TestNamesOfVisits: the sockets of a client 2.x that enters a namespace again have
// different ids, or what is sent to the room of one would reach the other.
func TestNamesOfVisits(t *testing.T) {
	web := serve(t, withOld(), func(io *Server) {
		public(t, io, "/")
		n := public(t, io, "/chat")
		_ = n.On("connection", func(args ...any) { s := args[0].(*socket.Socket); _ = s.Emit("id", s.Id()) })
	})
	f := upgradeOld(t, web, "")
	visit := func() string {
		f.send("40/chat,")
		f.expect("40/chat")
		id := f.next()
		f.send("41/chat,")
		return id
	}
	if first, second := visit(), visit(); first == second || !strings.HasPrefix(first, `42/chat,["id"`) {
		t.Errorf("the visits have the ids %s and %s", first, second)
	}
}

// TestHandlersAfterFailure: where a handler of OnAuthenticated fails, those that were added
// later do not run.
func TestHandlersAfterFailure(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("failed") },
		"panic": func() error { panic("a bug in the application") },
	} {
		t.Run(name, func(t *testing.T) {
			var later atomic.Int32
			web := serve(t, nil, func(io *Server) {
				n := guard(t, io, "/", byName())
				OnAuthenticated(n, func(*socket.Socket, *socketio.Session) error { return fail() })
				OnAuthenticated(n, func(*socket.Socket, *socketio.Session) error { later.Add(1); return nil })
			})
			f := upgrade(t, web)
			f.send(`40{"token":"alice"}`)
			f.expect("40", `421073741824["unauthorized"`)
			if later.Load() > 0 {
				t.Error("a later handler ran")
			}
		})
	}
}

// TestAttemptOfGuestComesLast: a token is not looked at before what its client sent as a
// guest is handled: one that is refused does not take it back.
func TestAttemptOfGuestComesLast(t *testing.T) {
	steps, started, goOn := make(chan string, 9), make(chan struct{}, 9), make(chan struct{})
	auth := socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
		steps <- "attempt"
		return nil, errBadToken
	})
	web := serve(t, nil, func(io *Server) {
		public(t, io, "/public")
		n := guard(t, io, "/", auth, socketio.Optional(), socketio.ByEvent())
		_ = n.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("say", func(args ...any) {
				started <- struct{}{}
				<-goOn
				steps <- fmt.Sprint(args...)
			})
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	f.send(`42["say","a"]`)
	<-started
	f.send(`42["say","b"]`, `42["authenticate",{"token":"x"}]`, "40/public,")
	f.expect("40/public,") // behind the attempt
	close(goOn)
	heard(t, f, "42", `["unauthorized"`)
	for _, want := range []string{"a", "b", "attempt"} {
		if got := <-steps; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestEndedIsNotRecovered: a session that the server ended in a handler of "connection"
// cannot be recovered by a client that leaves before it is disconnected.
func TestEndedIsNotRecovered(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	gone, recovered := make(chan struct{}, 9), make(chan bool, 9)
	web := serveDelayed(t, options, time.Hour, func(io *Server) {
		n := guard(t, io, "/", byName())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			recovered <- s.Recovered()
			_ = s.On("disconnect", func(...any) { gone <- struct{}{} })
			_ = s.Emit("welcome")
			SessionOf(s).End(nil)
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	var names struct{ Pid string }
	_ = json.Unmarshal([]byte(f.next()[2:]), &names)
	var welcome []string
	if err := json.Unmarshal([]byte(f.next()[2:]), &welcome); err != nil || len(welcome) != 2 || names.Pid == "" {
		t.Fatal(names, welcome, err)
	}
	f.expect(`421073741824["unauthorized"`)
	_ = f.conn.Close()
	<-gone
	f = upgrade(t, web)
	f.send(fmt.Sprintf(`40{"token":"alice","pid":%q,"offset":%q}`, names.Pid, welcome[1]))
	f.expect("40")
	if <-recovered {
		t.Error("the first session was recovered")
	}
	if <-recovered {
		t.Error("the session that was ended was recovered")
	}
}
