package cluster_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const opaque = "opaque/token+of~ada"

// opaqueVerifier finds the opaque token in unusual places.
func opaqueVerifier(t *testing.T) *verifier.Verifier {
	t.Helper()
	v, err := verifier.NewOpaque(
		verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
			return []byte(`{"active":true,"sub":"ada","exp":4102444800}`), nil
		}),
		verifier.WithExtractor(verifier.OneOf(verifier.AuthPayload("mine"), verifier.Query("mine"), verifier.RawHeader("X-Mine"), verifier.Cookie("mine"))))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFaultsA8Bindings: no other node is told the token of a client, wherever the client
// presented it.
func TestFaultsA8Bindings(t *testing.T) {
	t.Run("googollee", func(t *testing.T) {
		address := needRedis(t)
		c := joinCluster(t, address, newLog())
		server, err := googollee.NewServer(&googollee.Options{Cluster: c})
		if err != nil {
			t.Fatal(err)
		}
		n, err := server.Authorize("/", opaqueVerifier(t), socketio.ByHandshake())
		if err != nil {
			t.Fatal(err)
		}
		n.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
			return c.SetData(map[string]any{"user": s.Token().Subject})
		})
		n.OnEvent("join", func(c *googollee.Conn, room string) string { return c.ID() })
		web := httptest.NewServer(server)
		defer web.Close()
		defer server.Close()
		checkTold(t, c, nodeJS(t, address), web.URL)
	})
	t.Run("zishang", func(t *testing.T) {
		address := needRedis(t)
		options := socket.DefaultServerOptions()
		options.SetAllowEIO3(true)
		c := joinCluster(t, address, newLog())
		options.SetAdapter(zishang.ClusterAdapter(c))
		io, handler, end := newZishang(t, options, opaqueVerifier(t), socketio.ByHandshake())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			s.SetData(map[string]any{"user": zishang.SessionOf(s).Token().Subject})
			_ = s.On("join", func(args ...any) { args[1].(socket.Ack)([]any{string(s.Id())}, nil) })
		})
		web := httptest.NewServer(handler)
		defer web.Close()
		defer end()
		checkTold(t, c, nodeJS(t, address), web.URL)
	})
}

// checkTold connects clients that present their token in different places, and looks at
// what Node.js is told of them.
func checkTold(t *testing.T, c *cluster.Cluster, js *jsPeer, url string) {
	t.Helper()
	if err := c.Ready(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	for what, o := range map[string]jsclient.Options{
		"auth payload": {Version: jsclient.V4, Auth: map[string]string{"mine": opaque}},
		"query":        {Version: jsclient.V4, Query: map[string]string{"mine": opaque, "room": "blue"}},
		"query of 2.x": {Version: jsclient.V2, Query: map[string]string{"mine": opaque, "room": "blue"}},
		"header":       {Version: jsclient.V4, Header: map[string]string{"X-Mine": opaque, "User-Agent": "a browser"}},
		"cookie":       {Version: jsclient.V2, Header: map[string]string{"Cookie": "mine=" + opaque}},
	} {
		o.URL, o.Transports = url, jsclient.Websocket
		m := connect(t, o)
		var told json.RawMessage
		js.Do(t, js.command("fetch", rooms(m.socket)), &told)
		if strings.Contains(string(told), "opaque") || !strings.Contains(string(told), `"user":"ada"`) || !strings.Contains(string(told), m.socket) {
			t.Errorf("%s: Node.js is told %s", what, told)
		}
	}
}
