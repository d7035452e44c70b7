package sockettest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
)

// signedIn returns a client of a server with these handlers, options and claims of ada's.
func signedIn(t *testing.T, handlers func(*sockettest.Server), options ...socketio.Option) *sockettest.Client {
	t.Helper()
	server := sockettest.NewServer(as(map[string]any{"sub": "ada"}), options...)
	handlers(server)
	c := server.Connect(nil)
	c.Authenticate("whatever")
	saw(t, c, "connect authenticated")
	return c
}

// TestHandlerAcknowledges: the results of a handler are the acknowledgement, if the client
// asks for it, and the arguments are decoded as the handler's parameters.
func TestHandlerAcknowledges(t *testing.T) {
	type lot struct {
		Name string `json:"name"`
	}
	synctest.Test(t, func(t *testing.T) {
		c := signedIn(t, func(s *sockettest.Server) {
			s.OnEvent("pair", func(_ *sockettest.Conn, l lot, n *int) (string, int) { return l.Name, *n })
			s.OnEvent("none", func(*sockettest.Conn) {})
			s.OnEvent("nil", func(*sockettest.Conn) error { return nil })
			s.OnEvent("sum", func(_ *sockettest.Conn, first string, more ...int) string { return first + fmt.Sprint(more) })
			s.OnEvent("any", func(_ interface{ ID() string }, v any) any { return v })
			s.OnEvent("slow", func(*sockettest.Conn) string { time.Sleep(time.Hour); return "at last" })
			s.OnEvent("write", func(*sockettest.Conn) string { return "written" })
		}, socketio.Allow("write", socketio.Scope("w")))
		c.Emit("pair", lot{"a"}, 1)
		saw(t, c, "")
		c.EmitWithAck("pair", lot{"a"}, 1, "ignored")
		c.EmitWithAck("none")
		c.EmitWithAck("nil")
		c.EmitWithAck("sum")
		c.EmitWithAck("sum", "n", 1, 2)
		c.EmitWithAck("any", map[string]any{"a": nil})
		c.EmitWithAck("any")
		c.EmitWithAck("nobody handles this")
		saw(t, c, `ack "a" 1 ack null ack "[]" ack "n[1 2]" ack {"a":null} ack null`)
		c.EmitWithAck("write")
		refused := c.Received()
		if len(refused) != 1 || refused[0].String() != "ack insufficient_scope" || refused[0].Refusal().Code != "insufficient_scope" {
			t.Errorf("the refusal is %v", refused)
		}
		c.EmitWithAck("slow")
		c.EmitWithAck("sum", "behind it")
		saw(t, c, "")
		time.Sleep(time.Hour)
		saw(t, c, `ack "at last" ack "behind it[]"`)
		c.EmitWithAck("slow")
		c.Disconnect()
		time.Sleep(time.Hour)
		saw(t, c, "disconnect")
	})
}

// TestNoAcknowledgement: before authentication, and for what guests may not send, nothing
// is handled and nothing acknowledged.
func TestNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sockettest.NewServer(as(map[string]any{"sub": "ada"}), socketio.Optional())
		s.OnEvent("user", func(*sockettest.Conn) string { return "handled" })
		s.OnGuestEvent("guest", func(*sockettest.Conn) string { return "handled" })
		c := s.Connect(nil)
		c.EmitWithAck("user")
		c.EmitWithAck("guest")
		saw(t, c, `connect ack "handled"`)
		c.Vanish()
		c.EmitWithAck("guest")
		saw(t, c, "")
	})
}

