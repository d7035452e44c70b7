package zishang

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// answer is the answer to an Engine.IO handshake by polling.
func answer(t *testing.T, web *httptest.Server, query string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/socket.io/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

const polling = "EIO=4&transport=polling"

var discard = slog.New(slog.DiscardHandler)

// TestOptionsOfTheEngine: each option of the library's that the engine serves has its
// effect.
func TestOptionsOfTheEngine(t *testing.T) {
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	for name, test := range map[string]struct {
		set    func(*socket.ServerOptions)
		query  string
		header http.Header
		status int
		want   string // in the body
		found  [2]string
	}{
		"defaults":            {status: 200, want: `"pingInterval":25000,"pingTimeout":20000`},
		"ping":                {set: func(o *socket.ServerOptions) { o.SetPingInterval(7e9); o.SetPingTimeout(8e9) }, status: 200, want: `"pingInterval":7000,"pingTimeout":8000`},
		"upgrades":            {status: 200, want: `"upgrades":["websocket"]`},
		"no upgrades":         {set: func(o *socket.ServerOptions) { o.SetAllowUpgrades(false) }, status: 200, want: `"upgrades":[]`},
		"max buffer":          {set: func(o *socket.ServerOptions) { o.SetMaxHttpBufferSize(20_000) }, status: 200, want: `"maxPayload":20000`},
		"cookie":              {set: func(o *socket.ServerOptions) { o.SetCookie(&http.Cookie{Name: "io", HttpOnly: true}) }, status: 200, found: [2]string{"Set-Cookie", "io="}},
		"EIO 3 by default":    {query: "EIO=3&transport=polling", status: 400, want: "Unsupported protocol version"},
		"EIO 3 by option":     {set: func(o *socket.ServerOptions) { o.SetAllowEIO3(true) }, query: "EIO=3&transport=polling", status: 200, want: `"sid"`},
		"polling":             {set: func(o *socket.ServerOptions) { o.SetTransports(types.NewSet(socket.WebSocket)) }, status: 400, want: "Transport unknown"},
		"request refused":     {set: refuseRequests, status: 403, want: `"message":"not today"`},
		"request accepted":    {set: refuseRequests, query: polling + "&day=tomorrow", status: 200, want: `"sid"`},
		"CORS by default":     {header: header("Origin", "https://a.test"), status: 403},
		"CORS, other origin":  {set: cors, header: header("Origin", "https://b.test"), status: 403},
		"CORS, origin":        {set: cors, header: header("Origin", "https://a.test"), status: 200, found: [2]string{"Access-Control-Allow-Origin", "https://a.test"}},
		"CORS, credentials":   {set: cors, header: header("Origin", "https://a.test"), status: 200, found: [2]string{"Access-Control-Allow-Credentials", "true"}},
		"an engine's headers": {set: func(*socket.ServerOptions) {}, status: 200, found: [2]string{"X-Extra", "yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			options := socket.DefaultServerOptions()
			if test.set != nil {
				test.set(options)
			}
			web := serve(t, options, func(s *Server) {
				public(t, s, "/")
				if test.found[0] == "X-Extra" {
					s.base.Use(func(ctx *types.HttpContext, next func(error)) {
						ctx.ResponseHeaders().Set("X-Extra", "yes")
						next(nil)
					})
				}
			})
			if test.query == "" {
				test.query = polling
			}
			response, body := answer(t, web, test.query, test.header)
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("got %d %s, want %d with %s", response.StatusCode, body, test.status, test.want)
			}
			if got := response.Header.Get(test.found[0]); test.found[0] != "" && !strings.Contains(got, test.found[1]) {
				t.Errorf("%s is %q, want %q in it", test.found[0], got, test.found[1])
			}
		})
	}
}

// refuseRequests admits requests with a parameter only.
func refuseRequests(o *socket.ServerOptions) {
	o.SetAllowRequest(func(ctx *types.HttpContext) error {
		if ctx.Query().Has("day") {
			return nil
		}
		return errors.New("not today")
	})
}

