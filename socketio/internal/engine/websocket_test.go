package engine

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

func TestWebsocket(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c, ws := w.websocket()
		w.want("admitted /")
		ws.write(`421["say","ä漢😀"]`)
		ws.read(`431["gr\u00fc\u00dfe"]`)
		ws.write("2x")
		ws.read("3x")
		w.want(`said 21["say","ä漢😀"] 0`)
		ws.write(`451-["say",{"_placeholder":true,"num":0}]`)
		if err := ws.WriteMessage(websocket.BinaryMessage, []byte{4, 1, 2}); err != nil {
			t.Fatal(err)
		}
		w.want(`said 51-["say",{"_placeholder":true,"num":0}] 1`)
		w.root.Send(NewEvent(root, []byte(`["file",{"_placeholder":true,"num":0}]`), [][]byte{{1, 2, 3}}), nil)
		ws.read(`451-["file",{"_placeholder":true,"num":0}]`, "b4AQID")

		// Fault 3: a poll with its id is not a change of transport.
		if r, err := c.Get(w.Context()); err != nil || r.Status != http.StatusBadRequest {
			t.Errorf("a poll was answered %v, %v", r, err)
		}
		if _, res, err := c.Dial(w.Context()); err == nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("a second websocket got %v", err)
		}
		ws.write("2")
		ws.read("3")
	})
}

func TestNoCompression(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := websocket.Dialer{NetDialContext: w.pipe.DialContext, EnableCompression: true}
		c, res, err := d.DialContext(w.Context(), "ws://127.0.0.1:1/socket.io/?EIO=3&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if h := res.Header.Get("Sec-Websocket-Extensions"); h != "" {
			t.Errorf("got the extensions %q", h)
		}
	})
}

// TestUpgrade: nothing is lost or comes out of order while the transport changes.
func TestUpgrade(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		send := func(n string) { w.root.Send(NewEvent(root, []byte(`["e",`+n+`]`), nil), nil) }
		c := w.polling()
		w.forget()
		waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		ws := w.dial(c)
		ws.write("2probe")
		ws.read("3probe")
		// The poll returns soon, with NOOP. Data still goes out by polling.
		if r := <-waiting; len(r.Packets) != 1 || r.Packets[0] != "6" {
			t.Errorf("the poll brought %q", r.Packets)
		}
		send("0")
		w.poll(c, `42["e",0]`)
		send("1")
		w.post(c, http.StatusOK, `420["say"]`) // a POST that was under way
		w.want(`said 20["say"] 0`)
		send("2")
		ws.write("5", `421["say"]`)
		ws.read(`42["e",1]`, `430["gr\u00fc\u00dfe"]`, `42["e",2]`, `431["gr\u00fc\u00dfe"]`)
		w.want(`said 21["say"] 0`)
		w.post(c, http.StatusOK, `42["say"]`) // one that was later still
		w.want(`said 2["say"] 0`)
		if r, err := c.Get(w.Context()); err != nil || r.Status != http.StatusBadRequest {
			t.Errorf("a poll afterwards was answered %v, %v", r, err)
		}
	})
}

// TestFaultsE4ProbeAnswerLost: the client polls on while a proxy drops what the server
// sends by websocket. It gets its data, and is not made to poll without a pause.
func TestFaultsE4ProbeAnswerLost(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		ws := w.dial(c)
		ws.write("2probe") // and the answer is lost
		synctest.Wait()
		began, polls, events := time.Now(), 0, 0
		for time.Since(began) < 8*time.Second {
			sent := time.Now()
			w.root.Send(NewEvent(root, []byte(`["e"]`), nil), nil)
			r, err := c.Get(w.Context())
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(r.Packets, `42["e"]`) {
				events++
			}
			if d := time.Since(sent); d > time.Second {
				t.Errorf("an event took %v", d)
			}
			r, err = c.Get(w.Context()) // nothing to fetch
			if err != nil || !slices.Equal(r.Packets, []string{"6"}) {
				t.Fatalf("an empty poll brought %q, %v", r.Packets, err)
			}
			polls += 2
		}
		if events != polls/2 || polls > 200 {
			t.Errorf("%d events in %d polls", events, polls)
		}
		ws.Conn.Close()
	})
}

