package engine

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
)

// TestUnauthorizedAsks: "unauthorized" asks for an acknowledgement also where nobody waits
// for it, as the last event too, and nothing is kept for it.
func TestUnauthorizedAsks(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, ws := w.websocket()
		for range 2 * maxOwnAcks {
			_ = w.root.Emit("mine", func([]json.RawMessage) { t.Error("an acknowledgement of nothing") })
		}
		ws.until(fmt.Sprint("42", firstOwnID+maxOwnAcks, `["mine"]`))
		ws.until(`42["mine"]`)
		w.last.mu.Lock()
		kept := len(w.last.acks)
		w.last.mu.Unlock()
		_ = w.root.Emit("unauthorized", nil, "why")
		_ = w.root.Emit("unauthorized", func([]json.RawMessage) {}, "again")
		_ = w.root.EmitAndLeave("over", nil, "unauthorized", "at last")
		ws.until(`421073741824["unauthorized","why"]`)
		ws.read(`421073741824["unauthorized","again"]`, `421073741824["unauthorized","at last"]`)
		ws.write(`431073741824[]`)
		synctest.Wait()
		w.last.mu.Lock()
		defer w.last.mu.Unlock()
		if kept != maxOwnAcks || len(w.last.acks) != 0 {
			t.Errorf("%d were kept, and %d at the end", kept, len(w.last.acks))
		}
	})
}
