package socketio

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Action is what a session asks to do.
type Action string

// The actions that are decided on after the connection.
const (
	ActionEvent Action = "event" // to send an event; the resource is its name
	ActionJoin  Action = "join"  // to join a room; the resource is its name
)

// decisionKey names a decision about a session: whose it is, and for what.
type decisionKey struct {
	by       any // a pointer
	action   Action
	resource string
}

// decision is what was decided, and until when it holds.
type decision struct {
	err   error
	until time.Time // zero for as long as the token is in force
}

// maxDecisions bounds what is kept for a session: clients choose the names of rooms.
const maxDecisions = 256

// forToken keeps a decision for as long as the token is in force.
const forToken = 0

// decisions are kept with a pass, and end with it. The zero value is empty.
type decisions struct {
	allowed atomic.Uint64 // by the number of a token's rule

	mu   sync.Mutex // guards the rest
	kept map[decisionKey]decision
}

// allows reports whether a numbered rule is known to allow the pass's token, and allow
// notes it. A number that has no bit is never known. Refusals are not kept: they are
// rare, and cost the client that asks for them.
func (d *decisions) allows(number int) bool { return number < 64 && d.allowed.Load()&(1<<number) != 0 }

func (d *decisions) allow(number int) {
	if number < 64 {
		d.allowed.Or(1 << number)
	}
}

func (d *decisions) get(k decisionKey) (error, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.kept[k]
	if !ok || !found.until.IsZero() && !time.Now().Before(found.until) {
		return nil, false
	}
	return found.err, true
}

func (d *decisions) put(k decisionKey, err error, ttl time.Duration) {
	made := decision{err: err}
	if ttl > 0 {
		made.until = time.Now().Add(ttl)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) >= maxDecisions {
		clear(d.kept)
	}
	if d.kept == nil {
		d.kept = make(map[decisionKey]decision)
	}
	d.kept[k] = made
}

// claimTexts are the values of a claim as texts: of a string, a number, or a list of
// those.
func claimTexts(t *verifier.Token, name string) []string {
	claims := make(map[string]json.RawMessage)
	if t.Claims(&claims) != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(claims[name], &list) != nil {
		list = []json.RawMessage{claims[name]}
	}
	var texts []string
	for _, value := range list {
		var text string
		var number json.Number
		switch {
		case len(value) == 0 || string(value) == "null":
		case json.Unmarshal(value, &text) == nil:
			texts = append(texts, text)
		case json.Unmarshal(value, &number) == nil:
			texts = append(texts, number.String())
		}
	}
	return texts
}
