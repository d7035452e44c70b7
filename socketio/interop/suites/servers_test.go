package suites

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// suiteServers do what test/support/server.ts of the suite does.
var suiteServers = []struct {
	name  string
	start func(*testing.T) http.Handler
}{
	{"the library", startLibrary},
	{"package zishang", startZishang},
	{"package googollee", startGoogollee},
}

// suiteNamespaces are those of the suite besides the root.
var suiteNamespaces = []string{"/foo", "/timeout_socket", "/valid", "/asd", "/abc", "/no"}

// suiteIssuer issues the token that the suite's clients present.
var suiteIssuer = verifiertest.NewIssuer("https://suite.example")

func suiteVerifier(t *testing.T) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(suiteIssuer, verifier.Issuer("https://suite.example"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refusalOf is what the suite's middlewares answer, "" for nothing.
func refusalOf(namespace string, fails bool) string {
	switch {
	case namespace == "/no":
		return "Auth failed (custom namespace)"
	case namespace == "/" && fails:
		return "Auth failed (main namespace)"
	}
	return ""
}

func libraryOptions() *socket.ServerOptions {
	o := socket.DefaultServerOptions()
	o.SetPingInterval(2 * time.Second)
	o.SetConnectionStateRecovery(socket.DefaultConnectionStateRecovery())
	return o
}

func startLibrary(t *testing.T) http.Handler {
	io := socket.NewServer(nil, libraryOptions())
	t.Cleanup(func() { io.Close(nil) })
	setUp(io.Sockets())
	for _, name := range suiteNamespaces {
		setUp(io.Of(name, nil))
	}
	return io.ServeHandler(nil)
}

func startZishang(t *testing.T) http.Handler {
	v := suiteVerifier(t)
	s := zishang.NewServer(libraryOptions())
	t.Cleanup(func() { _ = s.Close() })
	for _, name := range append([]string{"/"}, suiteNamespaces...) {
		n, err := s.Authorize(name, v, socketio.ByHandshake())
		if err != nil {
			t.Fatal(err)
		}
		setUp(n)
	}
	return s
}

// setUp gives a namespace of socket.io for Go its middleware and handlers.
func setUp(n socket.Namespace) {
	n.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
		if refusal := refusalOf(n.Name(), s.Handshake().Query.Query().Has("fail")); refusal != "" {
			next(socket.NewExtendedError(refusal, nil))
			return
		}
		next(nil)
	})
	_ = n.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		on := func(event string, f func(args []any, ack socket.Ack)) {
			_ = s.On(event, func(args ...any) {
				var ack socket.Ack
				if n := len(args); n > 0 {
					if a, ok := args[n-1].(socket.Ack); ok {
						args, ack = args[:n-1], a
					}
				}
				f(args, ack)
			})
		}
		on("getId", func(_ []any, ack socket.Ack) {
			if ack != nil {
				ack([]any{s.Id()}, nil)
			}
		})
		switch n.Name() {
		case "/abc":
			_ = s.Emit("handshake", handshakeOf(s))
		case "/":
			answers(s, on)
		}
	})
}

func handshakeOf(s *socket.Socket) map[string]any {
	return map[string]any{"query": flat(s.Handshake().Query.Query()), "auth": s.Handshake().Auth, "headers": s.Handshake().Headers}
}

func flat(query url.Values) map[string]string {
	first := make(map[string]string)
	for name := range query {
		first[name] = query.Get(name)
	}
	return first
}

