package googollee_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// The faults of go-socket.io, from the side of clients 3.x and 4.x, which the library
// itself does not serve: what TestFault01 to 18 hold for clients 2.x holds for them too.
// Fault 16 is about memory, which does not depend on the client, and 18 about JSONP,
// which these clients do not have.

func (s *server) client4() *rawclient.Session {
	return &rawclient.Session{URL: s.URL, HTTP: s.web, EIO: "4"}
}

func noteLeft(s *server) func(*googollee.Conn, string) {
	return func(c *googollee.Conn, reason string) {
		if c.Session() != nil {
			s.note("left " + subject(c) + ": " + reason)
		}
	}
}

// dial4 connects to the root by websocket.
func (s *server) dial4() *socket {
	s.Helper()
	ws := dial(s, s.client4())
	ws.write("40")
	ws.accepted()
	return ws
}

// accepted reads the answer to CONNECT.
func (ws *socket) accepted() {
	ws.t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, `40`) || !strings.Contains(p, `{"sid":"`) {
		ws.t.Fatalf("CONNECT was answered %q, %v", p, err)
	}
}

// join4 connects and authenticates by event.
func (s *server) join4(subject string) *socket {
	s.Helper()
	ws := s.dial4()
	ws.write(`42["authenticate",{"token":"good.` + subject + `"}]`)
	ws.read(`42["authenticated"]`)
	s.want("hello " + subject)
	return ws
}

// poll4 connects by polling, and authenticates by event.
func (s *server) poll4(subject string) *rawclient.Session {
	s.Helper()
	c := s.client4()
	get := func() rawclient.Reply {
		s.Helper()
		return request(s, func() (rawclient.Reply, error) { return c.Get(s.Context()) })
	}
	get()
	s.post4(c, "40")
	get()
	s.post4(c, `42["authenticate",{"token":"good.`+subject+`"}]`)
	if r := get(); !slices.Contains(r.Packets, `42["authenticated"]`) {
		s.Fatalf("got %v", r)
	}
	s.want("hello " + subject)
	s.Cleanup(func() { _, _ = c.Post(s.Context(), "1") })
	return c
}

func (s *server) post4(c *rawclient.Session, packets ...string) {
	s.Helper()
	if r := request(s, func() (rawclient.Reply, error) { return c.Post(s.Context(), packets...) }); r.Status != http.StatusOK {
		s.Fatalf("a POST was answered %d %s", r.Status, r.Body)
	}
}

// TestFaults01To04Clients4: upgrades under POSTs, requests right behind the handshake, a
// poll on a session that has a websocket, guessed ids.
func TestFaults01To04Clients4(t *testing.T) {
	s := serve(t, nil, nil)
	c := s.poll4("alice")
	ws := dial(t, c)
	ws.write("2probe")
	ws.read("3probe")
	for range 20 {
		s.post4(c, `42["say","x"]`)
	}
	ws.write("5", `421["echo",1]`)
	ws.read(`431[1]`)
	s.want(slices.Repeat([]string{"alice says x"}, 20)...)
	if r := request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) }); r.Status != http.StatusBadRequest {
		t.Errorf("a poll was answered %d", r.Status)
	}
	for _, id := range []string{"1", c.SID[:len(c.SID)-1], c.SID + "A"} {
		thief := s.client4()
		thief.SID = id
		if r := request(t, func() (rawclient.Reply, error) { return thief.Post(t.Context(), `42["say","mine"]`) }); r.Status != http.StatusBadRequest {
			t.Errorf("a POST to %q was answered %d", id, r.Status)
		}
	}
	for range 200 {
		c := s.client4()
		request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
		s.post4(c, "40", "1")
	}
	ws.write(`422["echo",2]`)
	ws.read(`432[2]`)
}

