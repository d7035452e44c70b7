package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// TestMalformedPackets: each ends the session with a reason, and the client
// learns nothing of it.
func TestMalformedPackets(t *testing.T) {
	for packet, reason := range map[string]string{
		`4`:                                     "an empty packet",
		`47`:                                    "unknown packet type",
		`42[say]`:                               "expected a JSON value",
		`45100000000-[`:                         "expected a number of attachments and a dash",
		`4599-["x"]`:                            "more than 64",
		`45["x"]`:                               "expected a number of attachments and a dash",
		`41-["x"]`:                              "a CONNECT or DISCONNECT packet has data",
		`44"x"`:                                 "a client sent an ERROR packet",
		`3["x"]`:                                "",
		`5`:                                     "a client sent an Engine.IO packet of type",
		`0{}`:                                   "a client sent an Engine.IO packet of type",
		`9`:                                     errFrame.Error(),
		`b4!`:                                   errBase64.Error(),
		`b4AAAA`:                                "an attachment belongs to no packet",
		`42/ö,["x"]`:                            "printable ASCII",
		"2" + pad(65):                           "at most 64 bytes of ASCII in a PING",
		"2\x80":                                 "at most 64 bytes of ASCII in a PING",
		`42["` + "\xff":                         "not valid UTF-8",
		`43["x"]`:                               "an ACK packet has no id",
		`42["a",{"_placeholder":true,"num":0}]`: "a placeholder refers to none",
	} {
		t.Run(packet, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				_, ws := w.websocket()
				w.forget()
				ws.write(packet)
				if reason == "" {
					w.want()
					return
				}
				got := w.noted()
				if len(got) != 3 || !strings.Contains(strings.Join(got, "\n"), "left /: malformed packet: ") || !strings.Contains(got[0], reason) {
					t.Errorf("got %q, expected the reason %q", got, reason)
				}
				ws.SetCloseHandler(nil)
				_, err := ws.Read()
				if ce, ok := err.(*websocket.CloseError); ok && ce.Code != websocket.CloseAbnormalClosure && ce.Text != "" {
					t.Errorf("the client was told %q", ce.Text)
				}
				ws.Conn.Close()
			})
		})
	}
}

func pad(n int) string { return strings.Repeat("x", n) }

// TestAttachmentsOutOfPlace: another packet may not come between.
func TestAttachmentsOutOfPlace(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`451-["say",{"_placeholder":true,"num":0}]`, "2")
		ws.read("3") // but a PING may
		ws.write(`42["say"]`)
		got := w.noted()
		if len(got) != 3 || !strings.Contains(got[0], "a packet came before the attachments of the one before it") {
			t.Errorf("got %q", got)
		}
		ws.Conn.Close()
	})
}

// TestAttachmentsTooLarge: MaxMessage bounds a packet together with its attachments.
func TestAttachmentsTooLarge(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for over := range 2 {
			inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxMessage = 1000 }, func(w *world) {
				_, ws := w.websocket()
				w.forget()
				packet := fmt.Sprintf(`5%d-["say"]`, n)
				ws.write("4" + packet)
				rest := 1000 + over - len(packet)
				for i := range n {
					size := rest / (n - i)
					rest -= size
					_ = ws.WriteMessage(websocket.BinaryMessage, append([]byte{4}, pad(size)...))
				}
				got := w.noted()
				if over == 0 && (len(got) != 1 || got[0] != fmt.Sprintf("said %s %d", packet, n)) {
					t.Errorf("%d attachments: got %q", n, got)
				}
				if over == 1 && (len(got) != 3 || !strings.Contains(got[0], "a packet is too large with its attachments")) {
					t.Errorf("%d attachments, a byte too many: got %q", n, got)
				}
				ws.Conn.Close()
			})
		}
	}
}

