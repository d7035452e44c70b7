package googollee_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"
	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// fuzzed is the server under the fuzz targets. A probe counts what a client that
// has not authenticated gets to: a handler of the application's, or a reason that
// the application is told.
type fuzzed struct {
	s        *googollee.Server
	root     *googollee.Namespace
	url      string
	web      *http.Client
	accepted atomic.Int64 // tokens of the client of now: there is one at a time
	reached  atomic.Int64
	came     atomic.Int64
	went     atomic.Int64
}

func serveFuzz(f *testing.F) *fuzzed {
	z := &fuzzed{web: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}}
	s, err := googollee.NewServer(&googollee.Options{Logger: quiet})
	if err != nil {
		f.Fatal(err)
	}
	z.s = s
	for _, name := range []string{"/", "/a"} {
		n, err := s.Authorize(name, socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
			token, err := authenticator(ctx, h)
			if err == nil {
				z.accepted.Add(1)
			}
			return token, err
		}), socketio.MaxAttempts(1000))
		if err != nil {
			f.Fatal(err)
		}
		if name == "/" {
			z.root = n
		}
		touch := func(c *googollee.Conn) {
			if c.Session() == nil {
				z.reached.Add(1)
			}
		}
		n.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { z.came.Add(1); return nil })
		n.OnDisconnect(func(_ *googollee.Conn, reason string) {
			z.went.Add(1)
			if !slices.Contains(reasons, reason) && !strings.HasPrefix(reason, "malformed ") {
				z.reached.Add(1) // one of a client's making
			}
		})
		n.OnEvent("any", func(c *googollee.Conn, v any) any { touch(c); return v })
		n.OnEvent("rest", func(c *googollee.Conn, args ...any) int { touch(c); return len(args) })
		n.OnEvent("file", func(c *googollee.Conn, b parser.Buffer, more []map[string]*parser.Buffer) *parser.Buffer {
			touch(c)
			return &b
		})
		n.OnEvent("", func(c *googollee.Conn) { touch(c) })
	}
	web := httptest.NewServer(s)
	z.url = web.URL
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
		z.web.CloseIdleConnections()
		web.Close()
	})
	return z
}

// reasons are those that the engine gives.
var reasons = []string{
	"", "client namespace disconnect", "transport close", "transport error", "ping timeout", "handshake timeout", "server disconnect",
	"server shutting down", "internal error", "came and went too often", "in no namespace", "sent too much before it was accepted", "a message is too large", "a POST is too large", "too many POSTs at once", "too many refused namespaces",
	"the client does not keep up", "too_many_attempts", "authentication_timeout", "token_missing", "signature_invalid", "keys_unavailable",
}

// check holds the invariants: the server still serves, nobody who has not
// authenticated got anywhere, OnDisconnect ran for every socket that came and left, and the
// memory is bounded.
func (z *fuzzed) check(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := &rawclient.Session{URL: z.url, HTTP: z.web}
	if r, err := c.Get(ctx); err != nil || !slices.Contains(r.Packets, "40") {
		t.Fatalf("the server does not serve: %v, %v", r, err)
	}
	_, _ = c.Post(ctx, "1")
	if n := z.reached.Load(); n != 0 {
		t.Fatalf("an unauthenticated client reached %d handlers", n)
	}
	for start := time.Now(); z.came.Load() != z.went.Load() || z.s.Count() > 0 || len(z.root.Rooms()) > 0; time.Sleep(100 * time.Microsecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%d came and %d went; there are %d connections, and the rooms %q", z.came.Load(), z.went.Load(), z.s.Count(), z.root.Rooms())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 256<<20 {
		t.Fatalf("the heap has %d MB", m.HeapInuse>>20)
	}
	if n := runtime.NumGoroutine(); n > 200 {
		t.Fatalf("there are %d goroutines", n)
	}
}

// revision is the one of Engine.IO that a client speaks.
func revision(modern bool) string {
	if modern {
		return "4"
	}
	return "3"
}

var fuzzSeeds = []string{
	"40{}", `40{"token":"good.x"}`, `40/a,{"token":["good.x"]}` + "\n" + `42/a,["any"]`, "40/a,\n40/a,\n41/a,", "bAQID", "3", `40{"a":{"_placeholder":true,"num":0}}`,
	`42["any",1]`, `421["any",{"a":[1,2]}]`, `42["library"]`, `42["library","x"]`, `451-["file",{"_placeholder":true,"num":0}]` + "\nb4AQID",
	`452-["file",{"_placeholder":true,"num":1},[{"x":{"num":0,"_placeholder":true}}]]` + "\nb4AAAA\nb4BBBB",
	`451-1["any",{"x":[{"_placeholder":true,"num":0}]}]` + "\nb4AQID", `452-["rest",1,{"_placeholder":true,"num":1}]` + "\nb4AAAA\nb4BBBB", `42["rest"]`, `42[7,"x"]`,
	`45100000000-["file"]`, `459999999999999999-["x"]`, `41999999-["x"]`, `4399[]`, `41["x"]`, "40/a?token=good.x\n" + `42/a,["any"]`, "40/a,\n41/a,",
	`42["authenticate",{"token":"good.x"}]` + "\n" + `42["file",{"_placeholder":true,"num":7}]`, `42["\u0000ack"]`, `42["any,]",1]`, `42 ["any"]`,
	"2\n2probe\n5\n6\n3\n1", `44"x"`, "0{}", "b4", "bb", "", `42["any",` + "\xff]", `42["any","` + "\U0001F600\u00e4" + `"]`,
}

