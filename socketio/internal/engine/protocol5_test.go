package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// client4 is a client of Engine.IO 4.
func (w *world) client4() *rawclient.Session {
	c := w.client()
	c.EIO = "4"
	return c
}

// websocket4 is one that is connected by websocket, in no namespace.
func (w *world) websocket4() *socket {
	w.Helper()
	c := w.client4()
	s := w.dial(c)
	if err := c.ReadOpen(s.Websocket); err != nil {
		w.Fatal(err)
	}
	return s
}

// enters connects a namespace and returns the id that the client is told.
func (s *socket) enters(nsp, auth string) string {
	s.w.Helper()
	s.write("40" + nsp + auth)
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	p, err := s.Read()
	if err != nil {
		s.w.Fatal(err)
	}
	var answer struct{ SID string }
	if !strings.HasPrefix(p, "40"+nsp) || json.Unmarshal([]byte(p[2+len(nsp):]), &answer) != nil || len(answer.SID) < 26 {
		s.w.Fatalf("CONNECT was answered %q", p)
	}
	return answer.SID
}

func TestProtocol5(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ws := w.websocket4()
		w.want() // nothing is decided yet
		id := ws.enters("", "")
		w.want("admitted /")
		if got := w.root.ID(); got != id || got == w.last.ID() {
			t.Errorf("the client was told %q; the stay has %q, the session %q", id, got, w.last.ID())
		}
		if other := ws.enters("/open,", `{"token":"x"}`); other == id {
			t.Error("two namespaces have one id")
		}
		ws.write("40/refused,", "40/nowhere,")
		seen := map[string]bool{}
		for range 2 {
			p, err := ws.Read()
			if err != nil {
				t.Fatal(err)
			}
			seen[p] = true
		}
		if !seen[`44/refused,{"message":"no "}`] || !seen[`44/nowhere,{"message":"Invalid namespace"}`] {
			t.Errorf("got %v", seen)
		}
		w.forget()
		ws.write(`421["say","ä漢😀"]`)
		ws.read(`431["gr\u00fc\u00dfe"]`)
		w.want(`said 21["say","ä漢😀"] 0`)
		ws.write(`451-/open,["say",{"_placeholder":true,"num":0}]`)
		if err := ws.WriteMessage(websocket.BinaryMessage, []byte{1, 2}); err != nil {
			t.Fatal(err)
		}
		w.want(`said 51-/open,["say",{"_placeholder":true,"num":0}] 1`)
		w.root.Send(NewEvent(root, []byte(`["file",{"_placeholder":true,"num":0}]`), [][]byte{{4, 3}}), nil)
		ws.read(`451-["file",{"_placeholder":true,"num":0}]`)
		kind, b, err := ws.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage || !slices.Equal(b, []byte{4, 3}) {
			t.Errorf("the attachment came as %v, %v, %v", kind, b, err)
		}
		w.root.Leave("the reason", nil) // the root is a namespace like any other
		ws.read("41")
		ws.write(`42/open,1["say"]`)
		ws.read(`43/open,1["gr\u00fc\u00dfe"]`)
		ws.write("41/open,")
		w.forget()
		ws.readEnd(websocket.CloseNormalClosure)
		w.want("closed: in no namespace")
	})
}

// TestProtocol5Auth: the payload of CONNECT reaches the decision, whatever it is.
func TestProtocol5Auth(t *testing.T) {
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		h.Decide = func(_ context.Context, a *Arrival) Verdict {
			w.note("%s %s %v", a.Namespace, a.Auth, a.TooLarge)
			return Admit(Open, nil)
		}
		h.Admitted = func(*Stay) {}
	}, func(w *world) {
		ws := w.websocket4()
		ws.enters("", ` { "token" : "ä" } `)
		ws.enters("/a,", "")
		w.want(`/ {"token":"ä"} false`, "/a  false")
	})
	for _, malformed := range []string{`40["x"]`, `40"x"`, `40{"a":`, `40{}x`, `401{}`} {
		inWorld(t, nil, func(w *world) {
			ws := w.websocket4()
			ws.write(malformed)
			ws.readEnd(0)
		})
	}
}