// TestPending: behind a closed gate nothing comes in but "authenticate", and
// nothing goes out but what is emitted on purpose.
func TestPending(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		h.Decide = admitAll(Pending)
	}, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["say"]`, `421["say"]`, `451-["say",{"_placeholder":true,"num":0}]`, `b4AAAA`, `431[]`, `43999["x"]`, `42["close"]`)
		w.want()
		s := w.root
		if w.root.Send(NewEvent(root, []byte(`["secret"]`), nil), nil) {
			t.Error("an event went out")
		}
		ws.write(`427["authenticate",{"token":"x"},"y"]`)
		w.want(`authenticate / [{"token":"x"} "y"]`)
		if err := s.Emit("no", nil, "reason"); err != nil {
			t.Error(err)
		}
		ws.read(`42["no","reason"]`)
		if err := s.EmitAndSetGate(Open, "yes"); err != nil {
			t.Error(err)
		}
		ws.read(`42["yes"]`)
		ws.write(`421["say"]`)
		w.want(`said 21["say"] 0`)
		ws.read(`431["gr\u00fc\u00dfe"]`)
		w.root.Send(NewEvent(root, []byte(`["news"]`), nil), nil)
		s.Send(NewPacket(root, false, nil, []byte(`["news","ü"]`), nil), nil)
		ws.read(`42["news"]`, `42["news","\u00fc"]`)
		w.root.SetGate(Pending)
		ws.write(`42["say"]`)
		w.want()
	})
}

// TestGateClosesBehindTheQueue: what had passed and is not read yet does not get
// in any more, and an acknowledgement that was owed is not given.
func TestGateClosesBehindTheQueue(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["hang"]`, `421["say"]`)
		w.want()
		w.root.SetGate(Pending)
		w.last.End("the reason", nil)
		w.want("left /: the reason", "done /: the reason", "closed: the reason")
		ws.readEnd(websocket.CloseNormalClosure)
	})
}

// TestLastWords: what a client sends before it leaves is handled, and then the
// library hears that it left.
func TestLastWords(t *testing.T) {
	var order []string
	inWorld(t, func(w *world, _ *Config, h *hooks) {
		order = nil
		h.Done = func(st *Stay, reason string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			order = append(w.log[:len(w.log):len(w.log)], "done "+st.Namespace())
		}
	}, func(w *world) {
		c := w.polling()
		w.forget()
		w.post(c, http.StatusOK, `42["say",1]`, `42["say",2]`, "41", "1")
		w.noted()
		said := 0
		for _, line := range order {
			if strings.HasPrefix(line, "said") {
				said++
			}
		}
		if said != 2 || order[len(order)-1] != "done /" {
			t.Errorf("the order is %q", order)
		}
	})
}

func TestGuests(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) { h.Decide = admitAll(Guest) }, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		ws.write(`421["say"]`)
		ws.read(`431["gr\u00fc\u00dfe"]`)
		w.want(`said 21["say"] 0`)
		w.root.Send(NewEvent(root, []byte(`["news"]`), nil), nil)
		ws.read(`42["news"]`)
		go func() { _ = ws.Write(`42["say","` + pad(DefaultMaxUnauthenticated) + `"]`) }()
		ws.readEnd(0) // it still counts as unauthenticated
	})
}

// TestAuthenticateIsBounded in size and number.
func TestAuthenticateIsBounded(t *testing.T) {
	t.Run("number", func(t *testing.T) {
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Authenticate = func(st *Stay, _ []json.RawMessage, _ bool) { <-st.Session().Done() }
		}, func(w *world) {
			_, ws := w.websocket()
			w.forget()
			for range maxAttempts + 2 {
				_ = ws.Write(`42["authenticate"]`)
			}
			got := w.noted()
			if len(got) != 3 || !strings.Contains(strings.Join(got, "\n"), "too many authenticate events at once") {
				t.Errorf("got %q", got)
			}
			ws.Conn.Close()
		})
	})
	t.Run("one after the other", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			for range 3 * maxAttempts {
				ws.write(`42["authenticate"]`)
				synctest.Wait()
			}
			ws.write("2")
			ws.read("3")
		})
	})
	t.Run("size", func(t *testing.T) {
		var large []bool
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			large = nil
			h.Authenticate = func(_ *Stay, _ []json.RawMessage, tooLarge bool) { large = append(large, tooLarge) }
		}, func(w *world) {
			_, ws := w.websocket()
			most := w.config.MaxUnauthenticated - len(`["authenticate",""]`)
			ws.write(`42["authenticate","` + pad(most) + `"]`)
			synctest.Wait()
			ws.write(`42["authenticate","` + pad(most+1) + `"]`)
			synctest.Wait()
			if !slices.Equal(large, []bool{false, true}) {
				t.Errorf("too large: %v", large)
			}
		})
	})
	t.Run("attachments", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			w.forget()
			ws.write(`451-["authenticate",{"_placeholder":true,"num":0}]`, "b4AAAA")
			w.want(`authenticate / [{"_placeholder":true,"num":0}]`)
		})
	})
}