// TestFaultsE8Subprotocol: the first that the client offers is chosen; what may be a
// token is never echoed.
func TestFaultsE8Subprotocol(t *testing.T) {
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{[]string{"chat"}, "chat"},
		{[]string{"chat", "superchat"}, "chat"},
		{[]string{"access_token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"}, "access_token"},
		{[]string{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "access_token"}, "access_token"},
		{[]string{"a.b.c"}, ""},
		{[]string{"a.b"}, "a.b"},
		{[]string{strings.Repeat("o", 41)}, ""},
		{[]string{strings.Repeat("o", 40)}, strings.Repeat("o", 40)},
		{nil, ""},
	} {
		inWorld(t, nil, func(w *world) {
			d := websocket.Dialer{NetDialContext: w.pipe.DialContext, Subprotocols: test.offered}
			c, _, err := d.DialContext(w.Context(), "ws://127.0.0.1:1/socket.io/?EIO=3&transport=websocket", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Subprotocol() != test.want {
				t.Errorf("of %q the server chose %q, expected %q", test.offered, c.Subprotocol(), test.want)
			}
		})
	}
}

// TestFailedUpgrades: polling goes on, whatever a candidate does.
func TestFailedUpgrades(t *testing.T) {
	for name, candidate := range map[string]func(w *world, ws *socket){
		"says nothing":          func(w *world, ws *socket) { time.Sleep(11 * time.Second) },
		"UPGRADE first":         func(w *world, ws *socket) { ws.write("5") },
		"another probe":         func(w *world, ws *socket) { ws.write("2x") },
		"an event":              func(w *world, ws *socket) { ws.write(`42["say"]`) },
		"too long":              func(w *world, ws *socket) { ws.write("2" + strings.Repeat("x", 100)) },
		"binary":                func(w *world, ws *socket) { _ = ws.WriteMessage(websocket.BinaryMessage, []byte{4}) },
		"goes away":             func(w *world, ws *socket) { ws.Conn.Close() },
		"probe, then nothing":   func(w *world, ws *socket) { ws.write("2probe"); ws.read("3probe"); time.Sleep(11 * time.Second) },
		"probe twice":           func(w *world, ws *socket) { ws.write("2probe"); ws.read("3probe"); ws.write("2probe") },
		"probe, then an event":  func(w *world, ws *socket) { ws.write("2probe"); ws.read("3probe"); ws.write(`42["say"]`) },
		"probe, then goes away": func(w *world, ws *socket) { ws.write("2probe"); ws.read("3probe"); ws.Conn.Close() },
		"never reads the answer": func(w *world, ws *socket) {
			ws.write("2probe")
			time.Sleep(11 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				c := w.polling()
				w.post(c, http.StatusOK, "2")
				w.poll(c, "3")
				w.forget()
				ws := w.dial(c)
				candidate(w, ws)
				synctest.Wait()
				w.post(c, http.StatusOK, `421["say"]`)
				w.poll(c, `431["gr\u00fc\u00dfe"]`)
				w.want(`said 21["say"] 0`)
				ws.Conn.Close()
				again := w.upgrade(c) // and another may come
				again.write("2")
				again.read("3")
			})
		})
	}
}

// TestDoubleProbe: of two candidates the first counts; the other is refused.
func TestDoubleProbe(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		first := w.dial(c)
		if _, res, err := c.Dial(w.Context()); err == nil || res.StatusCode != http.StatusBadRequest {
			t.Fatalf("the second got %v", err)
		}
		first.write("2probe")
		first.read("3probe")
		if _, res, err := c.Dial(w.Context()); err == nil || res.StatusCode != http.StatusBadRequest {
			t.Fatalf("the third got %v", err)
		}
		first.write("5", "2")
		first.read("3")
	})
}

