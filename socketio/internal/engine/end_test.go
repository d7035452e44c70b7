package engine

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestHeldEnd: the server holds the end of a session as the refusal says, until the session
// is ended without one.
func TestHeldEnd(t *testing.T) {
	hold := &Refusal{Error: "no", Hold: true}
	for name, test := range map[string]struct {
		again func(s *Session)
		held  time.Duration
	}{
		"once":                    {func(*Session) {}, 5 * time.Second},
		"again with a refusal":    {func(s *Session) { s.End("again", hold) }, 5 * time.Second},
		"again without a refusal": {func(s *Session) { s.End("again", nil) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				_, ws := w.websocket()
				began := time.Now()
				w.last.End("over", hold)
				test.again(w.last)
				ws.read(`44"no"`, "41")
				ws.readEnd(websocket.CloseNormalClosure)
				if d := time.Since(began); d != test.held {
					t.Errorf("it was held for %v, expected %v", d, test.held)
				}
			})
		})
	}
}

// notes is a writer that notes what the server logs.
type notes struct{ w *world }

func (n notes) Write(b []byte) (int, error) {
	n.w.note("%s", strings.TrimSpace(string(b)))
	return len(b), nil
}

// TestEndIsLogged: the server logs why it ends a connection before its time, and no other
// end.
func TestEndIsLogged(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w *world, ws *socket)
		want string // "" for nothing
	}{
		"the client closes":     {func(_ *world, ws *socket) { ws.write("1") }, ""},
		"the client is gone":    {func(_ *world, ws *socket) { ws.Conn.Close() }, ""},
		"the client is told":    {func(w *world, _ *socket) { w.last.End("over", &Refusal{Error: "no"}) }, ""},
		"the client is cut off": {func(w *world, _ *socket) { w.last.End("over", nil) }, "reason=over"},
		"a malformed packet":    {func(_ *world, ws *socket) { ws.write("47") }, "unknown packet type"},
		"a silent client":       {func(*world, *socket) { time.Sleep(time.Minute) }, "ping timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world, c *Config, _ *hooks) {
				c.Logger = slog.New(slog.NewTextHandler(notes{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}, func(w *world) {
				_, ws := w.websocket()
				w.forget()
				test.end(w, ws)
				got := ""
				for _, line := range w.noted() {
					if strings.Contains(line, "a connection ends") {
						got += line
					}
				}
				if test.want == "" && got != "" || !strings.Contains(got, test.want) {
					t.Errorf("logged %q, expected %q", got, test.want)
				}
				ws.Conn.Close()
			})
		})
	}
}

// TestRefuse: a refusal takes the place of CONNECT's answer. In Engine.IO 3 that of the root
// ends the connection.
func TestRefuse(t *testing.T) {
	for _, test := range []struct {
		eio, nsp, said string
		ends           bool
	}{
		{"3", root, `44"no"`, true}, {"3", "/a", `44/a,"no"`, false},
		{"4", root, `44{"message":"no"}`, false}, {"4", "/a", `44/a,{"message":"no"}`, false},
	} {
		t.Run(test.eio+test.nsp, func(t *testing.T) {
			inWorld(t, func(_ *world, _ *Config, h *hooks) {
				h.Decide = func(context.Context, *Arrival) Verdict { return Admit(Open, nil) }
				h.Admitted = func(st *Stay) {
					if st.Namespace() != test.nsp {
						st.Accept("", "")
					} else if !st.Refuse("refused", &Refusal{Error: "no"}) {
						t.Error("the stay was not refused")
					}
				}
			}, func(w *world) {
				c := w.client()
				c.EIO = test.eio
				ws := w.dial(c)
				if err := c.ReadOpen(ws.Websocket); err != nil {
					t.Fatal(err)
				}
				if test.eio == "4" || test.nsp != root {
					ws.write("40" + test.nsp + ",")
				}
				ws.until(test.said)
				if test.ends {
					ws.read("41")
					ws.readEnd(websocket.CloseNormalClosure)
					return
				}
				ws.write("40/other,")
				_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
				if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, "40/other,") {
					t.Errorf("got %q, %v: expected to enter another namespace", p, err)
				}
			})
		})
	}
}

// TestHeldLeave: the server holds the end of a stay as its refusal says.
func TestHeldLeave(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ws := w.websocket4()
		ws.enters("", "")
		began := time.Now()
		w.root.Leave("over", &Refusal{Error: "no", Hold: true})
		ws.read(`44{"message":"no"}`)
		if d := time.Since(began); d != 0 {
			t.Errorf("the client was told after %v", d)
		}
		ws.read("41")
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("it was held for %v", d)
		}
		ws.enters("", "")
	})
}

// TestLastPackets: a client has a while to fetch its last packets, and longer during an
// upgrade.
func TestLastPackets(t *testing.T) {
	for name, test := range map[string]struct {
		upgrades bool
		has      time.Duration
	}{"polling": {false, 5 * time.Second}, "during an upgrade": {true, 15 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				c := w.polling()
				if test.upgrades {
					ws := w.dial(c)
					ws.write("2probe")
					ws.read("3probe")
				}
				w.last.End("over", nil)
				time.Sleep(test.has - time.Millisecond)
				synctest.Wait()
				if n := w.Count(); n != 1 {
					t.Errorf("%d sessions are left too early", n)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left too late", n)
				}
			})
		})
	}
}

// TestLeftBeforeTheAnswer: a stay that ends before its CONNECT is answered. Clients 3.x and
// 4.x ignore a DISCONNECT before the answer.
func TestLeftBeforeTheAnswer(t *testing.T) {
	for _, test := range []struct {
		eio     string
		refusal *Refusal
		want    []string // the beginnings of the packets; nothing for the end
	}{
		{"3", nil, []string{"41/a,"}},
		{"3", &Refusal{Error: "no"}, []string{`44/a,"no"`, "41/a,"}},
		{"4", nil, []string{"40/a,", "41/a,"}},
		{"4", &Refusal{Retryable: true}, nil},
	} {
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Decide = func(context.Context, *Arrival) Verdict { return Admit(Open, nil) }
			h.Admitted = func(st *Stay) {
				if st.Namespace() == "/a" {
					st.Leave("over", test.refusal)
				}
			}
		}, func(w *world) {
			var ws *socket
			if test.eio == "3" {
				_, ws = w.websocket()
			} else {
				ws = w.websocket4()
			}
			ws.write("40/a,")
			_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
			for _, want := range test.want {
				if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, want) {
					t.Fatalf("%+v: got %q, %v, expected %q", test, p, err, want)
				}
			}
			if test.want == nil {
				ws.readEnd(websocket.CloseNormalClosure)
			}
		})
	}
}

// TestRefusedThatCloses: a refused client says CLOSE, and is not kept for another poll.
func TestRefusedThatCloses(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = refuseAll(nil) }, func(w *world) {
		c := w.client()
		if r, err := c.Get(w.Context()); err != nil || r.Status != http.StatusOK {
			t.Fatalf("got %v, %v", r, err)
		}
		waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		synctest.Wait()
		w.post(c, http.StatusOK, "1")
		if r := <-waiting; len(r.Packets) == 0 || r.Packets[len(r.Packets)-1] != "1" {
			t.Errorf("the poll brought %q", r.Packets)
		}
		synctest.Wait()
		if n := w.Count(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}
