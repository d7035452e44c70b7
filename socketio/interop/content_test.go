package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

// TestContent: text beyond ASCII, attachments and acknowledgements, in both
// directions, in order, on every transport the clients have and across an upgrade.
func TestContent(t *testing.T) {
	const text = "grüße, 漢字 😀 \u2028 \\n \n \"\\\" ]["
	data := bytes.Repeat([]byte{0, 1, 127, 128, 254, 255, '\n'}, 300)
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := googollee.NewServer(&googollee.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Authorize("/", policy{}.authenticator(t), socketio.ByHandshake())
	if err != nil {
		t.Fatal(err)
	}
	n.OnEvent("text", func(c *googollee.Conn, s string) string {
		c.Emit("said", s)
		return s
	})
	type file struct {
		Name string         `json:"name"`
		Data *parser.Buffer `json:"data"`
	}
	n.OnEvent("file", func(c *googollee.Conn, f file, again *parser.Buffer) (*parser.Buffer, bool) {
		c.Emit("copy", &file{f.Name, &parser.Buffer{Data: f.Data.Data}}, &parser.Buffer{Data: again.Data})
		return f.Data, bytes.Equal(f.Data.Data, again.Data)
	})
	n.OnEvent("ask", func(c *googollee.Conn) {
		c.Emit("asked", func(s string, b *parser.Buffer) { c.Emit("answered", s, b) })
	})
	n.OnEvent("count", func(c *googollee.Conn, n int) {
		for i := range n {
			c.Emit("counted", i)
		}
	})
	web := httptest.NewServer(s)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	}()
	ways := []struct {
		name       string
		transports []string
		extra      map[string]any
		when       func(t *testing.T, c *jsclient.Client)
	}{
		{"websocket", jsclient.Websocket, nil, nil},
		{"polling", jsclient.Polling, nil, nil},
		{"during the upgrade", nil, nil, nil},
		{"after the upgrade", nil, nil, func(t *testing.T, c *jsclient.Client) { c.ExpectUpgrade(t) }},
		{"base64", jsclient.Polling, map[string]any{"forceBase64": true}, nil},
		{"base64, websocket", jsclient.Websocket, map[string]any{"forceBase64": true}, nil},
	}
	d := jsclient.Start(t)
	for _, version := range []jsclient.Version{jsclient.V1, jsclient.V2} {
		for _, way := range ways {
			t.Run(fmt.Sprintf("%s/%s", version, way.name), func(t *testing.T) {
				c := d.Connect(t, jsclient.Options{
					Version: version, URL: web.URL, Transports: way.transports, Extra: way.extra, Query: map[string]string{"token": alice},
				})
				c.ExpectNext(t, "connect")
				if way.when != nil {
					way.when(t, c)
				}
				said := c.EmitAck(t, "text", text)
				sent := c.EmitAck(t, "file", map[string]any{"name": text, "data": jsclient.Binary(data)}, jsclient.Binary(data))
				c.Emit(t, "ask")
				c.Emit(t, "count", 50)

				var got string
				var b, again jsclient.Binary
				var f struct {
					Name string
					Data jsclient.Binary
				}
				c.ExpectNext(t, "said").Decode(t, 0, &got)
				if got != text {
					t.Errorf("the event brought %q", got)
				}
				e := c.ExpectNext(t, "copy")
				e.Decode(t, 0, &f)
				e.Decode(t, 1, &again)
				if f.Name != text || !bytes.Equal(f.Data, data) || !bytes.Equal(again, data) {
					t.Errorf("the copy differs: %.200s", e)
				}
				asked := c.ExpectNext(t, "asked")
				for i := range 50 {
					var n int
					if c.ExpectNext(t, "counted").Decode(t, 0, &n); n != i {
						t.Fatalf("%d came instead of %d", n, i)
					}
				}
				asked.Ack(t, text, jsclient.Binary(data))
				e = c.ExpectNext(t, "answered")
				e.Decode(t, 0, &got)
				e.Decode(t, 1, &b)
				if got != text || !bytes.Equal(b, data) {
					t.Errorf("the answer differs: %.200s", e)
				}
				if args := said.Wait(t); json.Unmarshal(args[0], &got) != nil || got != text {
					t.Errorf("the acknowledgement brought %s", args)
				}
				args := sent.Wait(t)
				if err := b.UnmarshalJSON(args[0]); err != nil || !bytes.Equal(b, data) || string(args[1]) != "true" {
					t.Errorf("the acknowledgement brought %.200s, %v", args, err)
				}
			})
		}
	}
}
