package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		w.want("admitted /open")
		ws.write("40/open", "40") // repeated: nothing (fault 5)
		ws.write(`42/open,7["say"]`)
		ws.read(`43/open,7["gr\u00fc\u00dfe"]`)
		w.want(`said 2/open,7["say"] 0`)
		ws.write("41/open")
		w.want("left /open: client namespace disconnect", "done /open: client namespace disconnect")
		ws.write(`42/open,["say"]`)
		w.want()
		ws.write("41", "40/open")
		ws.read("40/open,")
		w.want("left /: client namespace disconnect", "done /: client namespace disconnect", "admitted /open")
		ws.write("40")
		ws.read("40")
		w.want("admitted /")
		open := w.others["/open"]
		open.Leave("the reason", &Refusal{Error: "out"})
		open.Leave("again", nil)
		ws.read(`44/open,"out"`, "41/open,")
		w.want("left /open: the reason", "done /open: the reason")
		ws.write("2")
		ws.read("3")
	})
}

func TestTooManyNamespaces(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
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

// TestCameAndWent: a client in no namespace does not win time by entering and
// leaving; a client that is in another namespace may come and go.
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
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Decide = admitAll(Pending)
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

// TestComeAndGo: stays in a namespace are distinguished even while the library is
// busy and learns of them later.
func TestComeAndGo(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		n := 0
		h.Decide = func(_ context.Context, a *Arrival) Verdict {
			if a.Namespace != root {
				n++
			}
			return Admit(Open, n)
		}
		h.Admitted = func(st *Stay) { w.note("admitted %v", st.Value()) }
		h.Left = func(st *Stay, _ string) { w.note("left %v", st.Value()) }
		h.Done = func(st *Stay, _ string) { w.note("done %v", st.Value()) }
		h.Packet = func(st *Stay, p *Packet) bool {
			if p.Event == "wait" {
				<-release
			} else {
				w.note("an event of %v", st.Value())
			}
			return true
		}
	}, func(w *world) {
		release = make(chan struct{})
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["wait"]`)
		for range 3 {
			ws.write("40/open")
			synctest.Wait()
			ws.write(`42/open,["who"]`, "41/open")
			synctest.Wait()
		}
		w.want("admitted 1", "left 1", "admitted 2", "left 2", "admitted 3", "left 3")
		close(release)
		var events, done []string // each in its own goroutine
		for _, line := range w.noted() {
			if strings.HasPrefix(line, "done") {
				done = append(done, line)
			} else {
				events = append(events, line)
			}
		}
		if got := fmt.Sprint(events); got != "[an event of 1 an event of 2 an event of 3]" {
			t.Error(got)
		}
		if got := fmt.Sprint(done); got != "[done 1 done 2 done 3]" {
			t.Error(got)
		}
	})
}

// TestLeaveWhileDeciding: the decision does not admit a client that has left
// meanwhile.
func TestLeaveWhileDeciding(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		h.Decide = func(_ context.Context, a *Arrival) Verdict {
			if a.Namespace != root {
				<-release
			}
			return Admit(Open, nil)
		}
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
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		h.Admitted = func(st *Stay) {
			_ = st.Emit("hello", nil, "early")
			st.Send(NewEvent(st.Namespace(), []byte(`["too"]`), nil), nil)
		}
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
	const generic = `44{"code":"unauthorized","message":"unauthorized","type":"UnauthorizedError"}`
	const long, short = 5 * time.Second, time.Second
	for _, test := range []struct {
		name        string
		refusal     *Refusal
		sent        string
		first, last []string
		held        time.Duration
	}{
		{"for good", &Refusal{Error: jwt}, "2", []string{"44" + said}, []string{"41"}, long},
		{"for now", &Refusal{Error: jwt, Retryable: true}, "2", []string{"44" + said}, nil, short},
		{"a client 1.x in a namespace", &Refusal{Error: jwt}, "40/a?b", []string{"44" + said, "44/a," + said}, []string{"41/a,", "41"}, long},
		{"a client 2.x in a namespace", &Refusal{Error: jwt}, "40/a?b,", []string{"44" + said}, []string{"41/a,", "41"}, long},
		{"for now, in a namespace", &Refusal{Error: jwt, Retryable: true}, "40/a,", []string{"44" + said}, nil, short},
		{"in a namespace that is the root", &Refusal{Error: jwt}, "40/,", []string{"44" + said}, []string{"41"}, long},
		{"a ping like a CONNECT", &Refusal{Error: jwt}, "30/a", []string{"44" + said}, []string{"41"}, long},
		{"an attachment like a CONNECT", &Refusal{Error: jwt}, "b4MC9h", []string{"44" + said}, []string{"41"}, long},
		{"a DISCONNECT", &Refusal{Error: jwt}, "41/a", []string{"44" + said}, []string{"41"}, long},
		{"without a reason", nil, "2", []string{generic}, []string{"41"}, long},
		{"unmarshallable", &Refusal{Error: func() {}}, "2", []string{generic}, []string{"41"}, long},
		{"silent", &Refusal{}, "2", nil, []string{"41"}, long},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(_ *world, c *Config, h *hooks) { h.Decide = refuseAll(test.refusal) }, func(w *world) {
				start := time.Now()
				c := w.client()
				got := []string{}
				for opened := false; len(got) == 0 || got[len(got)-1] != "1"; opened = true {
					r, err := c.Get(w.Context())
					if err != nil || r.Status != http.StatusOK {
						t.Fatalf("got %v, %v", r, err)
					}
					if !opened {
						r.Packets = r.Packets[1:] // OPEN
						w.post(c, http.StatusOK, test.sent)
					}
					got = append(got, r.Packets...)
				}
				if want := append(append(slices.Clone(test.first), test.last...), "1"); !slices.Equal(got, want) {
					t.Errorf("got %q, expected %q", got, want)
				}
				if d := time.Since(start); d != test.held {
					t.Errorf("it was held for %v, expected %v", d, test.held)
				}
				w.post(c, http.StatusOK, "1")
				w.post(c, http.StatusBadRequest, "2")
				start = time.Now()
				c = w.client()
				ws := w.dial(c)
				if err := c.ReadOpen(ws.Websocket); err != nil {
					t.Fatalf("got %v", err)
				}
				ws.write(test.sent)
				ws.read(test.first...)
				if d := time.Since(start); d != 0 {
					t.Errorf("it heard why after %v", d)
				}
				ws.read(test.last...)
				ws.readEnd(websocket.CloseNormalClosure)
				if d := time.Since(start); d != test.held {
					t.Errorf("it was held for %v, expected %v", d, test.held)
				}
				w.want()
				synctest.Wait()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

// TestTooManyRefused: beyond a number of them refused clients are not held.
func TestTooManyRefused(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes = 2
		h.Decide = refuseAll(nil)
	}, func(w *world) {
		for range 2 {
			c := w.client()
			if r, err := c.Get(w.Context()); err != nil || r.Status != http.StatusOK {
				t.Fatalf("got %v, %v", r, err)
			}
		}
		polling := w.client() // gets everything at once, and is not kept
		if r, err := polling.Get(w.Context()); err != nil || len(r.Packets) == 0 || r.Packets[len(r.Packets)-1] != "1" {
			t.Errorf("got %v, %v", r, err)
		}
		synctest.Wait()
		if n := w.Count(); n != 2 {
			t.Errorf("%d sessions are kept, want 2", n)
		}
		start := time.Now()
		ws := w.dial(w.client())
		ws.until("41")
		ws.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(start); d != 0 {
			t.Errorf("it was held for %v", d)
		}
		time.Sleep(20 * time.Second)
		if n := w.Count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// TestRefusedWebsocketThatStays is cut off.
func TestRefusedWebsocketThatStays(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		h.Decide = refuseAll(nil)
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
		if d := time.Since(start); d > 12*time.Second {
			t.Errorf("it stayed for %v", d)
		}
		ws.Conn.Close()
	})
}
