package googollee_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// everything is what an application might do with a socket, wherever it has it.
func everything(c *googollee.Conn, n *googollee.Namespace) {
	c.Emit("a", nil, 1, func() {})
	c.Emit("b", "text", func(text string) { panic("in an acknowledgement") })
	c.Emit("c", make(chan int)) // cannot be encoded
	c.Emit("d", bomb{})
	c.Join("room")
	c.Join("other")
	_ = c.Rooms()
	n.Broadcast("e", 1, nil)
	n.BroadcastTo("room", "f", 2)
	n.BroadcastTo(c.ID(), "g")
	c.Leave("other")
	c.SetContext(c.Context())
	_ = c.Session()
	_ = c.Namespace()
	_ = c.RemoteAddr()
	_ = c.URL()
}

// bomb is an argument that panics when it is encoded or decoded.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error)  { panic("encoding") }
func (*bomb) UnmarshalJSON(b []byte) error { panic("decoding") }

// TestCallbacks: whatever a callback does, the server lives, the socket's end is
// told once, and nothing is left.
func TestCallbacks(t *testing.T) {
	type behaviour struct {
		name string
		do   func(c *googollee.Conn) error
	}
	behaviours := []behaviour{
		{"nothing", func(*googollee.Conn) error { return nil }},
		{"an error", func(*googollee.Conn) error { return errors.New("an error") }},
		{"a panic", func(*googollee.Conn) error { panic("a panic") }},
		{"nil panics", func(c *googollee.Conn) error { var p *int; *p = len(c.ID()); return nil }},
		{"close", func(c *googollee.Conn) error { c.Close(); c.Close(); return nil }},
		{"close in goroutines", func(c *googollee.Conn) error {
			for range 4 {
				go c.Close()
			}
			return nil
		}},
	}
	for _, where := range []string{"OnConnect", "OnAuthenticated", "OnEvent", "an acknowledgement", "OnDisconnect"} {
		for _, b := range behaviours {
			t.Run(where+"/"+b.name, func(t *testing.T) {
				var ends atomic.Int64
				var n *googollee.Namespace
				do := func(here string, c *googollee.Conn) error {
					if here != where {
						return nil
					}
					everything(c, n)
					return b.do(c)
				}
				s := serve(t, nil, func(s *server) {
					n = s.Namespace
					n.OnConnect(func(c *googollee.Conn) error { s.note("met"); return do("OnConnect", c) })
					n.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error { s.note("met"); return do("OnAuthenticated", c) })
					n.OnEvent("event", func(c *googollee.Conn) error { defer s.note("event"); return do("OnEvent", c) })
					n.OnEvent("ask", func(c *googollee.Conn) {
						c.Emit("asked", func(int) {
							defer s.note("acknowledged")
							if err := do("an acknowledgement", c); err != nil {
								panic(err)
							}
						})
					})
					n.OnEvent("bomb", func(*googollee.Conn, bomb) { t.Error("the handler ran without its argument") })
					n.OnDisconnect(func(c *googollee.Conn, _ string) {
						ends.Add(1)
						defer s.note("left")
						_ = do("OnDisconnect", c)
					})
				}, socketio.Optional())
				ws := dial(t, s.client())
				if where != "OnConnect" {
					_ = ws.Write(`42["authenticate",{"token":"good.alice"}]`)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					callAll(ws)
				}()
				awaited := map[string]string{"OnEvent": "event", "an acknowledgement": "acknowledged"}
				s.eventually("nothing happened", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return slices.Contains(s.notes, cmp.Or(awaited[where], "met"))
				})
				ws.Websocket.Close()
				<-done
				s.eventually("no OnDisconnect", func() bool { return ends.Load() > 0 })
				if err := s.Server.Close(); err != nil {
					t.Error(err)
				}
				if got := ends.Load(); got != 1 {
					t.Errorf("%d ends", got)
				}
				s.eventually("connections are left", func() bool { return s.Server.Count() == 0 })
				if rooms := s.Namespace.Rooms(); len(rooms) != 0 {
					t.Errorf("the rooms %q are left", rooms)
				}
			})
		}
	}
}

// callAll makes the server call each callback once the client is authenticated.
func callAll(ws *socket) {
	for {
		p, err := ws.Read()
		if err != nil {
			return
		}
		if p == `42["authenticated"]` {
			_ = ws.Write(`42["bomb",1]`)
			_ = ws.Write(`421["event"]`)
			_ = ws.Write(`42["ask"]`)
		}
		if head, _, ok := strings.Cut(p, `["asked"`); ok {
			_ = ws.Write("43" + head[2:] + "[7]")
		}
	}
}

