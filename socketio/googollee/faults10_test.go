package googollee_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestFault10OnePacketEndsTheProcess: from anybody.
func TestFault10OnePacketEndsTheProcess(t *testing.T) {
	packets := map[string]string{
		"attachments": `459999999999999999-["x"]`,
		"disconnect":  `419999999999999999-["x"]`,
		"reference":   `42["file",{"_placeholder":true,"num":7}]`,
	}
	for name, packet := range packets {
		t.Run(name, func(t *testing.T) {
			stock(t, "panic: runtime error", func(t *testing.T) {
				_, url := stockServer(t, func(s *gosio.Server) {
					s.OnEvent("/", "x", func(gosio.Conn, string) {})
					s.OnEvent("/", "file", func(gosio.Conn, parser.Buffer) {})
				})
				ws := dial(t, raw(url))
				ws.read("40")
				ws.write(packet)
				ws.rest()
				time.Sleep(2 * time.Second)
			})
			s := serve(t, nil, func(s *server) {
				s.OnEvent("file", func(*googollee.Conn, parser.Buffer) {})
			})
			alice := s.join("alice")
			for _, subject := range []string{"", "mallory"} {
				ws := dial(t, s.client())
				ws.read("40")
				if subject != "" {
					ws.write(`42["authenticate",{"token":"good.mallory"}]`)
					ws.read(`42["authenticated"]`)
				}
				ws.write(packet)
				if got := ws.rest(); len(got) != 0 {
					t.Errorf("got %q", got)
				}
			}
			alice.write(`42["say","still here"]`)
			s.eventually("alice is not heard", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return slices.Contains(s.notes, "alice says still here")
			})
		})
	}
}

// TestFault11NoLimits on what an unauthenticated client may send.
func TestFault11NoLimits(t *testing.T) {
	big := `42["x","` + strings.Repeat("x", 8<<20) + `"]`
	stock(t, shown, func(t *testing.T) {
		_, url := stockServer(t, func(*gosio.Server) {})
		c := open(t, url)
		if r := request(t, func() (rawclient.Reply, error) { return c.Post(t.Context(), big) }); r.Status == http.StatusOK {
			t.Log(shown)
		}
	})
	s := serve(t, nil, nil)
	c := open(t, s.URL)
	r, err := c.Post(t.Context(), big)
	if err == nil && r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", r.Status)
	}
	ws := dial(t, s.client())
	ws.read("40")
	_ = ws.Write(big)
	if got := ws.rest(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// TestFault12EventNamesAreMisread: a name ends at its first comma or bracket.
func TestFault12EventNamesAreMisread(t *testing.T) {
	stock(t, shown, func(t *testing.T) {
		_, url := stockServer(t, func(s *gosio.Server) {
			s.OnEvent("/", "a,b", func(gosio.Conn, int) string { return "heard" })
		})
		ws := dial(t, raw(url))
		ws.read("40")
		ws.write(`421["a,b",1]`)
		if got := ws.rest(); len(got) == 0 {
			t.Log(shown)
		}
	})
	s := serve(t, nil, func(s *server) {
		for _, name := range []string{"a,b", "a]b", `a"b`, "", "ä", " "} {
			s.OnEvent(name, func(_ *googollee.Conn, n int) string { return fmt.Sprintf("%s %d", name, n) })
		}
	})
	ws := s.join("alice")
	ws.write(`421["a,b",1]`)
	ws.read(`431["a,b 1"]`)
	ws.write(`422 [ "a]b" , 2 ] `)
	ws.read(`432["a]b 2"]`)
	ws.write(`423["a\"b",3]`)
	ws.read(`433["a\"b 3"]`)
	ws.write(`424["",4]`)
	ws.read(`434[" 4"]`)
	ws.write(`425["\u00e4",5]`)
	ws.read(`435["\u00e4 5"]`)
}

// TestFault13Panics of callbacks, and of Emit with nil, end the process.
func TestFault13Panics(t *testing.T) {
	stock(t, "panic: the handler panics", func(t *testing.T) {
		_, url := stockServer(t, func(s *gosio.Server) {
			s.OnDisconnect("/", func(gosio.Conn, string) { panic("the handler panics") })
		})
		ws := dial(t, raw(url))
		ws.read("40")
		ws.write("41")
		ws.rest()
		time.Sleep(2 * time.Second)
	})
	s := serve(t, nil, func(s *server) {
		s.OnDisconnect(func(*googollee.Conn, string) { s.note("left"); panic("the handler panics") })
		s.OnEvent("nil", func(c *googollee.Conn) { c.Emit("nils", nil, 1, nil) })
	})
	ws := s.join("alice")
	ws.write(`42["nil"]`)
	ws.read(`42["nils",null,1,null]`)
	ws.write("41", "1")
	ws.rest()
	s.want("left")
	s.join("bob") // it lives
}

// TestFault14CloseEndsNothing: the server's Close leaves every socket, and the next
// handshake ends the process.
func TestFault14CloseEndsNothing(t *testing.T) {
	stock(t, "panic: send on closed channel", func(t *testing.T) {
		server, url := stockServer(t, func(*gosio.Server) {})
		server.Close()
		c := raw(url)
		_, _ = c.Get(t.Context())
		time.Sleep(2 * time.Second)
	})
	s := serve(t, nil, nil)
	ws := s.join("alice")
	closed := make(chan error)
	go func() { closed <- s.Server.Close() }()
	if got := ws.rest(); len(got) != 0 { // the client is free to come back
		t.Errorf("got %q", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	s.want("left alice: server shutting down")
	if r := request(t, func() (rawclient.Reply, error) { return s.client().Get(t.Context()) }); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a handshake was answered %d", r.Status)
	}
	if err := s.Server.Close(); err != nil {
		t.Error(err)
	}
}

// TestFault15DisconnectTwiceOrNever: Close inside OnDisconnect never returns.
func TestFault15DisconnectTwiceOrNever(t *testing.T) {
	stock(t, shown, func(t *testing.T) {
		returned := make(chan struct{})
		_, url := stockServer(t, func(s *gosio.Server) {
			s.OnDisconnect("/", func(c gosio.Conn, _ string) { c.Close(); close(returned) })
		})
		ws := dial(t, raw(url))
		ws.read("40")
		ws.Websocket.Close()
		select {
		case <-returned:
		case <-time.After(3 * time.Second):
			t.Log(shown)
		}
	})
	s := serve(t, nil, func(s *server) {
		s.OnDisconnect(func(c *googollee.Conn, reason string) { c.Close(); c.Close(); s.note("tell: " + reason) })
		s.OnEvent("leave", func(c *googollee.Conn) {
			for range 8 {
				go c.Close()
			}
		})
	})
	for range 50 {
		ws := s.join("alice")
		ws.write(`42["leave"]`)
		_ = ws.Write("41")
		_ = ws.Write("1") // as a client does that was in no other namespace
		ws.rest()
		s.eventually("no OnDisconnect", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.notes) > 0 })
		s.mu.Lock()
		reason := s.notes[0]
		s.mu.Unlock()
		if reason != "tell: server disconnect" && reason != "tell: client namespace disconnect" {
			t.Errorf("got %q", reason)
		}
		s.want(reason) // and no second one
	}
}

