package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestCompressPollsFrom: an answer of this size or longer is compressed, if the client
// agrees.
func TestCompressPollsFrom(t *testing.T) {
	const from = 200
	for _, test := range []struct {
		from       int
		accepted   string
		size       int
		compressed bool
	}{
		{from, "gzip", from - 1, false}, {from, "gzip", from, true}, {from, "br, gzip", from + 1, true},
		{from, "", from + 1, false}, {from, "br", from + 1, false}, {0, "gzip", from, false},
	} {
		inWorld(t, func(_ *world, c *Config, _ *hooks) { c.CompressPollsFrom = test.from }, func(w *world) {
			c := w.polling()
			c.Header = http.Header{"Accept-Encoding": {test.accepted}}
			text := `["` + strings.Repeat("x", test.size-len(`100:42[""]`)) + `"]`
			w.root.Send(NewEvent(root, []byte(text), nil), nil)
			r, err := c.Do(w.Context(), http.MethodGet, "", nil)
			if err != nil || r.Status != http.StatusOK {
				t.Fatalf("got %v, %v", r, err)
			}
			if got := r.Header.Get("Content-Encoding"); got == "gzip" != test.compressed || got != "gzip" && len(r.Body) != test.size {
				t.Errorf("%+v: got the encoding %q and %d bytes", test, got, len(r.Body))
			}
		})
	}
}

// plainWriter is a ResponseWriter that cannot flush, as that of some middleware.
type plainWriter struct {
	header http.Header
	bytes.Buffer
	err error // of Write
}

func (p *plainWriter) Header() http.Header { return p.header }
func (p *plainWriter) WriteHeader(int)     {}
func (p *plainWriter) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	return p.Buffer.Write(b)
}

// TestWithoutFlush: the answer to a poll need not be flushed. A session whose answer cannot be
// written ends.
func TestWithoutFlush(t *testing.T) {
	for _, failure := range []error{nil, fmt.Errorf("no connection")} {
		inWorld(t, nil, func(w *world) {
			p := &plainWriter{header: http.Header{}, err: failure}
			w.Server.ServeHTTP(p, httptest.NewRequest(http.MethodGet, "/socket.io/?EIO=3&transport=polling", nil))
			if got := w.Count(); failure == nil && (got != 1 || !strings.Contains(p.String(), `"sid":`)) || failure != nil && got != 0 {
				t.Errorf("%v: %d sessions, and the answer %q", failure, got, p)
			}
		})
	}
}

// TestLateClose: the CLOSE of a client whose session is gone is not an error.
func TestLateClose(t *testing.T) {
	const text, binary = "text/plain", "application/octet-stream"
	for _, test := range []struct {
		eio, kind, body string
		status          int
	}{
		{"3", text, "1:1", http.StatusOK}, {"3", binary, "\x00\x01\xff1", http.StatusOK}, {"3", text, "1", http.StatusBadRequest},
		{"4", text, "1", http.StatusOK}, {"4", binary, "\x00\x01\xff1", http.StatusBadRequest}, {"4", text, "1:1", http.StatusBadRequest},
		{"3", "text/html", "1:1", http.StatusBadRequest},
	} {
		inWorld(t, nil, func(w *world) {
			c := w.client()
			c.EIO, c.SID = test.eio, "gone"
			if r, err := c.Do(w.Context(), http.MethodPost, test.kind, strings.NewReader(test.body)); err != nil || r.Status != test.status {
				t.Errorf("%+v: got %v, %v", test, r, err)
			}
		})
	}
}

// TestForeignCookies: with NoCredentials the cookies of another origin stay unread, and those
// of the same origin do not.
func TestForeignCookies(t *testing.T) {
	for origin, want := range map[string]string{"http://127.0.0.1:1": "token=x", "https://app.example": ""} {
		inWorld(t, func(_ *world, c *Config, _ *hooks) {
			c.CheckOrigin = func(*http.Request) bool { return true }
			c.NoCredentials = true
		}, func(w *world) {
			c := w.client()
			c.Header = http.Header{"Origin": {origin}, "Cookie": {"token=x"}}
			w.poll(c, "0", "40")
			if got := w.root.Request().Header.Get("Cookie"); got != want {
				t.Errorf("%s: got the cookies %q, expected %q", origin, got, want)
			}
		})
	}
}

// TestTransport: a session tells which transport it uses now.
func TestTransport(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		check := func(want string) {
			t.Helper()
			if got := w.last.Transport(); got != want {
				t.Errorf("got %q, expected %q", got, want)
			}
		}
		w.websocket()
		check("websocket")
		c := w.polling()
		check("polling")
		poll := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		w.upgrade(c)
		check("websocket")
		<-poll
	})
}

// TestJSONPIndex: the index of a callback is a number of at most nine digits: it becomes code
// of the page.
func TestJSONPIndex(t *testing.T) {
	for index, status := range map[string]int{"0": http.StatusOK, "123456789": http.StatusOK, "1234567890": http.StatusBadRequest, "1x": http.StatusBadRequest} {
		inWorld(t, nil, func(w *world) {
			res, err := w.web.Get("http://127.0.0.1:1/socket.io/?EIO=3&transport=polling&j=" + index)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != status {
				t.Errorf("%s was answered %s", index, res.Status)
			}
		})
	}
}

// TestLargestPing: a client's PING of 64 bytes is answered.
func TestLargestPing(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		ws.write("2" + pad(64))
		ws.read("3" + pad(64))
	})
}

// TestBase64: a websocket that asks for base64 gets attachments as text.
func TestBase64(t *testing.T) {
	for _, upgrade := range []bool{false, true} {
		for _, asks := range []bool{false, true} {
			inWorld(t, nil, func(w *world) {
				c, kind := w.client(), websocket.BinaryMessage
				if asks {
					c.Query, kind = url.Values{"b64": {"1"}}, websocket.TextMessage
				}
				var ws *socket
				if upgrade {
					w.poll(c, "0", "40")
					ws = w.upgrade(c)
				} else {
					ws = w.dial(c)
					ws.until("40")
				}
				w.root.Send(NewEvent(root, []byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{{1}}), nil)
				ws.read(`451-["e",{"_placeholder":true,"num":0}]`)
				_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
				if got, b, err := ws.ReadMessage(); err != nil || got != kind {
					t.Errorf("upgrade %v, base64 %v: got %q, type %d, %v", upgrade, asks, b, got, err)
				}
			})
		}
	}
}
