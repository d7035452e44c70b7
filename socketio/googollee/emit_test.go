package googollee_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// askingServer has a handler that asks its own client, and hands out its sockets.
func askingServer(t *testing.T) (*server, chan *googollee.Conn) {
	conns := make(chan *googollee.Conn, 2)
	return serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
			conns <- c
			s.note("hello " + subject(c))
			return nil
		})
		s.OnDisconnect(func(c *googollee.Conn, _ string) { s.note("left " + subject(c)) })
		s.OnEvent("ask", func(c *googollee.Conn) (any, error) {
			p, err := c.EmitWithAck(t.Context(), "question", 1)
			if err != nil {
				return nil, err
			}
			return p.Value()
		})
	}), conns
}

// TestEmitWithAck: a handler waits for its own client's acknowledgement, and for its
// first value.
func TestEmitWithAck(t *testing.T) {
	s, conns := askingServer(t)
	ws := s.join("alice")
	ws.write(`421["ask"]`)
	ws.read(`421073741825["question",1]`)
	ws.write(`461-1073741825[{"_placeholder":true,"num":0},"ignored"]`, "b4AQID")
	ws.read(`431["AQID",null]`)
	ws.write(`422["ask"]`)
	ws.read(`421073741826["question",1]`)
	ws.write(`431073741826[]`, `431073741826["twice"]`)
	ws.read(`432[null,null]`)
	if _, err := (<-conns).EmitWithAck(t.Context(), "x", make(chan int)); err == nil || !strings.Contains(err.Error(), "unsupported type") {
		t.Errorf("got %v, expected an error of the encoder", err)
	}
	ws.Websocket.Close()
	s.want("left alice")
}

// TestEmitWithAckUnanswered: the caller gets an error when the time is up or the client
// disconnects. Neither leaves anything behind.
func TestEmitWithAckUnanswered(t *testing.T) {
	s, conns := askingServer(t)
	ws := s.join("alice")
	c := <-conns
	go func() {
		for {
			if _, err := ws.Read(); err != nil {
				return
			}
		}
	}()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5000 { // more than a client may owe
		if _, err := c.EmitWithAck(ended, "unanswered"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, expected that the context was cancelled", err)
		}
	}
	for range 5000 {
		var missing *cluster.MissingError
		if _, err := s.To().EmitWithAck(ended, "unanswered"); !errors.As(err, &missing) {
			t.Fatalf("got %v, expected a MissingError", err)
		}
	}
	gone := make(chan error)
	go func() {
		_, err := c.EmitWithAck(context.Background(), "last")
		gone <- err
	}()
	ws.Websocket.Close()
	if err := <-gone; !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("got %v, expected ErrDisconnected", err)
	}
	s.want("left alice")
	if _, err := c.EmitWithAck(context.Background(), "late"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("got %v, expected ErrDisconnected", err)
	}
}

// TestEmitWithAckOwed: the server does not ask a client that owes thousands of
// acknowledgements.
func TestEmitWithAckOwed(t *testing.T) {
	s, conns := askingServer(t)
	ws := s.join("alice")
	c := <-conns
	go ws.rest()
	for range 4096 {
		c.Emit("owed", func() {})
	}
	if _, err := c.EmitWithAck(t.Context(), "one more"); err == nil || !strings.Contains(err.Error(), "owes too many") {
		t.Errorf("got %v", err)
	}
}

// TestVolatile: a volatile event reaches a client that waits for one, and is lost on a
// client that does not poll.
func TestVolatile(t *testing.T) {
	conns := make(chan *googollee.Conn, 1)
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error { conns <- c; return nil })
	}, socketio.ByHandshake())
	p := s.poll("alice")
	c := <-conns
	c.EmitVolatile("lost")
	s.To().Volatile().Emit("lost")
	_, err := s.To().Volatile().EmitWithAck(t.Context(), "lost") // of nobody
	if err != nil {
		t.Error(err)
	}
	c.Emit("kept")
	if r := request(t, func() (rawclient.Reply, error) { return p.Get(t.Context()) }); r.Body != `10:42["kept"]` {
		t.Errorf("got %s", r.Body)
	}
	for name, emit := range map[string]func(){
		"conn":      func() { c.EmitVolatile("now") },
		"broadcast": func() { s.To().Volatile().Emit("now") },
	} {
		got := make(chan string)
		go func() {
			r, err := p.Get(t.Context())
			if err != nil {
				r.Body = err.Error()
			}
			got <- r.Body
		}()
		body := ""
		s.eventually("no volatile event arrives: "+name, func() bool {
			emit() // lost until the poll hangs
			select {
			case body = <-got:
				return true
			default:
				return false
			}
		})
		if body != `9:42["now"]` {
			t.Errorf("%s: got %s", name, body)
		}
	}
}

// TestAskAllInHandler: a handler that asks all clients hears its own client's answer too.
func TestAskAllInHandler(t *testing.T) {
	result := make(chan error, 1)
	s := serve(t, nil, func(s *server) {
		s.OnEvent("ask", func(*googollee.Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			answers, err := s.Namespace.To().EmitWithAck(ctx, "question")
			if err == nil && (len(answers) != 1 || string(answers[0].JSON) != `"yes"`) {
				err = fmt.Errorf("got %v", answers)
			}
			result <- err
		})
	})
	ws := s.join("alice")
	ws.write(`42["ask"]`)
	packet, err := ws.Read()
	id, _, found := strings.Cut(strings.TrimPrefix(packet, "42"), `["question"]`)
	if err != nil || !found {
		t.Fatalf("got %q, %v", packet, err)
	}
	ws.write("43" + id + `["yes"]`)
	if err := <-result; err != nil {
		t.Error(err)
	}
}