// TestArguments: what a handler is given and what comes back, with attachments.
func TestArguments(t *testing.T) {
	type file struct {
		Name string         `json:"name"`
		Data *parser.Buffer `json:"data"`
	}
	s := serve(t, nil, func(s *server) {
		s.OnEvent("file", func(c *googollee.Conn, f file, more []int) (*parser.Buffer, string) {
			c.Emit("copy", &parser.Buffer{Data: f.Data.Data}, f.Name, func(b *parser.Buffer, n int) {
				s.note(fmt.Sprint("acknowledged ", b.Data, n))
			})
			return f.Data, fmt.Sprint(f.Name, more)
		})
		s.OnEvent("pair", func(_ *googollee.Conn, a *int, b map[string]any) (int, *struct{}, any) { return *a, nil, b["x"] })
		s.OnEvent("number", func(_ *googollee.Conn, n int) int { s.note("handled"); return n })
		s.OnEvent("raw", func(_ *googollee.Conn, r json.RawMessage) json.RawMessage { return r })
	})
	ws := s.join("alice")
	ws.write(`451-1["file",{"name":"ä","data":{"_placeholder":true,"num":0}},[1,2]]`, "b4AQID")
	ws.read(`451-1073741825["copy",{"_placeholder":true,"num":0},"\u00e4"]`, "b4AQID")
	ws.read(`461-1[{"_placeholder":true,"num":0},"\u00e4[1 2]"]`, "b4AQID")
	ws.write(`461-1073741825[{"_placeholder":true,"num":0},5]`, "b4CQgH")
	s.want("acknowledged [9 8 7] 5")
	ws.write(`422["pair",3,{"x":[true]}]`)
	ws.read(`432[3,null,[true]]`)
	ws.write(`423["raw", {"a" : 1}]`)
	ws.read(`433[{"a":1}]`)
	// What does not fit is not handled, and not acknowledged; too few arguments
	// are zero ones and too many are ignored.
	ws.write(`424["number","x"]`, `425["number",1.5]`, `426["number",99999999999999999999]`)
	ws.write(`427["number"]`)
	ws.read(`437[0]`)
	ws.write(`428["number",8,9]`)
	ws.read(`438[8]`)
	s.want("handled", "handled")
}

// TestRooms: joining and leaving from anywhere, under broadcasts; a connection that is gone is in
// none.
func TestRooms(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, session *socketio.Session) error {
			c.Join("all")
			c.Join("brief")
			c.Leave("brief")
			if session.Token().Subject == "alice" {
				c.Join("hers")
			}
			s.note("hello " + session.Token().Subject)
			return nil
		})
		s.OnEvent("late", func(c *googollee.Conn) {
			s.note("waits")
			go func() {
				<-c.Session().Context().Done()
				for i := range 100 {
					c.Join(fmt.Sprint("late ", i))
				}
				s.note("joined late")
			}()
		})
	})
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			s.BroadcastTo("all", "noise", 1)
			s.BroadcastTo("brief", "never", 1)
			s.RoomLen("all")
		}
	})
	var sockets []*socket
	for i := range 20 {
		ws := dial(t, s.client())
		subject := "bob"
		if i == 0 {
			subject = "alice"
		}
		ws.write(`42["authenticate",{"token":"good.` + subject + `"}]`)
		go ws.rest()
		sockets = append(sockets, ws)
	}
	s.eventually("not all came", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.notes) == 20 })
	stop.Store(true)
	wg.Wait()
	for room, want := range map[string]int{"all": 20, "hers": 1, "brief": 0} {
		if n := s.RoomLen(room); n != want {
			t.Errorf("%d are in %s, want %d", n, room, want)
		}
	}
	sockets[0].write(`42["late"]`)
	s.eventually("nobody waits", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return slices.Contains(s.notes, "waits") })
	for _, ws := range sockets {
		ws.Websocket.Close()
	}
	s.eventually("nobody joined late", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return slices.Contains(s.notes, "joined late") })
	s.eventually("some are left", func() bool { return s.Server.Count() == 0 && len(s.Namespace.Rooms()) == 0 })
}

