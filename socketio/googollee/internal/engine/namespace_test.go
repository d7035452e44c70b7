package engine

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gosio "github.com/googollee/go-socket.io"
	"github.com/gorilla/websocket"
)

func TestNamespaces(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write("40/open", "40/refused?token=a%20b,", "40/nowhere,")
		seen := map[string]bool{}
		for range 3 {
			p, err := ws.Read()
			if err != nil {
				t.Fatal(err)
			}
			seen[p] = true
		}
		for _, p := range []string{"40/open,", `44/refused,"no a b"`, `44/nowhere,"Invalid namespace"`} {
			if !seen[p] {
				t.Errorf("%s did not come: %v", p, seen)
			}
		}
		w.want("connected /open", "library: connected /open")
		ws.write("40/open", "40") // repeated: nothing (fault 5)
		ws.write(`42/open,7["say"]`)
		ws.read(`43/open,7["gr\u00fc\u00dfe"]`)
		w.want(`said 2/open,7["say"] 0`)
		ws.write("41/open")
		w.want("left /open: client namespace disconnect", "library: left /open: client namespace disconnect")
		ws.write(`42/open,["say"]`)
		w.want()
		ws.write("41", "40/open")
		ws.read("40/open,")
		w.want("left /: client namespace disconnect", "library: left /: client namespace disconnect", "connected /open", "library: connected /open")
		ws.write("40")
		ws.read("40")
		w.want("connected /", "library: connected /")
		if !w.last.DisconnectNamespace("/open", "the reason", &Refusal{Error: "out"}) || w.last.DisconnectNamespace("/open", "again", nil) {
			t.Error("the namespace was not connected once")
		}
		ws.read(`44/open,"out"`, "41/open,")
		w.want("left /open: the reason", "library: left /open: the reason")
		ws.write("2")
		ws.read("3")
	})
}

// TestNamespaceWithoutHook: without Connect there is only the root.
func TestNamespaceWithoutHook(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *Hooks) { h.Connect = nil }, func(w *world) {
		_, ws := w.websocket()
		ws.write("40/open")
		ws.read(`44/open,"Invalid namespace"`)
	})
}

func TestTooManyNamespaces(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *Hooks) {
		c.MaxNamespaces = 2
	}, func(w *world) {
		_, ws := w.websocket()
		ws.write("40/open")
		ws.read("40/open,")
		ws.write("40/pending")
		ws.read(`44/pending,"Too many namespaces"`)
		w.forget()
		for i := range maxRefusals {
			if ws.Write(fmt.Sprintf("40/%d", i)) != nil {
				break
			}
		}
		var last string
		for {
			p, err := ws.Read()
			if err != nil {
				break
			}
			last = p
		}
		ws.Conn.Close()
		if last != "41" {
			t.Errorf("the last packet is %q", last)
		}
		if got := strings.Join(w.noted(), "\n"); !strings.Contains(got, "closed: too many refused namespaces") {
			t.Errorf("got %s", got)
		}
	})
}

// TestInNoNamespace: a client that left every namespace, and with them the
// deadlines of their guards, does not stay.
func TestInNoNamespace(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		ws.write("41")
		time.Sleep(5 * time.Second)
		ws.write("40")
		ws.read("40") // in time
		ws.write("41")
		w.forget()
		for range 4 { // signs of life do not count
			time.Sleep(2 * time.Second)
			ws.write("2")
			ws.read("3")
		}
		w.want()
		time.Sleep(2 * time.Second)
		w.want("closed: in no namespace")
		ws.readEnd(websocket.CloseNormalClosure)
	})
}

// TestCameAndWent: who is let in nowhere does not win time by entering and
// leaving; who is let in somewhere may come and go.
func TestCameAndWent(t *testing.T) {
	cycle := func(ws *socket) {
		for range maxUnproven {
			ws.write("40/pending")
			ws.read("40/pending,")
			ws.write("41/pending")
		}
		ws.write("40/pending")
	}
	t.Run("nowhere", func(t *testing.T) {
		inWorld(t, func(_ *world, _ *Config, h *Hooks) {
			h.Handshake = func(*http.Request) (Verdict, any) { return Admit(Pending), nil }
		}, func(w *world) {
			_, ws := w.websocket()
			cycle(ws)
			ws.read("41")
			ws.readEnd(websocket.CloseNormalClosure)
		})
	})
	t.Run("somewhere", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			cycle(ws)
			ws.read("40/pending,")
		})
	})
}