// TestIdlePackets: a client in no namespace is cut off when it sends too much at once,
// also after its end. A client that is accepted, or sends slowly, is not.
func TestIdlePackets(t *testing.T) {
	pending := func(_ *world, _ *Config, h *hooks) {
		h.Decide = admitAll(Pending)
	}
	for name, packet := range map[string]string{
		"events": `42["say"]`, "acknowledgements": "437[]", "namespaces": "40/pending", "pongs": "3",
	} {
		flood := slices.Repeat([]string{packet}, maxIdle)
		t.Run(name, func(t *testing.T) {
			inWorld(t, pending, func(w *world) {
				_, ws := w.websocket()
				w.forget()
				ws.write(flood...)
				synctest.Wait()
				if got := w.noted(); slices.Contains(got, "closed: sent too much before it was accepted") {
					t.Errorf("got %q", got)
				}
				_ = ws.Write(packet)
				if got := w.noted(); !slices.Contains(got, "closed: sent too much before it was accepted") {
					t.Errorf("got %q", got)
				}
				_ = ws.Conn.Close()
			})
		})
		t.Run(name+" by polling", func(t *testing.T) {
			inWorld(t, pending, func(w *world) {
				c := w.polling()
				w.forget()
				w.post(c, http.StatusOK, append(flood, packet)...)
				if got := w.noted(); !slices.Contains(got, "closed: sent too much before it was accepted") {
					t.Errorf("got %q", got)
				}
				w.post(c, http.StatusBadRequest, packet)
			})
		})
	}
	flood := slices.Repeat([]string{"3"}, maxIdle)
	t.Run("with a pause", func(t *testing.T) {
		inWorld(t, pending, func(w *world) {
			_, ws := w.websocket()
			for range 3 {
				ws.write(flood...)
				time.Sleep(time.Second)
			}
			ws.write("2")
			ws.read("3")
		})
	})
	t.Run("with a pause, by polling", func(t *testing.T) {
		inWorld(t, pending, func(w *world) {
			c := w.polling()
			for range 3 {
				w.post(c, http.StatusOK, flood...)
				time.Sleep(time.Second)
			}
			w.post(c, http.StatusOK, "2")
			w.poll(c, "3")
		})
	})
	t.Run("control frames", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			go func() { _, _ = ws.Read() }() // takes the answers
			began := time.Now()
			for ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) == nil {
				synctest.Wait()
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("it was cut off after %v", waited)
			}
			_ = ws.Conn.Close()
		})
	})
	t.Run("accepted", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			ws.write(flood...)
			ws.write(flood...)
			ws.write("2")
			ws.read("3")
		})
	})
	t.Run("behind the end", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			w.last.End("", nil)
			synctest.Wait()
			ws.write(flood...)
			synctest.Wait()
			ws.readEnd(websocket.CloseNormalClosure)
		})
		inWorld(t, nil, func(w *world) {
			_, ws := w.websocket()
			ws.write("2")
			ws.read("3")
			w.last.End("", nil)
			synctest.Wait()
			for range 3 { // the session has just ended
				ws.write(flood...)
			}
			synctest.Wait()
			ws.readEnd(websocket.CloseNormalClosure)
		})
		inWorld(t, pending, func(w *world) {
			_, ws := w.websocket()
			w.last.End("", nil)
			synctest.Wait()
			ws.write(flood...)
			began := time.Now()
			for ws.Write("3") == nil {
				synctest.Wait()
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("it was cut off after %v", waited)
			}
			_ = ws.Conn.Close()
		})
	})
	t.Run("refused", func(t *testing.T) {
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Decide = refuseAll(nil)
		}, func(w *world) {
			ws := w.dial(w.client())
			began := time.Now()
			for range maxIdle {
				ws.write("3")
			}
			for ws.Write("3") == nil {
				synctest.Wait()
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("it was cut off after %v", waited)
			}
			_ = ws.Conn.Close()
		})
	})
}