// TestFaults05To08Clients4: a refused client is told only that, OnConnect may emit, an
// event before Close arrives, and no handler runs before authentication.
func TestFaults05To08Clients4(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		public, err := s.Public("/public")
		if err != nil {
			t.Fatal(err)
		}
		public.OnConnect(func(c *googollee.Conn) error { c.Emit("hello"); return nil })
		if _, err := s.Authorize("/strict", authenticator, socketio.ByHandshake()); err != nil {
			t.Fatal(err)
		}
		s.OnDisconnect(noteLeft(s))
		s.OnEvent("leave", func(c *googollee.Conn) { c.Emit("last"); c.Close() })
	})
	strict := dial(t, s.client4())
	strict.write("40/strict,")
	_ = strict.SetReadDeadline(time.Now().Add(20 * time.Second))
	if p, err := strict.Read(); err != nil || !strings.HasPrefix(p, `44/strict,{"message":"no token provided","data":{`) {
		t.Errorf("got %q, %v", p, err)
	}
	mallory := s.dial4()
	for range 50 {
		mallory.write("40/public,")
		mallory.accepted()
		mallory.read(`42/public,["hello"]`)
		mallory.write("41/public,")
	}
	mallory.write(`421["say","x"]`, `40/public,`)
	mallory.accepted() // and no acknowledgement before
	for range 50 {
		ws := s.join4("alice")
		ws.write(`42["leave"]`)
		ws.read(`42["last"]`, "41")
		s.want("left alice: server disconnect")
		ws.Websocket.Close()
	}
}

// TestFault09Clients4: one client that does not read holds up no broadcast.
func TestFault09Clients4(t *testing.T) {
	s := serve(t, &googollee.Options{MaxBuffered: 1 << 20}, func(s *server) { s.OnDisconnect(noteLeft(s)) })
	s.join4("lazy")
	alice := s.join4("alice")
	big := strings.Repeat("x", 64<<10)
	for range 400 {
		s.Broadcast("news", big)
		_ = alice.SetReadDeadline(time.Now().Add(20 * time.Second))
		if p, err := alice.Read(); err != nil || !strings.HasPrefix(p, `42["news",`) {
			t.Fatalf("got %.40q, %v", p, err)
		}
	}
	s.want("left lazy: the client does not keep up")
}

// TestFaults10To11Clients4: no packet ends more than its own connection, and a client
// that has not authenticated may not send much.
func TestFaults10To11Clients4(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnEvent("file", func(*googollee.Conn, parser.Buffer) {})
		s.OnDisconnect(func(*googollee.Conn, string) {})
	})
	alice := s.join4("alice")
	for name, packet := range map[string]string{
		"attachments": `459999999999999999-["x"]`,
		"disconnect":  `419999999999999999-["x"]`,
		"reference":   `42["file",{"_placeholder":true,"num":7}]`,
		"size":        `42["x","` + strings.Repeat("x", 2<<20) + `"]`,
		"payload":     `40["x"]`,
		"record":      "b%",
	} {
		for _, ws := range []*socket{s.dial4(), s.join4("mallory")} {
			_ = ws.Write(packet)
			if got := ws.rest(); len(got) != 0 {
				t.Errorf("%s: got %q", name, got)
			}
		}
	}
	alice.write(`421["echo","still here"]`)
	alice.read(`431["still here"]`)
}

// TestFaults12To17Clients4: names of events, panics, the server's Close, OnDisconnect,
// and text over polling.
func TestFaults12To17Clients4(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		for _, name := range []string{"a,b", "a]b", `a"b`, ""} {
			s.OnEvent(name, func(_ *googollee.Conn, n int) int { return n })
		}
		s.OnEvent("nil", func(c *googollee.Conn) { c.Emit("nils", nil, 1, nil) })
		s.OnDisconnect(func(c *googollee.Conn, reason string) {
			c.Close()
			s.note("left: " + reason)
			panic("the handler panics")
		})
	})
	ws := s.join4("alice")
	ws.write(`421["a,b",1]`, `422 [ "a]b" , 2 ] `, `423["a\"b",3]`, `424["",4]`, `42["nil"]`)
	ws.read(`431[1]`, `432[2]`, `433[3]`, `434[4]`, `42["nils",null,1,null]`)
	ws.write("41", "1")
	ws.rest()
	s.want("left: client namespace disconnect")

	c := s.poll4("älice")
	s.post4(c, `421["echo","grüße 😀"]`, `42["say","ß"]`)
	s.want("älice says ß")
	r := request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
	if !slices.Contains(r.Packets, `431["gr\u00fc\u00dfe \ud83d\ude00"]`) && !slices.Contains(r.Packets, `431["grüße 😀"]`) {
		t.Errorf("got %q", r.Packets)
	}

	last := s.join4("bob")
	closed := make(chan error)
	go func() { closed <- s.Server.Close() }()
	if got := last.rest(); len(got) != 0 { // the client is free to come back
		t.Errorf("got %q", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	s.want("left: server shutting down", "left: server shutting down")
	if r := request(t, func() (rawclient.Reply, error) { return s.client4().Get(t.Context()) }); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a handshake was answered %d", r.Status)
	}
}
