package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// TestCompressionBomb: 32 MiB that are 32 KB on the wire are not inflated to the end,
// though a token that is a little too large is answered.
func TestCompressionBomb(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		want []string
	}{
		"a large token": {30 << 10, []string{"too large a token in /"}},
		"a bomb":        {32 << 20, []string{"left /: a message is too large", "done /: a message is too large", "closed: a message is too large"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *world, c *Config, h *hooks) {
				c.CompressFrom = 1
				h.Decide = admitAll(Pending)
			}, func(w *world) {
				d := websocket.Dialer{NetDialContext: w.pipe.DialContext, EnableCompression: true}
				ws, res, err := d.DialContext(w.Context(), "ws://127.0.0.1:1/socket.io/?EIO=3&transport=websocket", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer ws.Close()
				if !strings.Contains(res.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
					t.Fatal("the server does not compress")
				}
				synctest.Wait()
				w.forget()
				go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
				// The server may close the connection before the end.
				_ = ws.WriteMessage(websocket.TextMessage, []byte(`42["authenticate",{"token":"`+strings.Repeat("x", c.size)+`"}]`))
				w.want(c.want...)
			})
		})
	}
}

// TestFloodOfFrames: a client that no namespace has admitted is cut off at once, whatever
// it floods the server with. Binary frames and packets that are malformed end it at the
// first.
func TestFloodOfFrames(t *testing.T) {
	text := func(packet string) func(*socket) error { return func(s *socket) error { return s.Write(packet) } }
	for name, send := range map[string]func(*socket) error{
		"pings":                  text("2"),
		"pongs":                  text("3"),
		"noops":                  text("6"),
		"upgrades":               text("5"),
		"opens":                  text("0{}"),
		"empty frames":           text(""),
		"connects":               text("40/namespace,"),
		"disconnects":            text("41/namespace,"),
		"events":                 text(`42["event"]`),
		"acknowledgements":       text("431[]"),
		"errors":                 text(`44"error"`),
		"binary events":          text(`451-["event",{"_placeholder":true,"num":0}]`),
		"binary acknowledgement": text(`461-1[{"_placeholder":true,"num":0}]`),
		"attachments":            func(s *socket) error { return s.Conn.WriteMessage(websocket.BinaryMessage, []byte{4, 1, 2}) },
		"websocket pings":        func(s *socket) error { return s.WriteControl(websocket.PingMessage, nil, time.Time{}) },
		"websocket pongs":        func(s *socket) error { return s.WriteControl(websocket.PongMessage, nil, time.Time{}) },
	} {
		inDialects(t, name, func(_ *world, _ *Config, h *hooks) { h.Decide = admitAll(Pending) }, func(w *world, ws *socket) {
			go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }()
			began := time.Now()
			sent := 0
			for ; sent < 5*maxIdle && send(ws) == nil; sent++ {
				if sent%16 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
			took := time.Since(began)
			if cut := slices.ContainsFunc(w.noted(), func(line string) bool { return strings.HasPrefix(line, "closed: ") }); !cut || took != 0 {
				t.Errorf("%d were sent, cut off %v after %v: expected an end at once", sent, cut, took)
			}
			_ = ws.Conn.Close()
		})
	}
}

// TestSmuggling: a request that two servers could read differently is refused, and what
// is behind it is not handled as another request. Of a length and chunks net/http takes
// the chunks, as RFC 9112 §6.3 says.
func TestSmuggling(t *testing.T) {
	const post = "POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
	const behind = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(behind))
	upgrade := "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for name, request := range map[string]string{
		"two lengths":                   post + "Content-Length: 1\r\nContent-Length: 40\r\n\r\n3" + behind,
		"an unknown encoding":           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + behind,
		"an encoding twice":             post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + behind,
		"a space before the colon":      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + behind,
		"a bad length":                  post + "Content-Length: +1\r\n\r\n3" + behind,
		"a chunk of a bad length":       post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\n3\r\n0\r\n\r\n" + behind,
		"an upgrade with a body":        upgrade + length + behind,
		"an upgrade and a request":      upgrade + "\r\n" + behind,
		"an upgrade of another version": strings.Replace(upgrade, "13", "7", 1) + length + behind,
		"an upgrade to h2c":             strings.Replace(upgrade, "Upgrade: websocket", "Upgrade: h2c", 1) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inRealTime(t, func(e *Server) {
				mux := http.NewServeMux()
				mux.Handle("/socket.io/", e)
				mux.HandleFunc("/smuggled", func(w http.ResponseWriter, _ *http.Request) { t.Error("a smuggled request was handled") })
				server := httptest.NewServer(mux)
				defer server.Close()
				res, err := http.Get(server.URL + "/socket.io/?EIO=4&transport=polling")
				if err != nil {
					t.Fatal(err)
				}
				opened, _ := io.ReadAll(res.Body)
				res.Body.Close()
				_, sid, _ := strings.Cut(string(opened), `"sid":"`)
				sid, _, _ = strings.Cut(sid, `"`)
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, strings.Replace(request, "SID", sid, 1)); err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
					t.Errorf("got %v, expected an answer or the end", err)
				}
			})
		})
	}
}