// TestServerAsks: what the handler gets that asks the client: an answer, none in time, or
// the end of the socket.
func TestServerAsks(t *testing.T) {
	const patience = time.Minute
	for name, test := range map[string]struct {
		client func(c *sockettest.Client)
		answer string
		err    error
		takes  time.Duration
	}{
		"answers":           {func(c *sockettest.Client) { c.Acknowledge("ask", "yes", "ignored") }, `"yes"`, nil, 0},
		"answers nothing":   {func(c *sockettest.Client) { c.Acknowledge("ask") }, "null", nil, 0},
		"answers later":     {func(c *sockettest.Client) { time.Sleep(patience - 1); c.Acknowledge("ask", 1) }, "1", nil, patience - 1},
		"answers too late":  {func(c *sockettest.Client) { time.Sleep(patience); c.Acknowledge("ask", 1) }, "", context.DeadlineExceeded, patience},
		"answers otherwise": {func(c *sockettest.Client) { c.Acknowledge("other", 1); time.Sleep(patience) }, "", context.DeadlineExceeded, patience},
		"vanishes":          {func(c *sockettest.Client) { c.Vanish(); c.Acknowledge("ask", 1); time.Sleep(patience) }, "", context.DeadlineExceeded, patience},
		"leaves":            {func(c *sockettest.Client) { c.Disconnect(); c.Acknowledge("ask", 1) }, "", socketio.ErrDisconnected, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answer string
				var err error
				began, took := time.Now(), time.Duration(-1)
				c := signedIn(t, func(s *sockettest.Server) {
					s.OnEvent("start", func(c *sockettest.Conn) {
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						defer cancel()
						p, failed := c.EmitWithAck(ctx, "ask")
						answer, err, took = string(p.JSON), failed, time.Since(began)
					})
				})
				c.Emit("start")
				if seen := c.Received(); len(seen) != 1 || seen[0].Name != "ask" || !seen[0].WantsAck {
					t.Fatalf("the client saw %v", seen)
				}
				test.client(c)
				synctest.Wait()
				if answer != test.answer || !errors.Is(err, test.err) || took != test.takes {
					t.Errorf("the handler has %s, %v after %v", answer, err, took)
				}
			})
		})
	}
}

// TestServerAsksByFunction: a function as the last argument gets the answer, in its turn
// among the client's events.
func TestServerAsksByFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := signedIn(t, func(s *sockettest.Server) {
			s.OnEvent("start", func(c *sockettest.Conn, n int) {
				c.Emit("ask", n, func(text string, number int) { c.Emit("answered", n, text, number) })
			})
			s.OnEvent("slow", func(*sockettest.Conn) { time.Sleep(time.Hour) })
		})
		c.Emit("start", 1)
		c.Emit("start", 2)
		c.Emit("slow")
		c.Acknowledge("ask", "one", 1)
		saw(t, c, "ask 1 ask 2")
		time.Sleep(time.Hour)
		c.Acknowledge("ask", "two")
		c.Acknowledge("ask", "nobody asks")
		saw(t, c, `answered 1 "one" 1 answered 2 "two" 0`)
		c.Emit("start", 3)
		c.Disconnect()
		c.Acknowledge("ask", "three")
		saw(t, c, "ask 3 disconnect")
	})
}

// TestNotOpen: a socket that has not authenticated, or has ended, asks nothing.
func TestNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conn *sockettest.Conn
		c := signedIn(t, func(s *sockettest.Server) {
			s.OnEvent("keep", func(c *sockettest.Conn) { conn = c })
		})
		c.Emit("keep")
		c.Disconnect()
		if _, err := conn.EmitWithAck(t.Context(), "ask"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("EmitWithAck: %v", err)
		}
		conn.Emit("ask", func() { t.Error("acknowledged") })
		c.Acknowledge("ask")
		saw(t, c, "disconnect")
	})
}

// TestHandlers: a function that cannot be a handler is a mistake in the test.
func TestHandlers(t *testing.T) {
	s := sockettest.NewServer(as(nil))
	for name, f := range map[string]any{
		"nil": nil, "no function": 1, "nil function": (func(*sockettest.Conn))(nil), "no parameter": func() {}, "another first": func(string, *sockettest.Conn) {}, "only variadic": func(...any) {},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, `sockettest: the handler of "x" must be a func(*sockettest.Conn, ...), not `) {
					t.Errorf("the panic is %q", got)
				}
			}()
			s.OnEvent("x", f)
		})
	}
}
