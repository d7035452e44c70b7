package googollee_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// What a test run does in small, and docs/benchmarks.md has in full.
var (
	sessions = flag.Int("sessions", 200, "sessions of TestNothingStaysBehind and of TestChaos")
	idle     = flag.Int("idle", 300, "idle sockets of TestFault16MemoryOfIdleSockets")
)

// use is what the process holds when it is at rest.
type use struct{ goroutines, heap, stack int64 }

func measure() use {
	// Each collection halves the stacks that were once needed and no longer are.
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return use{int64(runtime.NumGoroutine()), int64(m.HeapAlloc), int64(m.StackInuse)}
}

// lanes runs f(i) for every i below n, so many at a time.
func lanes(n, width int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range width {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// TestNothingStaysBehind: refusals and connects by the thousand leave neither
// goroutines nor sessions nor memory.
func TestNothingStaysBehind(t *testing.T) {
	for _, kind := range []string{"refusals", "connects"} {
		t.Run(kind, func(t *testing.T) {
			s := serve(t, nil, func(s *server) {
				s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { return nil })
				s.OnDisconnect(func(*googollee.Conn, string) {})
			}, socketio.ByHandshake())
			one := func(i int) {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				c := s.client()
				c.Query = url.Values{"token": {"bad"}}
				if kind == "connects" {
					c.Query.Set("token", "good.alice")
				}
				if i%2 == 0 {
					echoByPolling(ctx, t, c, kind == "connects")
				} else {
					echoByWebsocket(ctx, t, c, kind == "connects")
				}
			}
			settle := func() use {
				s.eventually("sessions are left", func() bool { return s.Server.Count() == 0 })
				s.web.CloseIdleConnections()
				var u use
				s.eventually("goroutines are left", func() bool { u = measure(); return u.goroutines < 60 })
				return u
			}
			lanes(200, 20, one) // what is made once is made now
			before := settle()
			lanes(*sessions, 20, one)
			after := settle()
			t.Logf("%d %s: goroutines %d before, %d after; heap %d KiB before, %d KiB after", *sessions, kind,
				before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
			if grown := after.heap - before.heap; grown > 1<<20 {
				t.Errorf("the heap grew by %d KiB", grown>>10)
			}
			if grown := after.goroutines - before.goroutines; grown > 20 { // of idle HTTP connections
				t.Errorf("there are %d more goroutines", grown)
			}
		})
	}
}

// echoByPolling asks for an echo if the client is accepted, and closes the connection.
func echoByPolling(ctx context.Context, t *testing.T, c *rawclient.Session, accepted bool) {
	r, err := c.Get(ctx)
	if err != nil || strings.Contains(r.Body, "UnauthorizedError") == accepted {
		t.Errorf("got %v, %v", r, err)
		return
	}
	if accepted {
		if r, err := c.Post(ctx, `421["echo",1]`); err != nil || r.Status != http.StatusOK {
			t.Errorf("a POST was answered %v, %v", r, err)
		}
		if r, err := c.Get(ctx); err != nil || len(r.Packets) != 1 || r.Packets[0] != "431[1]" {
			t.Errorf("a poll brought %v, %v", r, err)
		}
	}
	if r, err := c.Post(ctx, "1"); err != nil || r.Status != http.StatusOK {
		t.Errorf("CLOSE was answered %v, %v", r, err)
	}
}

// echoByWebsocket asks for an echo if the client is accepted, and waits for it or for the end.
func echoByWebsocket(ctx context.Context, t *testing.T, c *rawclient.Session, accepted bool) {
	ws, _, err := c.Dial(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	defer ws.Close()
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	if accepted {
		_ = ws.Write(`421["echo",1]`)
	}
	p := ""
	for err == nil && p != "431[1]" {
		p, err = ws.Read()
	}
	if (err == nil) != accepted || err != nil && !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("got %q, %v", p, err)
	}
}

// TestChaos: clients that do everything wrong and much of it at once. Nothing
// panics, OnDisconnect runs once for every socket that came, and nothing is left.
func TestChaos(t *testing.T) {
	var mu sync.Mutex
	balance := make(map[*googollee.Conn]int)
	count := func(c *googollee.Conn, n int) {
		mu.Lock()
		defer mu.Unlock()
		if balance[c] += n; balance[c] != 1 && balance[c] != 0 {
			t.Errorf("a socket has the balance %d", balance[c])
		}
	}
	var came, went atomic.Int64
	s := serve(t, &googollee.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 300 * time.Millisecond, MaxBuffered: 64 << 10}, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
			came.Add(1)
			count(c, 1)
			c.Join("room")
			c.Emit("hello", func(int) {})
			return nil
		})
		s.OnDisconnect(func(c *googollee.Conn, _ string) { went.Add(1); count(c, -1); c.Emit("late"); c.Close() })
		s.OnEvent("kick", func(c *googollee.Conn) { c.Emit("bye"); c.Close() })
		s.OnEvent("kick later", func(c *googollee.Conn) { go c.Close() })
		s.OnEvent("shout", func(c *googollee.Conn, v any) { s.BroadcastTo("room", "shout", v) })
		public, err := s.Public("/public")
		if err != nil {
			t.Fatal(err)
		}
		public.OnConnect(func(c *googollee.Conn) error { came.Add(1); count(c, 1); c.Emit("hello"); return nil })
		public.OnDisconnect(func(c *googollee.Conn, _ string) { went.Add(1); count(c, -1) })
	})
	before := measure()
	lanes(*sessions, max(40, min(400, *sessions/10)), func(i int) { rampage(s, rand.New(rand.NewPCG(uint64(i), 7))) })
	s.eventually("sessions are left", func() bool { return s.Server.Count() == 0 })
	s.eventually(fmt.Sprintf("%d came and %d went", came.Load(), went.Load()), func() bool { return came.Load() == went.Load() })
	s.web.CloseIdleConnections()
	var after use
	s.eventually("goroutines are left", func() bool { after = measure(); return after.goroutines <= before.goroutines+5 })
	t.Logf("%d sessions, %d sockets came and went; goroutines %d before, %d after", *sessions, came.Load(), before.goroutines, after.goroutines)
	if came.Load() == 0 {
		t.Error("nobody came")
	}
	if rooms := s.Namespace.Rooms(); len(rooms) != 0 {
		t.Errorf("%d rooms are left", len(rooms))
	}
}