func TestProtocol5Polling(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.client4()
		r, err := c.Get(w.Context())
		var open map[string]any
		if err != nil || json.Unmarshal([]byte(r.Packets[0][1:]), &open) != nil || open["maxPayload"] != float64(DefaultMaxUnauthenticated) {
			t.Fatalf("got %v, %v", r, err)
		}
		w.post(c, http.StatusOK, "40")
		r, err = c.Get(w.Context())
		if err != nil || !strings.HasPrefix(r.Body, `40{"sid":"`) {
			t.Fatalf("got %v, %v", r, err)
		}
		w.forget()
		w.post(c, http.StatusOK, `421["say","5 Â°"]`, `451-["say",{"_placeholder":true,"num":0}]`, "bAQID")
		w.want(`said 21["say","5 Â°"] 0`, `said 51-["say",{"_placeholder":true,"num":0}] 1`)
		w.root.Send(NewEvent(root, []byte(`["file",{"_placeholder":true,"num":0}]`), [][]byte{{1, 2, 3}}), nil)
		w.poll(c, `431["gr\u00fc\u00dfe"]`, `451-["file",{"_placeholder":true,"num":0}]`, "bAQID")
		for _, malformed := range []string{"\x1e", "4\x1e", "b!", "9", ""} {
			body, d := strings.NewReader(malformed), w.client4()
			if _, err := d.Get(w.Context()); err != nil {
				t.Fatal(err)
			}
			if r, err := d.Do(w.Context(), http.MethodPost, "text/plain", body); err != nil || r.Status != http.StatusBadRequest && malformed != "4\x1e" {
				t.Errorf("%q was answered %v, %v", malformed, r, err)
			}
		}
		// A session keeps its protocol.
		other := w.client()
		other.SID = c.SID
		if r, err := other.Get(w.Context()); err != nil || r.Status != http.StatusBadRequest {
			t.Errorf("got %v, %v", r, err)
		}
		waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		w.post(c, http.StatusOK, "1")
		if r := <-waiting; r.Status != http.StatusOK { // the client waits for it
			t.Errorf("the last poll was answered %v", r)
		}
		w.post(c, http.StatusOK, "1")
		w.post(c, http.StatusBadRequest, "3")
	})
}

func TestProtocol5Upgrade(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.client4()
		if _, err := c.Get(w.Context()); err != nil {
			t.Fatal(err)
		}
		w.post(c, http.StatusOK, "40")
		ws := w.dial(c)
		ws.write("2probe")
		ws.read("3probe")
		ws.write("5")
		_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
		if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, `40{"sid":`) {
			t.Fatalf("got %q, %v", p, err)
		}
		ws.write(`421["say"]`)
		ws.read(`431["gr\u00fc\u00dfe"]`)
	})
}

// TestProtocol5Pings: the server pings, and a client that does not answer is gone.
func TestProtocol5Pings(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ws := w.websocket4()
		ws.enters("", "")
		w.forget()
		for range 5 {
			start := time.Now()
			ws.read("2")
			if d := time.Since(start); d < 24*time.Second || d > 26*time.Second {
				t.Errorf("a ping after %v", d)
			}
			ws.write("3")
			synctest.Wait()
		}
		ws.read("2")
		time.Sleep(21 * time.Second)
		w.want("left /: ping timeout", "done /: ping timeout", "closed: ping timeout")
		ws.Conn.Close()
		again := w.websocket4()
		again.write("2")
		again.readEnd(0)
	})
}

// TestProtocol5Handshake: a connection that asks for nothing has a deadline, which
// waits while a namespace is decided.
func TestProtocol5Handshake(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes = 2
		h.Decide = func(context.Context, *Arrival) Verdict { <-release; return Admit(Open, nil) }
	}, func(w *world) {
		release = make(chan struct{})
		idle, asks := w.websocket4(), w.websocket4()
		if r, err := w.client4().Get(w.Context()); err != nil || r.Status != http.StatusServiceUnavailable {
			t.Errorf("a third was answered %v, %v", r, err)
		}
		asks.write("40")
		start := time.Now()
		idle.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it stayed for %v", d)
		}
		time.Sleep(20 * time.Second)
		close(release)
		_ = asks.SetReadDeadline(time.Now().Add(time.Minute))
		p, err := asks.Read()
		if p == "2" { // a ping was due as well
			p, err = asks.Read()
		}
		if err != nil || !strings.HasPrefix(p, `40{"sid":`) {
			t.Errorf("got %q, %v", p, err)
		}
		if n := w.handshakes.Load(); n != 0 {
			t.Errorf("%d handshakes are counted", n)
		}
	})
}

