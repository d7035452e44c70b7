package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// TestAcceptedID: a library may name the stays of Engine.IO 4. In Engine.IO 3 each has the
// ID of its session, which is all that the client knows.
func TestAcceptedID(t *testing.T) {
	const chosen = "the library's own id, hard to guess"
	for _, test := range []struct{ eio, chosen string }{{"3", ""}, {"3", chosen}, {"4", ""}, {"4", chosen}} {
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Admitted = func(st *Stay) { st.Accept(test.chosen, "") }
		}, func(w *world) {
			var told string
			if test.eio == "3" {
				w.websocket()
				told = w.last.ID()
			} else {
				told = w.websocket4().enters("", "")
				if told == w.last.ID() {
					t.Error("the stay has the ID of its session")
				}
			}
			if got := w.root.ID(); got != told || test.eio == "4" && test.chosen != "" && got != test.chosen {
				t.Errorf("%+v: the stay has %q, and the client knows %q", test, got, told)
			}
		})
	}
}

// TestGuestPackets: a packet says whether its client was a guest when it came.
func TestGuestPackets(t *testing.T) {
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		h.Packet = func(_ *Stay, p *Packet) bool { w.note("a guest's: %v", p.Guest); return true }
	}, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["say"]`)
		w.want("a guest's: false")
		w.root.SetGate(Guest)
		ws.write(`42["say"]`)
		w.want("a guest's: true")
	})
}

// TestNeverAccepted: a client that no namespace accepts may ask a few times.
func TestNeverAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		decide func(ctx context.Context, a *Arrival) Verdict
		packet []string // of one attempt
	}{
		"refused": {refuseAll(&Refusal{Error: "no"}), []string{"40"}},
		"unknown": {func(context.Context, *Arrival) Verdict { return Unknown() }, []string{"40"}},
		"gives up": {func(ctx context.Context, _ *Arrival) Verdict {
			<-ctx.Done()
			return Unknown()
		}, []string{"40", "41"}},
		"leaves": {admitAll(Pending), []string{"40", "41"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = test.decide }, func(w *world) {
				ws := w.websocket4()
				go func() {
					for {
						if _, err := ws.Read(); err != nil {
							return
						}
					}
				}()
				for range maxUnproven {
					ws.write(test.packet...)
					synctest.Wait()
				}
				if n := w.Count(); n != 1 {
					t.Fatal("the session has ended too early")
				}
				w.forget()
				ws.write("40")
				w.want("closed: came and went too often")
			})
		})
	}
}

// TestLateDecision: the handshake's deadline waits for a decision, and no longer.
func TestLateDecision(t *testing.T) {
	var release chan struct{}
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		release = make(chan struct{})
		h.Decide = func(context.Context, *Arrival) Verdict { <-release; return Refuse(&Refusal{Error: "no"}) }
	}, func(w *world) {
		ws := w.websocket4()
		began := time.Now()
		ws.write("40")
		time.Sleep(12 * time.Second)
		close(release)
		ws.read(`44{"message":"no"}`)
		ws.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(began); d != 12*time.Second {
			t.Errorf("it stayed for %v", d)
		}
	})
}

// TestLeavesOneOfTwo: a client that leaves a namespace and is in another one stays connected.
func TestLeavesOneOfTwo(t *testing.T) {
	for _, eio := range []string{"3", "4"} {
		inWorld(t, nil, func(w *world) {
			var ws *socket
			if eio == "3" {
				_, ws = w.websocket()
			} else {
				ws = w.websocket4()
				ws.enters("", "")
			}
			ws.write("40/open,")
			_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := ws.Read(); err != nil {
				t.Fatal(err)
			}
			ws.write("41/open,")
			time.Sleep(20 * time.Second) // the time of a client in no namespace is over
			ws.write(`421["say"]`)
			ws.read(`431["gr\u00fc\u00dfe"]`)
		})
	}
}

// TestManyDecisions: decisions in progress count as namespaces, also when the client has
// left again.
func TestManyDecisions(t *testing.T) {
	var release chan struct{}
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxNamespaces = 2
		release = make(chan struct{})
		h.Decide = func(context.Context, *Arrival) Verdict { <-release; return Admit(Open, nil) }
	}, func(w *world) {
		ws := w.websocket4()
		ws.write("40/a,", "41/a,", "40/b,", "41/b,", "40/c,")
		ws.read(`44/c,{"message":"Too many namespaces"}`)
		close(release)
		synctest.Wait()
		ws.enters("/d,", "")
	})
}

// TestManyRefusals: a session ends when it was refused once too often. The client is
// disconnected from some of the namespaces that refused it.
func TestManyRefusals(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		names := []string{"/1", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"}
		for len(names) < maxRefusals {
			names = append(names, "/1")
		}
		for _, name := range names {
			ws.write("40" + name)
			ws.read("44" + name + `,"Invalid namespace"`)
		}
		ws.write("2")
		ws.read("3")
		w.want()
		ws.write("40/1")
		ws.read("41/8,", "41/7,", "41/6,", "41/5,", "41/4,", "41/3,", "41/2,", "41/1,", "41")
		ws.readEnd(websocket.CloseNormalClosure)
	})
}

// TestRefusedAtOnce: a refusal that the client has to know comes at once, and is not put off.
// One that is put off comes without an error if it has none.
func TestRefusedAtOnce(t *testing.T) {
	for _, test := range []struct {
		refusal Refusal
		want    []string
		asked   int
	}{
		{Refusal{Error: "busy", Retryable: true, Tell: true}, []string{`44/a,"busy"`}, 1},
		{Refusal{Error: "busy", Retryable: true}, []string{`44/a,"busy"`, "40/a,"}, 2},
		{Refusal{Retryable: true}, []string{"40/a,"}, 2},
	} {
		asked := 0
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Decide = func(_ context.Context, a *Arrival) Verdict {
				if a.Namespace == "/a" {
					if asked++; asked == 1 {
						return Refuse(&test.refusal)
					}
				}
				return Admit(Open, nil)
			}
		}, func(w *world) {
			_, ws := w.websocket()
			ws.write("40/a")
			ws.read(test.want...)
			time.Sleep(10 * time.Second)
			if asked != test.asked {
				t.Errorf("%+v: asked %d times, expected %d", test.refusal, asked, test.asked)
			}
		})
	}
}

// TestAuthenticateElsewhere: "authenticate" is for a namespace that the client is in. In any
// other it does nothing, however large it is.
func TestAuthenticateElsewhere(t *testing.T) {
	for _, size := range []int{10, DefaultMaxUnauthenticated} {
		var release chan struct{}
		inWorld(t, func(w *world, _ *Config, h *hooks) {
			release = make(chan struct{})
			h.Decide = func(_ context.Context, a *Arrival) Verdict {
				if a.Namespace == "/deciding" {
					<-release
				}
				return Admit(Pending, nil)
			}
			h.Authenticate = func(st *Stay, _ []json.RawMessage, _ bool) { w.note("authenticate %s", st.Namespace()) }
		}, func(w *world) {
			ws := w.websocket4()
			go func() {
				for {
					if _, err := ws.Read(); err != nil {
						return
					}
				}
			}()
			ws.write("40/left,", "40/in,")
			synctest.Wait()
			w.others["/left"].Leave("over", &Refusal{Error: "no", Hold: true})
			ws.write("40/deciding,")
			w.forget()
			for _, nsp := range []string{"/nowhere", "/deciding", "/left", "/in"} {
				ws.write(fmt.Sprintf(`42%s,["authenticate","%s"]`, nsp, strings.Repeat("x", size)))
			}
			w.want("authenticate /in")
			close(release)
			synctest.Wait()
			ws.Conn.Close()
		})
	}
}

// TestManyRefusedNamespaces: a client whose handshake was refused is disconnected from a few
// namespaces of those that it names.
func TestManyRefusedNamespaces(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = refuseAll(&Refusal{}) }, func(w *world) {
		c := w.client()
		ws := w.dial(c)
		if err := c.ReadOpen(ws.Websocket); err != nil {
			t.Fatal(err)
		}
		want := []string{"41"}
		for i := range maxRefusedNamespaces + 1 {
			name := fmt.Sprintf("/%d,", i)
			ws.write("40" + name)
			if i < maxRefusedNamespaces {
				want = slices.Insert(want, 0, "41"+name)
			}
		}
		ws.read(want...)
		ws.readEnd(websocket.CloseNormalClosure)
	})
}