// websocket opens a connection and goes as far as the fuzz test asks for.
func (z *fuzzed) websocket(ctx context.Context, authenticated, modern bool) (*rawclient.Websocket, error) {
	c := &rawclient.Session{URL: z.url, EIO: revision(modern)}
	ws, _, err := c.Dial(ctx)
	if err == nil && modern {
		err = ws.Write("40")
		for p := ""; err == nil && !strings.HasPrefix(p, "40{"); {
			p, err = ws.Read()
		}
	}
	if err == nil && authenticated {
		err = ws.Write(`42["authenticate",{"token":"good.fuzz"}]`)
		for p := ""; err == nil && p != `42["authenticated"]`; {
			p, err = ws.Read()
		}
	}
	return ws, err
}

// FuzzFrames sends frames, one a line, over a websocket, to a client's place before
// and after authentication. Of a client that has not authenticated nothing but
// CONNECT, DISCONNECT and "authenticate" has an effect.
func FuzzFrames(f *testing.F) {
	z := serveFuzz(f)
	for _, s := range fuzzSeeds {
		for _, modern := range []bool{false, true} {
			f.Add([]byte(s), false, false, modern)
			f.Add([]byte(s), true, false, modern)
			f.Add([]byte(s), false, true, modern)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, authenticated, binary, modern bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		z.accepted.Store(0)
		ws, err := z.websocket(ctx, authenticated, modern)
		if err != nil {
			t.Fatal(err)
		}
		kind := websocket.TextMessage
		if binary {
			kind = websocket.BinaryMessage
		}
		for line := range strings.Lines(string(data)) {
			if ws.WriteMessage(kind, []byte(strings.TrimSuffix(line, "\n"))) != nil {
				break
			}
		}
		// The answer to a close frame comes behind everything.
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		for err == nil {
			_, err = ws.Read()
		}
		if strings.Contains(err.Error(), "timeout") {
			t.Fatal("the server does not close")
		}
		ws.Close()
		z.check(t)
	})
}

// polling opens a session by long-polling and goes as far as the fuzz test asks for.
func (z *fuzzed) polling(ctx context.Context, t *testing.T, authenticated, modern bool) *rawclient.Session {
	t.Helper()
	c := &rawclient.Session{URL: z.url, HTTP: z.web, EIO: revision(modern)}
	if _, err := c.Get(ctx); err != nil || c.SID == "" {
		t.Fatal(err)
	}
	if modern {
		if r, err := c.Post(ctx, "40"); err != nil || r.Status != http.StatusOK {
			t.Fatalf("CONNECT was answered %v, %v", r, err)
		}
		if r, err := c.Get(ctx); err != nil || !strings.HasPrefix(r.Body, "40{") {
			t.Fatalf("CONNECT was answered %v, %v", r, err)
		}
	}
	if !authenticated {
		return c
	}
	if _, err := c.Post(ctx, `42["authenticate",{"token":"good.fuzz"}]`); err != nil {
		t.Fatal(err)
	}
	for {
		r, err := c.Get(ctx)
		if err != nil || r.Status != http.StatusOK {
			t.Fatalf("no authentication: %v, %v", r, err)
		}
		if slices.Contains(r.Packets, `42["authenticated"]`) {
			return c
		}
	}
}

// FuzzPayloads sends whole bodies by polling, of any content type.
func FuzzPayloads(f *testing.F) {
	z := serveFuzz(f)
	types := []string{"text/plain;charset=UTF-8", "application/octet-stream", "application/x-www-form-urlencoded", "x", ""}
	for _, s := range fuzzSeeds {
		f.Add([]byte(rawclient.Encode(strings.Split(s, "\n")...)), uint8(0), false, false)
		f.Add([]byte(rawclient.Encode(strings.Split(s, "\n")...)), uint8(0), true, false)
		f.Add([]byte("d="+rawclient.Encode(s)), uint8(2), true, false)
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\x1e")), uint8(0), false, true)
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\x1e")), uint8(0), true, true)
	}
	f.Add([]byte("\x00\x03\xff4\xc3\xa4\x01\x03\xff\x04\x01\x02"), uint8(1), true, false)
	f.Fuzz(func(t *testing.T, body []byte, kind uint8, authenticated, modern bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		z.accepted.Store(0)
		c := z.polling(ctx, t, authenticated, modern)
		r, err := c.Do(ctx, http.MethodPost, types[int(kind)%len(types)], strings.NewReader(string(body)))
		if err == nil && r.Status != 200 && r.Status != 400 && r.Status != 413 {
			t.Fatalf("got %v", r)
		}
		if strings.Contains(r.Body, "expected") || strings.Contains(r.Body, "engine") {
			t.Fatalf("the client was told %q", r.Body)
		}
		_, _ = c.Post(ctx, "1")
		_, _ = c.Get(ctx) // fetches a last packet that waits
		z.check(t)
	})
}