// TestProtocol5ConnectTwice: a client that gave up before it was answered, and
// connects again, is in the namespace once, as its second stay.
func TestProtocol5ConnectTwice(t *testing.T) {
	var first bool
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		first = true
		h.Decide = func(ctx context.Context, _ *Arrival) Verdict {
			if first {
				first = false
				<-ctx.Done()
				w.note("given up")
				return Admit(Open, 1)
			}
			return Admit(Open, 2)
		}
		h.Admitted = func(st *Stay) { w.note("admitted %v", st.Value()) }
	}, func(w *world) {
		ws := w.websocket4()
		ws.write("40")
		synctest.Wait()
		ws.enters("", "")
		w.want("given up", "admitted 2")
	})
}

// TestFaultsE2Retryable: a client that hears CONNECT_ERROR stays away for good. One
// that may come back loses its transport instead, and comes back by itself; one
// that is in other namespaces keeps it, and enters as soon as it may.
func TestFaultsE2Retryable(t *testing.T) {
	busy := &Refusal{Error: map[string]string{"message": "busy"}, Retryable: true, Hold: true}
	inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = refuseAll(busy) }, func(w *world) {
		start := time.Now()
		ws := w.websocket4()
		ws.write("40")
		ws.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(start); d != retryHold {
			t.Errorf("it was held for %v", d)
		}
	})
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		h.Decide = refuseAll(&Refusal{Error: busy.Error, Retryable: true, Tell: true})
	}, func(w *world) {
		ws := w.websocket4()
		ws.write("40")
		ws.read(`44{"message":"busy","data":{"message":"busy"}}`)
	})
	for _, eio := range []string{"3", "4"} {
		var asked int
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			asked = 0
			h.Decide = func(_ context.Context, a *Arrival) Verdict {
				if a.Namespace == root {
					return Admit(Open, nil)
				}
				if asked++; asked < 5 {
					return Refuse(busy)
				}
				return Admit(Open, nil)
			}
		}, func(w *world) {
			var ws *socket
			if eio == "3" {
				_, ws = w.websocket()
			} else {
				ws = w.websocket4()
				ws.enters("", "")
			}
			start := time.Now()
			ws.write("40/a,")
			if eio == "3" {
				ws.read(`44/a,{"message":"busy"}`)
			}
			_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
			if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, `40/a,`) {
				t.Errorf("got %q, %v", p, err)
			}
			if d := time.Since(start); d != (1+2+4+5)*time.Second {
				t.Errorf("it was admitted after %v", d)
			}
			ws.write("41/a,")
		})
	}
	t.Run("live", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			ws := w.websocket4()
			ws.enters("", "")
			ws.enters("/open,", "")
			time.Sleep(2 * time.Second)
			w.others["/open"].Leave("over", busy)
			ws.readEnd(websocket.CloseNormalClosure)
		})
	})
}

// TestSentBeforeTheAnswer: what is sent before CONNECT is answered comes behind the
// answer, also when the stay ends in between; a refusal takes the answer's place.
func TestSentBeforeTheAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(st *Stay)
		want []string
	}{
		"left": {func(st *Stay) { st.Leave("over", nil) }, []string{"40", `42["early"]`, "41"}},
		"left with a word": {func(st *Stay) { _ = st.EmitAndLeave("over", nil, "late") },
			[]string{"40", `42["early"]`, `42["late"]`, "41"}},
		"refused": {func(st *Stay) { st.Refuse("over", &Refusal{Error: "no"}) }, []string{"44"}},
	} {
		for _, eio := range []string{"3", "4"} {
			t.Run(name+" "+eio, func(t *testing.T) {
				inWorld(t, func(_ *world, _ *Config, h *hooks) {
					h.Admitted = func(st *Stay) {
						_ = st.Emit("early", nil)
						test.end(st)
						if st.Accept("", "") {
							t.Error("a stay that is over was accepted")
						}
					}
				}, func(w *world) {
					c := w.client()
					c.EIO = eio
					ws := w.dial(c)
					if err := c.ReadOpen(ws.Websocket); err != nil {
						t.Fatal(err)
					}
					if eio == "4" {
						ws.write("40")
					}
					for _, want := range test.want {
						_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
						if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, want) {
							t.Fatalf("got %q, %v, expected %q", p, err, want)
						}
					}
				})
			})
		}
	}
}
