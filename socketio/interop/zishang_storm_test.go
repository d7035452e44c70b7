package interop

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// zishangConcurrency is that of the storms over socket.io for Go.
const zishangConcurrency = 50

// zishangStormServer is a server for storms: what it acknowledges and emits is
// what [jsclient.Storm] asks for.
func zishangStormServer(t testing.TB, options ...socketio.Option) string {
	t.Helper()
	return serveZishang(t, func(s *zishang.Server) {
		if _, err := s.Authorize("/", policy{}.authenticator(t), options...); err != nil {
			t.Fatal(err)
		}
		stormHandlers(s.IO())
	})
}

func stormHandlers(io *socket.Server) {
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		answer := func(args ...any) { args[len(args)-1].(socket.Ack)(args[:1], nil) }
		_ = s.On("echo", answer)
		_ = s.On("up", answer)
		_ = s.On("start", func(args ...any) {
			for i := range int(args[0].(float64)) {
				_ = s.Emit("down", i)
			}
		})
	})
}

// serveZishang runs a server for clients 2.x to 4.x that the function sets up.
func serveZishang(t testing.TB, setUp func(*zishang.Server)) string {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	s := zishang.NewServer(options, zishang.RefusalDelay(100*time.Millisecond))
	setUp(s)
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		s.IO().Close(nil)
		web.Close()
	})
	return web.URL
}

// serveStock is that of the library without this module.
func serveStock(t testing.TB, setUp func(*socket.Server)) string {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	io := socket.NewServer(nil, options)
	setUp(io)
	web := httptest.NewServer(io.ServeHandler(nil))
	t.Cleanup(func() {
		io.Close(nil)
		web.Close()
	})
	return web.URL
}

// TestZishangStormConnects: every client gets in, by event and by handshake.
func TestZishangStormConnects(t *testing.T) {
	d := jsclient.Start(t)
	for _, version := range []jsclient.Version{jsclient.V2, jsclient.V4} {
		for _, choice := range transportChoices {
			storm := jsclient.Storm{
				Options: jsclient.Options{Version: version, Transports: choice.transports},
				N:       *storms, Concurrency: zishangConcurrency, Tokens: []string{alice, bob}, RoundTrip: "echo",
			}
			t.Run(fmt.Sprintf("%s/%s/event", version, choice.name), func(t *testing.T) {
				storm.URL, storm.Authenticate = zishangStormServer(t, socketio.ByEvent()), true
				wantAll(t, d.Storm(t, storm), *storms, storm.Options)
			})
			t.Run(fmt.Sprintf("%s/%s/handshake", version, choice.name), func(t *testing.T) {
				storm.URL, storm.Authenticate, storm.TokenIn = zishangStormServer(t), false, "query"
				if version.Modern() {
					storm.TokenIn = "auth"
				}
				wantAll(t, d.Storm(t, storm), *storms, storm.Options)
			})
		}
	}
}

// TestZishangStormUpgrades: nothing is lost or comes out of order while a client
// changes from polling to a websocket.
func TestZishangStormUpgrades(t *testing.T) {
	d := jsclient.Start(t)
	for _, version := range []jsclient.Version{jsclient.V2, jsclient.V4} {
		t.Run(string(version), func(t *testing.T) {
			o := jsclient.Options{Version: version, URL: zishangStormServer(t)}
			r := d.Storm(t, jsclient.Storm{
				Options: o, N: *storms, Concurrency: 20, Tokens: []string{alice}, TokenIn: "query",
				Traffic: &jsclient.Traffic{Start: "start", Down: "down", Up: "up", Downs: 100, Ups: 20},
			})
			wantAll(t, r, *storms, o)
			t.Logf("%d upgrades fell into the traffic", r.Overlapped)
		})
	}
}

// TestZishangStormStock is the stock library under the storm of upgrades, for
// comparison. It asserts nothing: see its log.
func TestZishangStormStock(t *testing.T) {
	if *storms < 300 {
		t.Skip("for comparison only: run with -storms 300 or more")
	}
	d := jsclient.Start(t)
	for _, version := range []jsclient.Version{jsclient.V2, jsclient.V4} {
		t.Run(string(version), func(t *testing.T) {
			o := jsclient.Options{Version: version, URL: serveStock(t, stormHandlers)}
			t.Log(d.Storm(t, jsclient.Storm{
				Options: o, N: *storms, Concurrency: 20,
				Traffic: &jsclient.Traffic{Start: "start", Down: "down", Up: "up", Downs: 100, Ups: 20},
			}))
		})
	}
}

// rawConnect opens a websocket and asks for the root namespace before the server
// has said a word, which is where servers before 3.0.6 lost the request.
func rawConnect(url, auth string) (*websocket.Conn, error) {
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	err = conn.WriteMessage(websocket.TextMessage, []byte("40"+auth))
	for err == nil {
		var text []byte
		if _, text, err = conn.ReadMessage(); err == nil && strings.HasPrefix(string(text), "40") {
			return conn, nil
		}
	}
	_ = conn.Close()
	return nil, err
}

func authPayload(token string) string {
	text, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestZishangRawConnects: no CONNECT packet is lost, however early it comes.
func TestZishangRawConnects(t *testing.T) {
	url := zishangStormServer(t)
	n := 10 * *storms
	var mu sync.Mutex
	failures := map[string]int{}
	var wg sync.WaitGroup
	next := make(chan struct{})
	start := time.Now()
	for range zishangConcurrency {
		wg.Go(func() {
			for range next {
				conn, err := rawConnect(url, authPayload(alice))
				if err != nil {
					mu.Lock()
					failures[err.Error()]++
					mu.Unlock()
					continue
				}
				_ = conn.Close()
			}
		})
	}
	for range n {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	t.Logf("%d connects in %s", n, time.Since(start))
	if len(failures) > 0 {
		t.Errorf("failures of %d: %v", n, failures)
	}
}

// TestZishangMemory: an idle socket takes little more than one whose token is
// verified by a hand-written middleware, both with a token, a session and one handler.
func TestZishangMemory(t *testing.T) {
	n := min(5**storms, 2000) // within the files that a process may have open
	size := func(url string) int64 {
		var conns []*websocket.Conn
		defer func() {
			for _, c := range conns {
				_ = c.Close()
			}
		}()
		open := func(n int) {
			for range n {
				c, err := rawConnect(url, authPayload(alice))
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
		}
		open(10) // what is made once is made now
		before := inUse()
		open(n)
		return (inUse() - before) / int64(n)
	}
	connection := func(args ...any) { _ = args[0].(*socket.Socket).On("message", func(...any) {}) }
	byHand := size(serveStock(t, func(io *socket.Server) {
		v := policy{}.authenticator(t)
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			h := verifier.HandshakeFromRequest(s.Request().Request())
			h.Auth = s.Handshake().Auth
			token, err := v.Authenticate(t.Context(), h)
			if err != nil {
				next(socket.NewExtendedError(err.Error(), nil))
				return
			}
			s.SetData(token)
			next(nil)
		})
		_ = io.On("connection", connection)
	}))
	ours := size(serveZishang(t, func(s *zishang.Server) {
		n, err := s.Authorize("/", policy{}.authenticator(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = n.On("connection", connection)
	}))
	t.Logf("an idle socket and its client: %d bytes hand-written, %d with package zishang", byHand, ours)
	if ours > byHand+2<<10 {
		t.Errorf("it takes %d bytes more, want 2 KB at most", ours-byHand)
	}
}

// inUse is the memory of the live heap and of stacks.
func inUse() int64 {
	time.Sleep(200 * time.Millisecond) // what is in flight settles: this is measured, not asserted
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
