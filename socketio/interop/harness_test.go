package interop

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	gosio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// These tests drive go-socket.io as it is, without any of our code, so that a
// failure below them is the harness's. Websocket only: over polling the library
// loses requests by itself.

func stockServer(t *testing.T) string {
	t.Helper()
	server := gosio.NewServer(nil)
	server.OnConnect("/", func(gosio.Conn) error { return nil })
	server.OnDisconnect("/", func(gosio.Conn, string) {})
	server.OnError("/", func(gosio.Conn, error) {})
	server.OnConnect("/admin", func(c gosio.Conn) error {
		go c.Emit("url", c.URL().RawQuery)
		return nil
	})
	server.OnEvent("/", "authenticate", func(c gosio.Conn, v map[string]string) {
		if v["token"] != "good" {
			c.Emit("unauthorized", map[string]any{"message": "bad token"}, func() { c.Emit("acknowledged") })
			return
		}
		c.Emit("authenticated")
	})
	server.OnEvent("/", "echo", func(_ gosio.Conn, v any) any { return v })
	server.OnEvent("/", "length", func(_ gosio.Conn, text string) int { return len(text) })
	server.OnEvent("/", "start", func(c gosio.Conn, n int) {
		go func() {
			for i := range n {
				c.Emit("tick", i)
			}
		}()
	})
	server.OnEvent("/", "query", func(c gosio.Conn) string {
		u := c.URL()
		return u.Query().Get("token")
	})
	server.OnEvent("/", "leave", func(c gosio.Conn) { c.Close() })
	go server.Serve()
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		server.Close()
	})
	return web.URL
}

func stockClients(t *testing.T, test func(t *testing.T, d *jsclient.Driver, o jsclient.Options)) {
	d := jsclient.Start(t)
	url := stockServer(t)
	for _, version := range []jsclient.Version{jsclient.V1, jsclient.V2} {
		t.Run(string(version), func(t *testing.T) {
			test(t, d, jsclient.Options{Version: version, URL: url, Transports: jsclient.Websocket})
		})
	}
}

func TestHarnessEvents(t *testing.T) {
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		c := d.Connect(t, o)
		c.ExpectNext(t, "connect")
		if s := c.State(t); !s.Connected || s.Transport != "websocket" || s.Engine != "open" || s.Reconnecting || s.SID == "" {
			t.Errorf("state %+v", s)
		}
		c.Emit(t, "authenticate", map[string]string{"token": "good"})
		if e := c.ExpectNext(t, "authenticated"); e.JSON() != "[]" || e.WantsAck() {
			t.Errorf("got %s", e)
		}
		if args := c.EmitAck(t, "echo", "grüß dich ☃").Wait(t); len(args) != 1 || string(args[0]) != `"grüß dich ☃"` {
			t.Errorf("echo answered %s", args)
		}
		lost := c.EmitAck(t, "nobody listens")
		c.ExpectNone(t, "authenticated twice", "disconnect", "error")
		if lost.Answered() {
			t.Error("an event without a handler was acknowledged")
		}
		c.Emit(t, "leave")
		if e := c.ExpectNext(t, "disconnect"); !strings.HasPrefix(e.JSON(), `["`) {
			t.Errorf("got %s", e)
		}
		c.Close(t)
		c.Close(t)
		if s := d.Stats(t); s.Clients != 0 {
			t.Errorf("%d clients are left", s.Clients)
		}
	})
}

func TestHarnessAcknowledgesServer(t *testing.T) {
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		o.OnConnect = []jsclient.Emission{{Event: "authenticate", Args: []any{map[string]string{"token": "bad"}}}}
		c := d.Connect(t, o)
		e := c.Expect(t, "unauthorized")
		if want := jsclient.Canonical(`[{"message": "bad token"}]`); e.JSON() != want || !e.WantsAck() {
			t.Fatalf("got %s, want %s with an acknowledgement", e, want)
		}
		c.ExpectNone(t, "acknowledged")
		e.Ack(t)
		c.Expect(t, "acknowledged")
	})
}

func TestHarnessNamespaces(t *testing.T) {
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		o.Multiplex = true
		root := d.Connect(t, o)
		root.Expect(t, "connect")
		o.Namespace = "/admin"
		admin := d.Connect(t, o)
		admin.Expect(t, "connect")
		if root.State(t).SID != admin.State(t).SID {
			t.Error("the two clients do not share a connection")
		}
		admin.Close(t)
		root.Barrier(t)
		root.Close(t)

		o.Multiplex = false
		o.Namespace = "/admin?token=x"
		c := d.Connect(t, o)
		c.Expect(t, "connect")
		if e := c.Expect(t, "url"); !strings.Contains(e.JSON(), "token=x") {
			t.Errorf("the server saw the query %s", e)
		}
	})
}