// packets are what a client on the rampage sends.
var packets = []string{
	`42["authenticate",{"token":"good.x"}]`, `42["authenticate",{"token":"good.x"}]`, `421["authenticate",{"token":"bad"}]`, `42["authenticate"]`,
	`421["echo",1]`, `42["shout","ü"]`, `42["kick"]`, `42["kick later"]`, `40/public`, `41/public`, `40/nowhere`, `42/public,["echo"]`,
	"2", "2probe", "5", "6", "1", "41", "40", `451-["echo",{"_placeholder":true,"num":0}]`, "b4AAAA", `431[]`, `431073741825[1]`,
	`45100000000-[`, `42["echo",`, "", "9", `42["` + strings.Repeat("x", 2000) + `"]`,
}

// rampage is one client.
func rampage(s *server, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := s.client()
	onWebsocket := func(ws *rawclient.Websocket, first ...string) {
		defer ws.Close()
		writeAndRead(ws, append(first, somePackets(r)...), time.Duration(r.IntN(500))*time.Millisecond)
	}
	if r.IntN(4) == 0 {
		if ws, _, err := c.Dial(ctx); err == nil {
			onWebsocket(ws)
		}
		return
	}
	if _, err := c.Get(ctx); err != nil || c.SID == "" {
		return
	}
	_, _ = c.Post(ctx, packets[0])
	var wg sync.WaitGroup
	for range 2 + r.IntN(5) {
		switch r.IntN(6) {
		case 0, 1:
			short := time.Duration(r.IntN(400)) * time.Millisecond
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, short)
				defer cancel()
				_, _ = c.Get(ctx)
			})
		case 2, 3:
			what := somePackets(r)
			wg.Go(func() { _, _ = c.Post(ctx, what...) })
		case 4:
			if ws, _, err := c.Dial(ctx); err == nil {
				first := [][]string{{"2probe", "5"}, {"5"}, {"2probe", "2probe"}, {"2probe"}}[r.IntN(4)]
				onWebsocket(ws, first...)
			}
		case 5:
			if ws, _, err := c.Dial(ctx); err == nil {
				if ws.Probe() == nil {
					onWebsocket(ws)
				}
				ws.Close()
			}
		}
	}
	wg.Wait()
	if r.IntN(2) == 0 {
		_, _ = c.Post(ctx, "1")
	}
}

// somePackets returns one to four packets, of which the first often authenticates.
func somePackets(r *rand.Rand) (all []string) {
	for range 1 + r.IntN(4) {
		all = append(all, packets[r.IntN(len(packets))])
	}
	if r.IntN(2) == 0 {
		all[0] = packets[0]
	}
	return all
}

// writeAndRead writes packets, and reads for a while.
func writeAndRead(ws *rawclient.Websocket, packets []string, d time.Duration) {
	for _, p := range packets {
		if ws.Write(p) != nil {
			return
		}
	}
	_ = ws.SetReadDeadline(time.Now().Add(d))
	for {
		if _, err := ws.Read(); err != nil {
			return
		}
	}
}

// TestShutdownUnderLoad: every client is disconnected, and nobody new gets in.
func TestShutdownUnderLoad(t *testing.T) {
	var came, went atomic.Int64
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { came.Add(1); return nil })
		s.OnDisconnect(func(*googollee.Conn, string) { went.Add(1) })
	}, socketio.ByHandshake())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 20 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				comeAndGo(s, i%2 == 0)
			}
		})
	}
	s.eventually("nobody came", func() bool { return came.Load() > 100 })
	if err := s.Server.Close(); err != nil {
		t.Error(err)
	}
	if came.Load() != went.Load() || s.Server.Count() != 0 {
		t.Errorf("%d came, %d went, %d are left", came.Load(), went.Load(), s.Server.Count())
	}
	if r := request(t, func() (rawclient.Reply, error) { return s.client().Get(t.Context()) }); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a handshake was answered %d", r.Status)
	}
	close(stop)
	wg.Wait()
	if n := came.Load(); n != went.Load() {
		t.Errorf("%d came, %d went afterwards", n, went.Load())
	}
}

// comeAndGo is one client that asks for an echo and leaves.
func comeAndGo(s *server, polling bool) {
	c := s.client()
	c.Query = url.Values{"token": {"good.alice"}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if polling {
		if _, err := c.Get(ctx); err == nil && c.SID != "" {
			_, _ = c.Post(ctx, `42["echo",1]`)
			_, _ = c.Get(ctx)
			_, _ = c.Post(ctx, "1")
		}
		return
	}
	ws, _, err := c.Dial(ctx)
	if err != nil {
		return
	}
	defer ws.Close()
	_ = ws.Write(`421["echo",1]`)
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if p, err := ws.Read(); err != nil || p == "431[1]" {
			return
		}
	}
}