// TestBroadcastToOneThatDoesNotRead: a thousand sockets, of which one is stuck. The
// others get everything, in order, and nobody waits.
func TestBroadcastToOneThatDoesNotRead(t *testing.T) {
	const sockets, events = 1000, 20
	s := serve(t, &googollee.Options{MaxBuffered: 256 << 10}, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, session *socketio.Session) error { s.note("in"); return nil })
		s.OnDisconnect(func(c *googollee.Conn, reason string) {
			if reason == "the client does not keep up" {
				s.note("stuck")
			}
		})
	}, socketio.ByHandshake())
	join := func() *socket {
		c := s.client()
		c.Query = map[string][]string{"token": {"good.alice"}}
		return dial(t, c)
	}
	join() // reads nothing
	text := strings.Repeat("x", 8<<10)
	var got atomic.Int64
	var wg sync.WaitGroup
	limit := make(chan struct{}, 50)
	for range sockets - 1 {
		limit <- struct{}{}
		wg.Go(func() {
			ws := join()
			defer ws.Websocket.Close()
			<-limit
			ws.read("40")
			for i := range events {
				_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
				p, err := ws.Read()
				if err != nil || !strings.HasPrefix(p, fmt.Sprintf(`42["news",%d,`, i)) {
					t.Errorf("at %d: %.40q, %v", i, p, err)
					return
				}
				got.Add(1)
			}
		})
	}
	s.eventually("not all came", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.notes) == sockets })
	for i := range events {
		s.Broadcast("news", i, text)
	}
	wg.Wait()
	if n := got.Load(); n != (sockets-1)*events {
		t.Errorf("%d of %d arrived", n, (sockets-1)*events)
	}
	// What the kernel holds for it must be full before it counts as stuck.
	s.eventually("the one that does not read is still there", func() bool {
		s.Broadcast("news", 0, strings.Repeat("y", 128<<10))
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Contains(s.notes, "stuck")
	})
}

// TestRefusals: for good, or for now, over both transports.
func TestRefusals(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		if _, err := s.Authorize("/admin", authenticator, socketio.ByHandshake()); err != nil {
			t.Fatal(err)
		}
	}, socketio.ByHandshake())
	for token, want := range map[string]string{
		"bad":  `44E 44/admin,E 41/admin, 41`,
		"busy": `44E 44/admin,E`, // the client keeps its own back-off
	} {
		c := s.client()
		c.Query = map[string][]string{"token": {token}}
		var overPolling []string
		get := func() rawclient.Reply {
			return request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
		}
		overPolling = get().Packets[1:]
		_, _ = c.Post(t.Context(), "40/admin") // as a client 1.x does
		for overPolling[len(overPolling)-1] != "1" {
			overPolling = append(overPolling, get().Packets...)
		}
		overPolling = overPolling[:len(overPolling)-1]
		ws := dial(t, &rawclient.Session{URL: s.URL, Query: c.Query})
		ws.write("40/admin")
		overWebsocket := ws.rest()
		for _, packets := range [][]string{overPolling, overWebsocket} {
			got := strings.Join(packets, " ")
			var reason struct{ Message, Code, Type string }
			_, object, _ := strings.Cut(packets[0], "{")
			if err := json.Unmarshal([]byte("{"+object), &reason); err != nil || reason.Type != "UnauthorizedError" || reason.Message == "" || reason.Code == "" {
				t.Errorf("%s: got %s", token, got)
			}
			if got := strings.ReplaceAll(got, "{"+object, "E"); got != want {
				t.Errorf("%s: got %s, expected %s", token, got, want)
			}
		}
	}
	s.eventually("sessions are left", func() bool { return s.Server.Count() == 0 })
}

func TestMisuse(t *testing.T) {
	if _, err := googollee.NewServer(&googollee.Options{MaxMessage: -1}); err == nil || !strings.Contains(err.Error(), "MaxMessage is -1") {
		t.Errorf("got %v", err)
	}
	s := serve(t, nil, nil)
	for name, want := range map[string]string{
		"":      "does not begin with a slash",
		"admin": "does not begin with a slash",
		"/a,b":  `has a ','`,
		"/a?b":  `has a '?'`,
		"/ä":    "not printable ASCII",
		"/":     "is there already",
	} {
		if _, err := s.Public(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, expected %q", name, err, want)
		}
	}
	if _, err := s.Authorize("/x", nil); err == nil || !strings.Contains(err.Error(), "the authenticator is nil") {
		t.Errorf("got %v", err)
	}
	for want, f := range map[string]any{
		"use OnAuthenticated": nil,
		"must be a func":      func() {},
		"not <nil>":           nil,
	} {
		event := "x"
		if want == "use OnAuthenticated" {
			event = "authenticate"
		}
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), want) {
					t.Errorf("got %v, expected %q", r, want)
				}
			}()
			s.OnEvent(event, f)
		}()
	}
}