func TestHarnessReconnects(t *testing.T) {
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		o.Query = map[string]string{"token": "old"}
		o.Extra = map[string]any{"reconnectionDelay": 10}
		c := d.Connect(t, o)
		c.Expect(t, "connect")
		if args := c.EmitAck(t, "query").Wait(t); string(args[0]) != `"old"` {
			t.Errorf("the server saw the token %s", args)
		}
		first := c.State(t).SID
		c.Present(t, nil, map[string]string{"token": "new"})
		c.Drop(t)
		c.Expect(t, "disconnect")
		c.Expect(t, "reconnect_attempt")
		c.Expect(t, "connect")
		if args := c.EmitAck(t, "query").Wait(t); string(args[0]) != `"new"` {
			t.Errorf("the server saw the token %s", args)
		}
		if c.State(t).SID == first {
			t.Error("the connection is the old one")
		}
	})
}

func TestHarnessBinary(t *testing.T) {
	data := bytes.Repeat([]byte{0, 1, 254, 255}, 100)
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		server := gosio.NewServer(nil)
		got := make(chan []byte, 1)
		server.OnConnect("/", func(gosio.Conn) error { return nil })
		server.OnEvent("/", "file", func(_ gosio.Conn, v map[string]*parser.Buffer) { got <- v["data"].Data })
		go server.Serve()
		web := httptest.NewServer(server)
		defer web.Close()
		defer server.Close()
		o.URL = web.URL
		c := d.Connect(t, o)
		c.Expect(t, "connect")
		c.Emit(t, "file", map[string]any{"data": jsclient.Binary(data)})
		if !bytes.Equal(<-got, data) {
			t.Error("the bytes differ")
		}
	})
}

func TestHarnessModernClientAgainstStockServer(t *testing.T) {
	d := jsclient.Start(t)
	c := d.Connect(t, jsclient.Options{Version: jsclient.V4, URL: stockServer(t), Transports: jsclient.Websocket})
	e := c.Expect(t, "connect_error")
	var err struct {
		Name    string `json:"$error"`
		Message string `json:"message"`
	}
	e.Decode(t, 0, &err)
	const want = "It seems you are trying to reach a Socket.IO server in v2.x with a v3.x client"
	if err.Name != "Error" || !strings.HasPrefix(err.Message, want) {
		t.Errorf("got %s, want an Error: %s...", e, want)
	}
	if c.Saw("connect") {
		t.Errorf("connected\n%s", c.Log())
	}
}

func TestHarnessStorm(t *testing.T) {
	stockClients(t, func(t *testing.T, d *jsclient.Driver, o jsclient.Options) {
		const n = 60
		base := jsclient.Storm{Options: o, N: n, Concurrency: 10}

		t.Run("events", func(t *testing.T) {
			s := base
			s.Tokens, s.Authenticate, s.RoundTrip = []string{"good"}, true, "echo"
			r := d.Storm(t, s)
			if r.OK != n || r.Failed() != 0 || r.Transports["websocket"] != n {
				t.Errorf("%s %+v", r, r.Samples)
			}
		})
		t.Run("failures by reason", func(t *testing.T) {
			s := base
			s.Tokens, s.Authenticate = []string{"good", "bad", "bad"}, true
			r := d.Storm(t, s)
			if want := `unauthorized: {"message":"bad token"}`; r.OK != n/3 || r.Failures[want] != n-n/3 || len(r.Failures) != 1 {
				t.Errorf("%s", r)
			}
		})
		t.Run("traffic", func(t *testing.T) {
			s := base
			s.Tokens, s.Authenticate = []string{"good"}, true
			s.Traffic = &jsclient.Traffic{Start: "start", Down: "tick", Downs: 100, Up: "echo", Ups: 20}
			r := d.Storm(t, s)
			if r.OK != n {
				t.Errorf("%s %+v", r, r.Samples)
			}
		})
		t.Run("held", func(t *testing.T) {
			s := base
			s.Hold = fmt.Sprint("held by ", t.Name())
			if r := d.Storm(t, s); r.OK != n {
				t.Errorf("%s", r)
			}
			if got := d.Stats(t).Held; got != n {
				t.Errorf("%d are held, want %d", got, n)
			}
			if got := d.Release(t, s.Hold); got != n {
				t.Errorf("%d were released, want %d", got, n)
			}
		})
		t.Run("accepted although a refusal is expected", func(t *testing.T) {
			s := base
			s.Refused = true
			if r := d.Storm(t, s); r.Failures["connected instead of being refused"] != n {
				t.Errorf("%s", r)
			}
		})
	})
}