// TestFault17NonASCIIOverPolling breaks the connection.
func TestFault17NonASCIIOverPolling(t *testing.T) {
	stock(t, shown, func(t *testing.T) {
		said := make(chan string, 1)
		_, url := stockServer(t, func(s *gosio.Server) {
			s.OnEvent("/", "say", func(_ gosio.Conn, text string) { said <- text })
		})
		c := open(t, url)
		r := request(t, func() (rawclient.Reply, error) { return c.Post(t.Context(), `42["say","grüße 😀"]`, "2") })
		if r.Status != http.StatusOK {
			t.Log(shown)
			return
		}
		select {
		case text := <-said:
			if text != "grüße 😀" {
				t.Log(shown)
			}
		case <-time.After(2 * time.Second):
			t.Log(shown)
		}
	})
	s := serve(t, nil, nil, socketio.ByHandshake())
	c := s.poll("älice")
	s.want("hello älice")
	if r := request(t, func() (rawclient.Reply, error) {
		return c.Post(t.Context(), `421["echo","grüße 😀"]`, `42["say","ß"]`)
	}); r.Status != http.StatusOK {
		t.Fatalf("got %d", r.Status)
	}
	s.want("älice says ß")
	if r := request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) }); !slices.Contains(r.Packets, `431["gr\u00fc\u00dfe \ud83d\ude00"]`) {
		t.Errorf("got %q", r.Packets)
	}
}

// TestFault18Unsanitised: JSONP's index goes into a page as it came. The race of
// SetContext and Context is the same fault's other half; it shows only to the race
// detector, under which our side's goroutines run.
func TestFault18Unsanitised(t *testing.T) {
	get := func(url string) rawclient.Reply {
		c := raw(url)
		c.Query = map[string][]string{"j": {"0](alert(1));___eio[0"}}
		return request(t, func() (rawclient.Reply, error) { return c.Do(t.Context(), http.MethodGet, "", nil) })
	}
	stock(t, shown, func(t *testing.T) {
		_, url := stockServer(t, func(*gosio.Server) {})
		if r := get(url); strings.Contains(r.Body, "alert(1)") {
			t.Log(shown)
		}
	})
	s := serve(t, nil, func(s *server) {
		s.OnEvent("context", func(c *googollee.Conn) int {
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() { c.SetContext(i); _ = c.Context() })
			}
			wg.Wait()
			return c.Context().(int)
		})
	})
	if r := get(s.URL); r.Status != http.StatusBadRequest || strings.Contains(r.Body, "alert") {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	ws := s.join("alice")
	ws.write(`421["context"]`)
	if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, "431[") {
		t.Errorf("got %q, %v", p, err)
	}
}
