package engine

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// inDialects runs a test in a separate world for each revision of Engine.IO, with a
// websocket that is in the root.
func inDialects(t *testing.T, name string, change func(w *world, c *Config, h *hooks), test func(w *world, ws *socket)) {
	t.Helper()
	t.Run(name+", Engine.IO 3", func(t *testing.T) {
		inWorld(t, change, func(w *world) {
			_, ws := w.websocket()
			w.forget()
			test(w, ws)
		})
	})
	t.Run(name+", Engine.IO 4", func(t *testing.T) {
		inWorld(t, change, func(w *world) {
			ws := w.websocket4()
			ws.enters("", "")
			w.forget()
			test(w, ws)
		})
	})
}

// TestLimitsOfDialects: what docs/limits.md says of one connection holds for clients of
// both revisions.
func TestLimitsOfDialects(t *testing.T) {
	pending := func(_ *world, _ *Config, h *hooks) { h.Decide = admitAll(Pending) }
	event := func(size int) string { return `42["say","` + strings.Repeat("x", size) + `"]` }
	attachment := func(w *world, ws *socket) {
		b := []byte(pad(600))
		if w.last.Protocol() == 3 {
			b = append([]byte{4}, b...)
		}
		_ = ws.WriteMessage(websocket.BinaryMessage, b)
	}
	for _, row := range []struct {
		name   string
		change func(w *world, c *Config, h *hooks)
		attack func(w *world, ws *socket)
		reason string
	}{
		{"a large message before authentication", pending, func(_ *world, ws *socket) { _ = ws.Write(event(20 << 10)) }, "a message is too large"},
		{"a large message", nil, func(_ *world, ws *socket) { _ = ws.Write(event(1 << 20)) }, "a message is too large"},
		{"large attachments", func(_ *world, c *Config, _ *hooks) { c.MaxMessage = 1000 }, func(w *world, ws *socket) {
			_ = ws.Write(`453-["say",{"_placeholder":true,"num":0}]`)
			attachment(w, ws)
			attachment(w, ws)
		}, "a packet is too large with its attachments"},
		{"10,000 namespaces", nil, func(_ *world, ws *socket) {
			for i := 0; i < 10_000 && ws.Write(fmt.Sprintf("40/%d,", i)) == nil; i++ {
			}
		}, ""},
		{"a client that does not read", func(_ *world, c *Config, _ *hooks) { c.MaxOutbound = 10000 }, func(w *world, _ *socket) {
			for w.root.Send(NewEvent(root, fmt.Appendf(nil, `["a","%1000d"]`, 0), nil), nil) {
			}
		}, "the client does not keep up"},
		{"a client that sends nothing else", nil, func(*world, *socket) { time.Sleep(time.Minute) }, "ping timeout"},
	} {
		inDialects(t, row.name, row.change, func(w *world, ws *socket) {
			if row.reason != "the client does not keep up" {
				go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
			}
			go row.attack(w, ws) // the server may end it in the middle
			time.Sleep(2 * time.Minute)
			got := w.noted()
			if !slices.ContainsFunc(got, func(line string) bool {
				return strings.HasPrefix(line, "closed: ") && strings.Contains(line, row.reason)
			}) {
				t.Errorf("got %.300q, want an end: %s", got, row.reason)
			}
			if n := w.Count(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
			_ = ws.Conn.Close()
		})
	}
}

// TestCompressionBombProtocol5 is TestCompressionBomb for Engine.IO 4.
func TestCompressionBombProtocol5(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.CompressFrom = 1
		h.Decide = admitAll(Pending)
	}, func(w *world) {
		d := websocket.Dialer{NetDialContext: w.pipe.DialContext, EnableCompression: true}
		ws, _, err := d.DialContext(w.Context(), "ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		_ = ws.WriteMessage(websocket.TextMessage, []byte("40"))
		time.Sleep(time.Second)
		w.forget()
		go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`42["authenticate",{"token":"`+strings.Repeat("x", 32<<20)+`"}]`))
		reason := "a message is too large"
		w.want("left /: "+reason, "done /: "+reason, "closed: "+reason)
	})
}

// TestPostLimitsProtocol5: a POST of a client of Engine.IO 4 is bounded before and after
// authentication.
func TestPostLimitsProtocol5(t *testing.T) {
	for name, row := range map[string]struct {
		admission Gate
		size      int
	}{"before authentication": {Pending, 20 << 10}, "after it": {Open, 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = admitAll(row.admission) }, func(w *world) {
				c := w.client4()
				w.poll(c, "0")
				w.post(c, http.StatusOK, "40")
				w.forget()
				w.post(c, http.StatusRequestEntityTooLarge, `42["say","`+strings.Repeat("x", row.size)+`"]`)
				w.want("left /: a POST is too large", "done /: a POST is too large", "closed: a POST is too large")
			})
		})
	}
}