func cors(o *socket.ServerOptions) {
	o.SetCors(&types.Cors{Origin: []any{"https://a.test"}, Credentials: true})
}

// TestRecoveredPassMiddlewares: recovered sockets pass the middlewares, of which ours is
// one, whatever the options say.
func TestRecoveredPassMiddlewares(t *testing.T) {
	recovery := socket.DefaultConnectionStateRecovery()
	recovery.SetSkipMiddlewares(true)
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(recovery)
	server := &Server{options: options, logger: discard}
	if server.forLibrary().ConnectionStateRecovery().SkipMiddlewares() {
		t.Error("they skip the middlewares")
	}
}

// TestAllowRequestIsAskedOnce: AllowRequest decides about handshakes, by polling and by
// websocket, and about no later request of a connection.
func TestAllowRequestIsAskedOnce(t *testing.T) {
	var asked atomic.Int32
	options := socket.DefaultServerOptions()
	options.SetAllowRequest(func(*types.HttpContext) error {
		asked.Add(1)
		return nil
	})
	web := serve(t, options, func(s *Server) { public(t, s, "/") })
	c := dial(t, web)
	c.send("40")
	c.connected("/")
	if n := asked.Swap(0); n != 1 {
		t.Errorf("a connection by polling was asked about %d times", n)
	}
	upgrade(t, web)
	if n := asked.Load(); n != 1 {
		t.Errorf("a connection by websocket was asked about %d times", n)
	}
}

// TestInitialPacket: the initial packet is the first that a client gets.
func TestInitialPacket(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetInitialPacket(strings.NewReader("hello"))
	web := serve(t, options, func(s *Server) { public(t, s, "/") })
	upgrade(t, web).expect("4hello")
}

// TestPath: the handler serves the path where it is mounted.
func TestPath(t *testing.T) {
	server := NewServer(nil, func(c *engine.Config) { c.CloseTimeout = 50 * time.Millisecond })
	public(t, server, "/")
	mux := http.NewServeMux()
	mux.Handle("/chat/socket/", server)
	web := httptest.NewServer(mux)
	defer web.Close()
	defer server.Close()
	if body, err := get(web, web.URL+"/chat/socket/?"+polling); err != nil || !strings.HasPrefix(body, `0{"sid"`) {
		t.Errorf("got %s, %v", body, err)
	}
}

// TestCompression: polls and websocket messages above the threshold are compressed, if
// an option says so.
func TestCompression(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetHttpCompression(&types.HttpCompression{Threshold: 100})
	options.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: 100})
	web := serve(t, options, func(s *Server) {
		_ = public(t, s, "/").On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).Emit("long", strings.Repeat("x", 5000))
		})
	})
	c := dial(t, web)
	c.send("40")
	var all string
	for !strings.Contains(all, "long") {
		response, body := answer(t, web, c.url[strings.Index(c.url, "?")+1:], http.Header{"Accept-Encoding": {"gzip"}})
		if response.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			if all += string(plain); !strings.Contains(all, "long") {
				t.Errorf("%q was compressed", plain)
			}
		} else if all += body; strings.Contains(body, "long") {
			t.Error("the long event is not compressed")
		}
	}
	dialer := websocket.Dialer{EnableCompression: true}
	conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = response.Body.Close()
	if got := response.Header.Get("Sec-WebSocket-Extensions"); !strings.Contains(got, "permessage-deflate") {
		t.Errorf("the extensions are %q", got)
	}
}