// TestEnds: what was sent before the end arrives, then the disconnect. The library
// hears of it once.
func TestEnds(t *testing.T) {
	refusal := &Refusal{Error: map[string]string{"message": "expired"}}
	before := NewEvent(root, []byte(`["before"]`), nil)
	all := []string{`42["before"]`, `44{"message":"expired"}`, "41"}
	end := func(w *world) {
		w.forget()
		w.root.Send(before, nil)
		w.last.End("the reason", refusal)
		w.last.End("again", refusal)
		if w.root.Send(before, nil) {
			w.Error("an event was sent after the end")
		}
		w.want("left /: the reason", "done /: the reason", "closed: the reason")
	}
	gone := func(w *world) {
		synctest.Wait()
		if n := w.Count(); n != 0 {
			w.Errorf("%d sessions are left", n)
		}
	}
	t.Run("polling", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			end(w)
			w.poll(c, all...)
			w.poll(c, "1")
			w.post(c, http.StatusOK, "1")
			gone(w)
		})
	})
	t.Run("a hanging poll", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
			w.forget()
			w.last.End("the reason", refusal)
			if r := <-waiting; !slices.Equal(r.Packets, all[1:]) {
				t.Errorf("the poll brought %q", r.Packets)
			}
			w.poll(c, "1")
			gone(w)
		})
	})
	t.Run("last packets that nobody fetches", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			w.polling()
			end(w)
			time.Sleep(16 * time.Second)
			gone(w)
		})
	})
	t.Run("websocket", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			end(w)
			ws.read(all...)
			ws.readEnd(websocket.CloseNormalClosure)
			gone(w)
		})
	})
	t.Run("a close frame that nobody answers", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			end(w)
			ws.read(all...)
			ws.SetCloseHandler(func(int, string) error { return nil })
			time.Sleep(16 * time.Second)
			gone(w)
			ws.Conn.Close()
		})
	})
	t.Run("during an upgrade", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			ws := w.dial(c)
			ws.write("2probe")
			ws.read("3probe")
			end(w)
			w.poll(c, "6")
			ws.write("5")
			ws.read(all...)
			ws.readEnd(websocket.CloseNormalClosure)
			gone(w)
		})
	})
	t.Run("during an upgrade that never comes", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			ws := w.dial(c)
			ws.write("2probe")
			ws.read("3probe")
			end(w)
			time.Sleep(16 * time.Second)
			ws.readEnd(0)
			gone(w)
		})
	})
	t.Run("without a word", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			w.last.End("the reason", nil)
			ws.readEnd(websocket.CloseNormalClosure)
			gone(w)
		})
	})
	t.Run("by the library", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			w.forget()
			ws.write(`42["close"]`)
			ws.read("41")
			ws.readEnd(websocket.CloseNormalClosure)
			gone(w)
			w.want("done /: server disconnect", "left /: server disconnect", "closed: server disconnect")
		})
	})
}

func TestTooLargeMessages(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["say","` + strings.Repeat("x", 1<<20-100) + `"]`)
		if got := w.noted(); len(got) != 1 || !strings.HasPrefix(got[0], "said ") {
			t.Fatalf("got %d lines", len(got))
		}
		go func() { _ = ws.Write(`42["say","` + strings.Repeat("x", 1<<20) + `"]`) }()
		ws.readEnd(0)
		reason := "a message is too large"
		w.want("left /: "+reason, "done /: "+reason, "closed: "+reason)
	})
}

func TestTooLargeMessagesBefore(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		h.Decide = admitAll(Pending)
	}, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		go func() { _ = ws.Write(`42["other","` + strings.Repeat("x", 20<<10) + `"]`) }()
		ws.readEnd(0)
		reason := "a message is too large"
		w.want("left /: "+reason, "done /: "+reason, "closed: "+reason)
	})
}