// TestComeAndGo: stays in a namespace are told apart even while the library is
// busy and learns of them later.
func TestComeAndGo(t *testing.T) {
	inWorld(t, func(w *world, _ *Config, h *Hooks) {
		n := 0
		h.Connected = func(s *Session, nsp string) { n++; s.Attach(nsp, n) }
		h.NamespaceClosed = func(_ *Session, nsp string, v any, _ string) { w.note("left %s %v", nsp, v) }
		h.NamespaceDone = func(_ *Session, nsp string, v any, _ string) { w.note("done %s %v", nsp, v) }
	}, func(w *world) {
		release := make(chan struct{})
		w.lib.OnEvent(root, "wait", func(gosio.Conn) { <-release })
		w.lib.OnConnect("/open", func(c gosio.Conn) error {
			w.note("library: connected %v", w.Session(c.ID()).Handling("/open").Value)
			return nil
		})
		w.lib.OnEvent("/open", "who", func(c gosio.Conn) {
			w.note("an event of %v", w.Session(c.ID()).Handling("/open").Value)
		})
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["wait"]`)
		for range 3 {
			ws.write("40/open")
			synctest.Wait()
			ws.write(`42/open,["who"]`, "41/open")
			synctest.Wait()
		}
		w.want("left /open 1", "left /open 2", "left /open 3")
		close(release)
		var order, done []string // each in its own goroutine
		for _, line := range w.noted() {
			if strings.HasPrefix(line, "done") {
				done = append(done, line)
			} else {
				order = append(order, line)
			}
		}
		if got := fmt.Sprint(order); got != "[library: connected 1 an event of 1 library: left /open: client namespace disconnect "+
			"library: connected 2 an event of 2 library: left /open: client namespace disconnect "+
			"library: connected 3 an event of 3 library: left /open: client namespace disconnect]" {
			t.Error(got)
		}
		if got := fmt.Sprint(done); got != "[done /open 1 done /open 2 done /open 3]" {
			t.Error(got)
		}
	})
}

// TestLeaveWhileDeciding: a client that does not wait for the decision is not let
// in by it.
func TestLeaveWhileDeciding(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(w *world, _ *Config, h *Hooks) {
		h.Connect = func(*Session, string, url.Values) Verdict { <-release; return Admit(Open) }
	}, func(w *world) {
		release = make(chan struct{})
		_, ws := w.websocket()
		w.forget()
		ws.write("40/open", `42/open,["say"]`, "41/open")
		synctest.Wait()
		close(release)
		w.want()
		ws.write("2")
		ws.read("3")
	})
}

// TestHeld: what is emitted before the client knows that it is in a namespace
// comes after it does.
func TestHeld(t *testing.T) {
	inWorld(t, func(w *world, _ *Config, h *Hooks) {
		h.Connected = func(s *Session, nsp string) {
			_ = s.Emit(nsp, "hello", nil, "early")
			s.Send(NewEvent(nsp, []byte(`["too"]`), nil), nil)
		}
		h.Opened = func(s *Session) { h.Connected(s, root); w.last = s }
	}, func(w *world) {
		c := w.client()
		w.poll(c, "0", "40", `42["hello","early"]`, `42["too"]`)
		w.post(c, http.StatusOK, "40/open", "40/pending")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		r, err := c.Get(w.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(r.Packets, " ")
		for _, want := range []string{`40/open, 42/open,["hello","early"] 42/open,["too"]`, `40/pending, 42/pending,["hello","early"]`} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s, expected %s in it", got, want)
			}
		}
		if strings.Contains(got, `42/pending,["too"]`) {
			t.Errorf("an event of the application's passed a closed gate: %s", got)
		}
	})
}

func TestRefusal(t *testing.T) {
	jwt := map[string]string{"message": "jwt expired ü", "code": "invalid_token"}
	const said = `{"code":"invalid_token","message":"jwt expired \u00fc"}`
	for _, test := range []struct {
		name       string
		refusal    *Refusal
		namespaces []string
		want       []string
	}{
		{"for good", &Refusal{Error: jwt}, nil, []string{"44" + said, "41"}},
		{"for now", &Refusal{Error: jwt, Retryable: true}, nil, []string{"44" + said}},
		{"namespaces first", &Refusal{Error: jwt}, []string{"/", "/a", "", "b"}, []string{"44/a," + said, "41/a,", "44" + said, "41"}},
		{"without a reason", nil, nil, []string{`44{"code":"unauthorized","message":"unauthorized","type":"UnauthorizedError"}`, "41"}},
		{"unmarshallable", &Refusal{Error: func() {}}, nil, []string{`44{"code":"unauthorized","message":"unauthorized","type":"UnauthorizedError"}`, "41"}},
		{"silent", &Refusal{}, nil, []string{"41"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(_ *world, c *Config, h *Hooks) {
				h.Handshake = func(*http.Request) (Verdict, any) { return Refuse(test.refusal), nil }
				c.Namespaces = func() []string { return test.namespaces }
			}, func(w *world) {
				c := w.client()
				w.poll(c, append(append([]string{"0"}, test.want...), "1")...)
				if c.SID != "denied" {
					t.Errorf("the id is %q", c.SID)
				}
				w.post(c, http.StatusOK, "1")
				w.post(c, http.StatusBadRequest, "2")
				c = w.client()
				ws := w.dial(c)
				if err := c.ReadOpen(ws.Websocket); err != nil || c.SID != "denied" {
					t.Fatalf("got %v", err)
				}
				ws.read(test.want...)
				ws.readEnd(websocket.CloseNormalClosure)
				w.want()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

// TestRefusedWebsocketThatStays is cut off.
func TestRefusedWebsocketThatStays(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *Hooks) {
		h.Handshake = func(*http.Request) (Verdict, any) { return Refuse(nil), nil }
	}, func(w *world) {
		ws := w.dial(w.client())
		ws.SetCloseHandler(func(int, string) error { return nil })
		go func() {
			for {
				if _, err := ws.Read(); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		for ws.Write("2") == nil {
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d > 7*time.Second {
			t.Errorf("it stayed for %v", d)
		}
		ws.Conn.Close()
	})
}
