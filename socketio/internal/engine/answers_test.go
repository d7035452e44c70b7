package engine

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
)

// TestAnswer: an Answer receives the acknowledgement of the event that it was returned for, and is
// closed when the stay ends.
func TestAnswer(t *testing.T) {
	const first, second = `431073741825["first"]`, `431073741826["second"]`
	for name, test := range map[string]struct {
		between func(w *world, ws *socket, first Answer)
		want    [2]string // the data, "none", or "closed"
	}{
		"both come":       {func(*world, *socket, Answer) {}, [2]string{`["first"]`, `["second"]`}},
		"one is given up": {func(w *world, _ *socket, first Answer) { w.root.Forget(first) }, [2]string{"none", `["second"]`}},
		"of another stay": {func(w *world, _ *socket, first Answer) { w.others["/open"].Forget(first) }, [2]string{`["first"]`, `["second"]`}},
		"the stay ends":   {func(w *world, _ *socket, _ Answer) { w.root.Leave("over", nil) }, [2]string{"closed", "closed"}},
		"another ends":    {func(w *world, _ *socket, _ Answer) { w.others["/open"].Leave("over", nil) }, [2]string{`["first"]`, `["second"]`}},
		"the gate closes": {func(w *world, _ *socket, _ Answer) { w.root.SetGate(Pending) }, [2]string{"none", "none"}},
		"the wrong namespace": {func(_ *world, ws *socket, _ Answer) {
			ws.write(`43/open,1073741825["stolen"]`)
		}, [2]string{`["first"]`, `["second"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				_, ws := w.websocket()
				ws.write("40/open")
				ws.read("40/open,")
				answers := [2]Answer{NewAnswer(), NewAnswer()}
				for _, a := range answers {
					if !w.root.Send(NewEvent(root, []byte(`["ask"]`), nil), a) {
						t.Fatal("an event was not sent")
					}
				}
				ws.read(`421073741825["ask"]`, `421073741826["ask"]`)
				test.between(w, ws, answers[0])
				if name != "the stay ends" { // which ends the connection
					ws.write(first, second)
				}
				synctest.Wait()
				for i, a := range answers {
					got := "none"
					select {
					case p, ok := <-a:
						if got = "closed"; ok {
							got = string(p.Data)
						}
					default:
					}
					if got != test.want[i] {
						t.Errorf("the answer %d is %s, expected %s", i+1, got, test.want[i])
					}
				}
			})
		})
	}
}

// TestAnswerOfBusyClient: an event with an Answer is not sent to a client that owes too many
// acknowledgements; others are sent without asking for one.
func TestAnswerOfBusyClient(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxOutbound = 100 << 20 }, func(w *world) {
		w.polling()
		e := NewEvent(root, []byte(`["ask"]`), nil)
		for range maxAcks - 1 {
			w.root.Send(e, "x")
		}
		if !w.root.Send(e, NewAnswer()) {
			t.Error("the last one was not sent")
		}
		if w.root.Send(e, NewAnswer()) {
			t.Error("one too many was sent")
		}
		if !w.root.Send(e, "x") {
			t.Error("an event was not sent")
		}
	})
}

// TestOwnAcknowledgements: the binding's events ask for an acknowledgement while the client
// owes fewer than 64.
func TestOwnAcknowledgements(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		want := make([]string, 0, maxOwnAcks+1)
		for i := range maxOwnAcks + 1 {
			if err := w.root.Emit("e", func([]json.RawMessage) {}); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf(`42%d["e"]`, firstOwnID+1+i))
		}
		want[maxOwnAcks] = `42["e"]`
		w.poll(c, want...)
	})
}