// TestMisuse: what the engine does not do fails with a sentence, in Authorize and in
// Public, and the server serves nobody.
func TestMisuse(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*socket.ServerOptions)
		want string
	}{
		"a parser":     {func(o *socket.ServerOptions) { o.SetParser(parser.NewParser()) }, "parser"},
		"WebTransport": {func(o *socket.ServerOptions) { o.SetTransports(types.NewSet(socket.Polling, socket.WebTransport)) }, `the transport "webtransport" is not supported`},
		"serve client": {func(o *socket.ServerOptions) { o.SetServeClient(true) }, "SetServeClient"},
		"F6, any origin": {func(o *socket.ServerOptions) {
			o.SetCors(&types.Cors{Origin: "*", Credentials: true})
		}, "every origin send cookies"},
		"F6, reflected": {func(o *socket.ServerOptions) {
			o.SetCors(&types.Cors{Origin: true, Credentials: true})
		}, "every origin send cookies"},
		"F6, in a list": {func(o *socket.ServerOptions) {
			o.SetCors(&types.Cors{Origin: []any{"https://a.test", "*"}, Credentials: true})
		}, "every origin send cookies"},
		"F6, pattern": {func(o *socket.ServerOptions) {
			o.SetCors(&types.Cors{Origin: regexp.MustCompile(".*"), Credentials: true})
		}, "every origin send cookies"},
	} {
		t.Run(name, func(t *testing.T) {
			options := socket.DefaultServerOptions()
			test.set(options)
			server := NewServer(options, WithLogger(discard))
			if _, err := server.Authorize("/", byName()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Authorize: %v", err)
			}
			if _, err := server.Public("/"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Public: %v", err)
			}
			web := httptest.NewServer(server)
			defer web.Close()
			if response, _ := answer(t, web, polling, nil); response.StatusCode != http.StatusInternalServerError {
				t.Errorf("the server answers %d", response.StatusCode)
			}
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// TestTheLibrarysOwnServer: what the library serves by itself, with ServeHandler or
// Listen, refuses every client.
func TestTheLibrarysOwnServer(t *testing.T) {
	for name, handler := range map[string]func(*socket.Server) http.Handler{
		"ServeHandler": func(io *socket.Server) http.Handler { return io.ServeHandler(nil) },
		"Attach": func(io *socket.Server) http.Handler {
			w := types.NewWebServer(nil)
			options := socket.DefaultServerOptions()
			options.SetAllowRequest(func(*types.HttpContext) error { return nil })
			io.Attach(w, options)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := NewServer(nil, WithLogger(discard))
			public(t, server, "/")
			defer server.Close()
			web := httptest.NewServer(handler(server.IO()))
			defer web.Close()
			response, body := answer(t, web, polling, nil)
			if response.StatusCode != http.StatusForbidden || !strings.Contains(body, "serve that one") {
				t.Errorf("got %d %s", response.StatusCode, body)
			}
		})
	}
}

// TestUndeclaredNamespaces: a namespace that nobody declared does not exist for clients,
// whatever the library has.
func TestUndeclaredNamespaces(t *testing.T) {
	web := serve(t, withOld(), func(s *Server) {
		guard(t, s, "/admin", byName())
		for _, name := range []string{"/", "/open"} {
			_ = s.IO().Of(name, nil).On("connection", func(...any) { t.Errorf("a client has entered %s", name) })
		}
		_ = s.IO().Of(regexp.MustCompile("^/dynamic"), nil).On("connection", func(...any) { t.Error("a client has entered a dynamic one") })
	})
	c := dial(t, web)
	for _, name := range []string{"", "/open,", "/dynamic-1,"} {
		c.send("40" + name + `{"token":"alice"}`)
		c.expect("44" + name + `{"message":"Invalid namespace"}`)
	}
	c.send(`40/admin,{"token":"alice"}`)
	c.connected("/admin")

	old := upgradeOld(t, web, "")
	old.send(`42["message"]`, "40/open,", "40/admin?token=alice")
	answers := []string{old.next(), old.next()} // in any order
	slices.Sort(answers)
	if !strings.HasPrefix(answers[0], "40/admin") || answers[1] != `44/open,"Invalid namespace"` {
		t.Errorf("got %q", answers)
	}
}
