package engine

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// adminOnly is a library without a root, and with /admin for clients with a token.
func adminOnly(_ context.Context, a *Arrival) Verdict {
	switch {
	case a.Namespace == root && (a.Session == nil || a.Session.Protocol() == 3):
		return Bare()
	case a.Namespace == "/admin" && a.Query.Get("token") == "good":
		return Admit(Pending, nil)
	case a.Namespace == "/admin" && a.Query.Get("token") == "later":
		return Refuse(&Refusal{Error: "later", Retryable: true})
	case a.Namespace == "/admin":
		return Refuse(&Refusal{Error: "no"})
	}
	return Unknown()
}

// TestFaultsE9BareRoot: a client 1.x or 2.x in a root that does not exist is in no
// namespace. It has a deadline, it counts against MaxHandshakes, and it is told to stay
// away, also from where it was refused.
func TestFaultsE9BareRoot(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes = 2
		h.Decide = adminOnly
	}, func(w *world) {
		_, idle := w.websocket()
		_, refused := w.websocket()
		refused.write("40/admin")
		refused.read(`44/admin,"no"`)
		refused.write("40/nowhere")
		refused.read(`44/nowhere,"Invalid namespace"`)
		if r, err := w.client().Get(w.Context()); err != nil || r.Status != http.StatusServiceUnavailable {
			t.Errorf("a third was answered %v, %v", r, err)
		}
		for range 4 { // signs of life do not count
			time.Sleep(2 * time.Second)
			idle.write("2")
			idle.read("3")
		}
		time.Sleep(2 * time.Second)
		idle.read("41")
		idle.readEnd(websocket.CloseNormalClosure)
		refused.read("41/nowhere,", "41/admin,", "41")
		refused.readEnd(websocket.CloseNormalClosure)
		if n := w.handshakes.Load(); n != 0 {
			t.Errorf("%d are counted", n)
		}
	})
}

// TestFaultsE9BareRootThatRetries: where the refusal is for now only, the client is
// left to its own reconnection.
func TestFaultsE9BareRootThatRetries(t *testing.T) {
	inWorld(t, func(_ *world, _ *Config, h *hooks) { h.Decide = adminOnly }, func(w *world) {
		began := time.Now()
		_, ws := w.websocket()
		ws.write("40/admin?token=later")
		ws.read(`44/admin,"later"`)
		ws.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("it stayed for %v", d)
		}
	})
}

// TestFaultsE9InAndOut: a client that has left its last namespace counts against
// MaxHandshakes again, and is ended if there is no place.
func TestFaultsE9InAndOut(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes = 1
		h.Decide = adminOnly
	}, func(w *world) {
		_, first := w.websocket()
		first.write("40/admin?token=good")
		first.read("40/admin,")
		if n := w.handshakes.Load(); n != 0 {
			t.Errorf("%d are counted", n)
		}
		_, second := w.websocket()
		second.write("40/admin?token=good")
		second.read("40/admin,")
		second.write("41/admin")
		synctest.Wait()
		if n := w.handshakes.Load(); n != 1 {
			t.Errorf("%d are counted", n)
		}
		began := time.Now()
		first.write("41/admin") // no place
		first.until("41")
		first.readEnd(websocket.CloseNormalClosure)
		if d := time.Since(began); d != 0 {
			t.Errorf("it stayed for %v", d)
		}
		second.write("40/admin?token=good") // it comes back in time
		second.read("40/admin,")
		time.Sleep(20 * time.Second)
		second.write("2")
		second.read("3")
	})
}

// TestFaultsE9RefusedThatStay: refused websockets count until they are gone, also the
// time in which they could answer.
func TestFaultsE9RefusedThatStay(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, h *hooks) {
		c.MaxHandshakes, c.RefusalDelay = 2, time.Millisecond
		h.Decide = refuseAll(nil)
	}, func(w *world) {
		dial := func() *socket {
			ws := w.dial(w.client())
			ws.SetCloseHandler(func(int, string) error { return nil }) // it never answers
			ws.until("41")
			return ws
		}
		dial()
		dial()
		if n := w.refused.Load(); n != 2 || w.Count() != 2 {
			t.Errorf("%d are counted of %d", n, w.Count())
		}
		for range 3 {
			dial()
			synctest.Wait()
			if n := w.Count(); n != 2 {
				t.Errorf("%d are there: one more than there are places for stays", n)
			}
		}
		time.Sleep(20 * time.Second)
		if n := w.Count(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// TestFaultsE10FirstPing: the first ping is due after PingInterval, also where that is
// shorter than a handshake may take.
func TestFaultsE10FirstPing(t *testing.T) {
	short := func(_ *world, c *Config, _ *hooks) { c.PingInterval, c.PingTimeout = time.Second, time.Second }
	t.Run("EIO 3", func(t *testing.T) {
		inWorld(t, short, func(w *world) {
			began := time.Now()
			_, ws := w.websocket()
			ws.readEnd(websocket.CloseNormalClosure)
			if d := time.Since(began); d != 2*time.Second {
				t.Errorf("a silent client stayed for %v", d)
			}
		})
	})
	t.Run("EIO 4", func(t *testing.T) {
		inWorld(t, short, func(w *world) {
			began := time.Now()
			ws := w.websocket4()
			ws.write("40")
			ws.until("2")
			if d := time.Since(began); d != time.Second {
				t.Errorf("the first ping came after %v", d)
			}
		})
	})
}

// TestEndingTakesAPlace: a client that nobody has accepted, and that breaks the protocol,
// counts until its session is gone. Otherwise a client could hold any number.
func TestEndingTakesAPlace(t *testing.T) {
	for _, packets := range [][]string{{"4garbage"}, {"40/pending,", "4garbage"}} {
		inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxHandshakes = 2 }, func(w *world) {
			for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusServiceUnavailable} {
				c := w.client()
				c.EIO = "4"
				if r, err := c.Get(w.Context()); err != nil || r.Status != want {
					t.Fatalf("got %v, %v, want %d", r, err, want)
				}
				if want == http.StatusOK {
					_, _ = c.Post(w.Context(), packets...)
				}
				synctest.Wait()
			}
			time.Sleep(6 * time.Second)
			if n, held := w.Count(), w.handshakes.Load(); n != 0 || held != 0 {
				t.Errorf("%d sessions are left, and %d places", n, held)
			}
		})
	}
}

// TestEndingTakesNoPlace: clients that were accepted do not count when their sessions end.
func TestEndingTakesNoPlace(t *testing.T) {
	for _, protocol := range []string{"3", "4"} {
		inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxHandshakes = 2 }, func(w *world) {
			for range 5 {
				c := w.client()
				c.EIO = protocol
				if r, err := c.Get(w.Context()); err != nil || r.Status != http.StatusOK {
					t.Fatalf("got %v, %v", r, err)
				}
				if protocol == "4" {
					w.post(c, http.StatusOK, "40")
				}
				synctest.Wait()
				w.last.End("the reason", &Refusal{Error: "no"})
				synctest.Wait()
			}
			if n := w.Count(); n != 5 {
				t.Errorf("%d sessions are left, want 5 that wait for a poll", n)
			}
			time.Sleep(6 * time.Second)
			if n, held := w.Count(), w.handshakes.Load(); n != 0 || held != 0 {
				t.Errorf("%d sessions are left, and %d places", n, held)
			}
		})
	}
}
