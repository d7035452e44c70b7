package zishang

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestFloods: a client in no namespace is cut off, whatever it sends too much of.
func TestFloods(t *testing.T) {
	web := serve(t, withOld(), func(io *Server) { guard(t, io, "/", byName(), socketio.ByEvent()) })
	for name, flood := range map[string]struct{ query, first, packet string }{
		"namespaces, unauthenticated": {"EIO=4", "", "40/nowhere,"},
		"pongs, unauthenticated":      {"EIO=4", "", "3"},
		"namespaces without a name":   {"EIO=3", "", "40/%zz,"},
		"pings":                       {"EIO=3", "", "2"},
		"attachments":                 {"EIO=4", "40", `450-["event"]`},
	} {
		t.Run(name, func(t *testing.T) {
			f := dialFrames(t, web, flood.query)
			if flood.first != "" {
				f.send(flood.first)
			}
			f.flood(func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte(flood.packet)) })
		})
	}
	t.Run("control frames", func(t *testing.T) {
		upgrade(t, web).flood(func(c *websocket.Conn) error {
			return c.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		})
	})
	t.Run("probes", func(t *testing.T) {
		c := dial(t, web)
		conn, response, err := websocket.DefaultDialer.Dial(strings.Replace(strings.Replace(c.url, "http", "ws", 1), "transport=polling", "transport=websocket", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		t.Cleanup(func() { _ = conn.Close() })
		f := &frames{t, conn}
		f.send("2probe")
		f.expect("3probe")
		f.flood(func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte("2probe")) })
	})
	t.Run("one request", func(t *testing.T) {
		for name, body := range map[string]string{"4": strings.Repeat("3\x1e", 400_000) + "3", "3": strings.Repeat("1:2", 300_000)} {
			opened, err := http.Get(web.URL + "/socket.io/?transport=polling&EIO=" + name)
			if err != nil {
				t.Fatal(err)
			}
			var first bytes.Buffer
			_, _ = first.ReadFrom(opened.Body)
			_ = opened.Body.Close()
			_, sid, _ := strings.Cut(first.String(), `"sid":"`)
			sid, _, _ = strings.Cut(sid, `"`)
			address := web.URL + "/socket.io/?transport=polling&EIO=" + name + "&sid=" + url.QueryEscape(sid)
			for range 2 {
				response, err := http.Post(address, "text/plain;charset=UTF-8", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				if response.StatusCode < http.StatusBadRequest {
					t.Errorf("EIO %s: got %s", name, response.Status)
				}
			}
		}
	})
}

// flood sends more than is allowed, and expects to be cut off.
func (f *frames) flood(send func(*websocket.Conn) error) {
	f.t.Helper()
	for range 20 * maxIdle {
		if send(f.conn) != nil {
			return
		}
	}
	for {
		if _, _, err := f.conn.ReadMessage(); err != nil {
			if isTimeout(err) {
				f.t.Error("it was not cut off")
			}
			return
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// TestEndsInAStream: a client whose session ends while it sends much keeps its
// connection, and its place in a public namespace.
func TestEndsInAStream(t *testing.T) {
	registry := socketio.NewRegistry(nil)
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName(), socketio.WithRegistry(registry))
		_ = public(t, io, "/public").On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("there", func(...any) { _ = s.Emit("here") })
		})
	})
	f := upgrade(t, web)
	f.send("40/public,")
	f.expect("40/public,")
	f.send(`40{"token":"alice"}`)
	f.expect(`40{"sid"`)
	for s := range registry.Sessions(socketio.Filter{}) {
		s.End(errBadToken)
	}
	for range 10 * maxIdle {
		f.send(`42["stream"]`)
	}
	f.send(`42/public,["there"]`)
	f.expect(`421073741824["unauthorized"`, "41", `42/public,["here"]`)
}
