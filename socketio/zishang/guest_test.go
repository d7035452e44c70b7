package zishang

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestMiddlewareAfterGuest: a middleware that comes after ours may take its time
// over a guest, and end other sessions of the connection meanwhile.
func TestMiddlewareAfterGuest(t *testing.T) {
	root := make(chan *socketio.Session, 1)
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		OnAuthenticated(io.IO(), func(_ *socket.Socket, s *socketio.Session) error { root <- s; return nil })
		admin := guard(t, io, "/admin", byName(), socketio.Optional())
		admin.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			(<-root).End(errBadToken)
			next(nil)
		})
	})
	c := dial(t, web)
	c.http.Timeout = 10 * time.Second
	c.send(`40{"token":"alice"}`)
	c.connected("/")
	c.send("40/admin,")
	for _, prefix := range []string{"421073741824[", "41", "40/admin,"} {
		if got := c.next(); len(got) < len(prefix) || got[:len(prefix)] != prefix {
			t.Fatalf("got %s, want %s", got, prefix)
		}
	}
}

// TestNextAfterGuest: a middleware of the socket calls next when the guest, who sent the
// event, has authenticated. The event is not handled as the user's. The same for an event
// of the user is.
func TestNextAfterGuest(t *testing.T) {
	nexts, handled := make(chan func(error), 9), make(chan string, 9)
	sockets := make(chan *socket.Socket, 1)
	web := serve(t, nil, func(server *Server) {
		n := guard(t, server, "/", byName(), socketio.Optional())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			s.Use(func(event []any, next func(error)) {
				if event[0] == "quick" {
					next(nil)
					return
				}
				nexts <- next
			})
			for _, name := range []string{"slow", "quick", "empty", "error"} {
				_ = s.On(name, func(args ...any) { handled <- fmt.Sprint(name, args) })
			}
			sockets <- s
		})
	})
	f := upgrade(t, web)
	f.send("40")
	f.expect("40")
	s := <-sockets
	finish := func(next func(error), err error) []string {
		t.Helper()
		done := make(chan struct{})
		next(err)
		s.Enqueue(func() { close(done) }) // behind the listeners
		<-done
		var got []string
		for len(handled) > 0 {
			got = append(got, <-handled)
		}
		return got
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("handled %q, want %q", got, want)
		}
	}

	f.send(`42["slow",1]`, `42["slow",2]`, `42["empty"]`)
	asGuest, stale, empty := <-nexts, <-nexts, <-nexts
	expect(finish(asGuest, nil), "slow[1]")
	f.send(`42["authenticate",{"token":"alice"}]`)
	f.expect(`42["authenticated"]`)
	f.send(`42["slow",2]`, `42["slow",3]`, `42["quick","q"]`)
	second, third := <-nexts, <-nexts
	if got := <-handled; got != "quick[q]" {
		t.Errorf("handled %q", got)
	}
	expect(finish(stale, nil))
	expect(finish(empty, nil))
	expect(finish(third, nil), "slow[3]")
	expect(finish(second, nil), "slow[2]")
	f.send(`42["slow",4]`)
	expect(finish(<-nexts, io.ErrUnexpectedEOF), "error[unexpected EOF]")
}