// answers has a socket of the root namespace answer the suite's events.
func answers(s *socket.Socket, on func(string, func([]any, socket.Ack))) {
	isBinary := func(v any) bool { _, ok := v.(types.BufferInterface); return ok }
	reply := func(event string, values ...any) { _ = s.Emit(event, values...) }
	now := func() string { return time.Now().UTC().Format(time.RFC3339Nano) }
	binary := func() any { return types.NewBytesBuffer([]byte("asdfasdf")) }
	on("hi", func([]any, socket.Ack) { reply("hi") })
	on("echo", func(args []any, ack socket.Ack) {
		if ack != nil {
			ack(args, nil)
		}
	})
	on("ack", func([]any, socket.Ack) {
		s.EmitWithAck("ack")(func(args []any, err error) {
			if err == nil && len(args) == 2 && args[0] == 5.0 && args[1].(map[string]any)["test"] == true {
				reply("got it")
			}
		})
	})
	on("getAckDate", func(_ []any, ack socket.Ack) { ack([]any{now()}, nil) })
	on("getDate", func([]any, socket.Ack) { reply("takeDate", now()) })
	on("getDateObj", func([]any, socket.Ack) { reply("takeDateObj", map[string]any{"date": now()}) })
	on("getUtf8", func([]any, socket.Ack) {
		for _, text := range utf8Texts {
			reply("takeUtf8", text)
		}
	})
	on("false", func([]any, socket.Ack) { reply("false", false) })
	on("doge", func([]any, socket.Ack) { reply("doge", binary()) })
	on("getbin", func([]any, socket.Ack) { reply("takebin", binary()) })
	on("buffa", func(args []any, _ socket.Ack) {
		if isBinary(args[0]) {
			reply("buffack")
		}
	})
	on("jsonbuff", func(args []any, _ socket.Ack) {
		if m := args[0].(map[string]any); m["hello"] == "lol" && isBinary(m["message"]) {
			reply("jsonbuff-ack")
		}
	})
	first := false
	on("abuff1", func(args []any, _ socket.Ack) { first = isBinary(args[0]) })
	on("abuff2", func([]any, socket.Ack) {
		if first {
			reply("abuff2-ack")
		}
	})
	on("getHandshake", func(_ []any, ack socket.Ack) { ack([]any{handshakeOf(s)}, nil) })
}

// utf8Texts are those of the suite.
var utf8Texts = []string{"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"}

func startGoogollee(t *testing.T) http.Handler {
	v := suiteVerifier(t)
	s, err := googollee.NewServer(&googollee.Options{PingInterval: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, name := range append([]string{"/"}, suiteNamespaces...) {
		auth := socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
			if refusal := refusalOf(name, h.Query.Has("fail")); refusal != "" {
				return nil, &verifier.UnauthorizedError{Message: refusal, Err: errors.New("the suite's middleware")}
			}
			return v.Authenticate(ctx, h)
		})
		n, err := s.Authorize(name, auth, socketio.ByHandshake())
		if err != nil {
			t.Fatal(err)
		}
		n.OnEvent("getId", func(c *googollee.Conn) string { return c.ID() })
		switch name {
		case "/abc":
			n.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
				c.Emit("handshake", shake(s))
				return nil
			})
		case "/":
			answersOf(n)
		}
	}
	return s
}

func shake(s *socketio.Session) map[string]any {
	h := s.Handshake()
	return map[string]any{"query": flat(h.Query), "auth": h.Auth, "headers": h.Header}
}

// answersOf has the sockets of the root namespace answer the suite's events.
func answersOf(n *googollee.Namespace) {
	now := func() string { return time.Now().UTC().Format(time.RFC3339Nano) }
	binary := func() *parser.Buffer { return &parser.Buffer{Data: []byte("asdfasdf")} }
	n.OnEvent("hi", func(c *googollee.Conn) { c.Emit("hi") })
	n.OnEvent("echo", func(_ *googollee.Conn, arg any) any { return arg })
	n.OnEvent("ack", func(c *googollee.Conn) {
		c.Emit("ack", func(a int, b struct{ Test bool }) {
			if a == 5 && b.Test {
				c.Emit("got it")
			}
		})
	})
	n.OnEvent("getAckDate", func(*googollee.Conn, any) string { return now() })
	n.OnEvent("getDate", func(c *googollee.Conn) { c.Emit("takeDate", now()) })
	n.OnEvent("getDateObj", func(c *googollee.Conn) { c.Emit("takeDateObj", map[string]any{"date": now()}) })
	n.OnEvent("getUtf8", func(c *googollee.Conn) {
		for _, text := range utf8Texts {
			c.Emit("takeUtf8", text)
		}
	})
	n.OnEvent("false", func(c *googollee.Conn) { c.Emit("false", false) })
	n.OnEvent("doge", func(c *googollee.Conn) { c.Emit("doge", binary()) })
	n.OnEvent("getbin", func(c *googollee.Conn) { c.Emit("takebin", binary()) })
	n.OnEvent("buffa", func(c *googollee.Conn, _ parser.Buffer) { c.Emit("buffack") })
	n.OnEvent("jsonbuff", func(c *googollee.Conn, m struct {
		Hello   string
		Message parser.Buffer
	}) {
		if m.Hello == "lol" {
			c.Emit("jsonbuff-ack")
		}
	})
	n.OnEvent("abuff1", func(c *googollee.Conn, _ parser.Buffer) { c.SetContext(true) })
	n.OnEvent("abuff2", func(c *googollee.Conn, _ string) {
		if c.Context() == true {
			c.Emit("abuff2-ack")
		}
	})
	n.OnEvent("getHandshake", func(c *googollee.Conn) map[string]any { return shake(c.Session()) })
}
