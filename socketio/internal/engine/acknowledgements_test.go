package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBackPressure: a client waits when the library does not read, is not taken
// for idle meanwhile, and loses nothing.
func TestBackPressure(t *testing.T) {
	release := make(chan struct{})
	inWorld(t, func(w *world, c *Config, h *hooks) {
		c.MaxInbound = 10000
		h.Packet = func(_ *Stay, p *Packet) bool {
			if p.Event == "wait" {
				<-release
			}
			return p.Event == "wait"
		}
	}, func(w *world) {
		release = make(chan struct{})
		_, ws := w.websocket()
		w.forget()
		ws.write(`42["wait"]`)
		const n = 100
		go func() {
			for i := range n {
				if ws.Write(fmt.Sprintf(`42["say",%d,%q]`, i, pad(500))) != nil {
					return
				}
			}
		}()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		w.want()
		close(release)
		got := w.noted()
		for i, line := range got {
			if !strings.HasPrefix(line, fmt.Sprintf(`said 2["say",%d,`, i)) {
				t.Fatalf("at %d: %.40s", i, line)
			}
		}
		if len(got) != n {
			t.Errorf("%d of %d arrived", len(got), n)
		}
	})
}

// TestAcknowledgements of the application's events: each once, in turn, and only
// those that are waited for.
func TestAcknowledgements(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		w.forget()
		e := NewEvent(root, []byte(`["ask"]`), nil)
		w.root.Send(e, "first")
		w.root.Send(e, "second")
		w.root.Send(e, nil)
		ws.read(`421073741825["ask"]`, `421073741826["ask"]`, `42["ask"]`)
		ws.write(`42["say"]`, `461-1073741826[{"_placeholder":true,"num":0}]`, `b4AQID`,
			`431073741825["ä"]`, `431073741825["again"]`, `431["x"]`, `431073742047[]`)
		w.want(`said 2["say"] 0`, `acknowledged <nil> 31["x"]`, `acknowledged second 61-1073741826[{"_placeholder":true,"num":0}]`, `acknowledged first 31073741825["ä"]`)

		answered := make(chan string, 2)
		if err := w.root.Emit("mine", func(args []json.RawMessage) { answered <- fmt.Sprintf("%s", args) }, 1); err != nil {
			t.Fatal(err)
		}
		ws.read(`421073741827["mine",1]`)
		ws.write(`431073741827[1,"two"]`, `431073741827[]`)
		if got := <-answered; got != `[1 "two"]` {
			t.Errorf("got %s", got)
		}
		// A gate that closes keeps the application's out and lets ours pass.
		w.root.Send(e, "late")
		_ = w.root.Emit("mine", func(args []json.RawMessage) { answered <- "mine" })
		ws.read(`421073741828["ask"]`, `421073741829["mine"]`)
		w.root.SetGate(Pending)
		ws.write(`431073741828[]`, `431073741829[]`)
		w.want()
		if got := <-answered; got != "mine" || len(answered) != 0 {
			t.Errorf("got %s", got)
		}
		if err := w.root.Emit("bad", nil, func() {}); err == nil || !strings.Contains(err.Error(), `the arguments of "bad" cannot be sent as JSON`) {
			t.Errorf("got %v", err)
		}
	})
}

// TestManyOwedAcknowledgements: a client that never acknowledges costs a bounded
// number of entries.
func TestManyOwedAcknowledgements(t *testing.T) {
	inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxOutbound = 100 << 20 }, func(w *world) {
		w.polling()
		e := NewEvent(root, []byte(`["ask"]`), nil)
		for range 2 * maxAcks {
			w.root.Send(e, "x")
			_ = w.root.Emit("mine", func([]json.RawMessage) {})
		}
		w.last.mu.Lock()
		defer w.last.mu.Unlock()
		if n := len(w.last.acks); n != maxAcks {
			t.Errorf("%d are waited for", n)
		}
	})
}
