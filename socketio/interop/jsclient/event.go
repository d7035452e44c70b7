package jsclient

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// String shows the event on one line.
func (e Event) String() string {
	s := e.Name + " " + join(e.Args)
	if e.ack != 0 {
		s += ", which asks for an acknowledgement"
	}
	return s
}

// JSON returns the arguments as one JSON array whose objects have sorted
// members, fit for comparison with [Canonical].
func (e Event) JSON() string { return Canonical(join(e.Args)) }

// WantsAck reports whether the server asked for an acknowledgement.
func (e Event) WantsAck() bool { return e.ack != 0 }

// Ack calls the acknowledgement that the server asked for with the event.
func (e Event) Ack(t testing.TB, args ...any) {
	t.Helper()
	if e.ack == 0 {
		t.Fatalf("%s asks for no acknowledgement\n%s", e.Name, e.client.Log())
	}
	e.client.note("→ acknowledge %s", show(e.Name, args))
	e.client.must(t, map[string]any{"cmd": "ack", "ack": e.ack, "args": args}, nil)
}

// Decode reads argument i of the event into v.
func (e Event) Decode(t testing.TB, i int, v any) {
	t.Helper()
	if i >= len(e.Args) {
		t.Fatalf("%s has no argument %d\n%s", e, i, e.client.Log())
	}
	if err := json.Unmarshal(e.Args[i], v); err != nil {
		t.Fatalf("%s: argument %d: %v\n%s", e, i, err, e.client.Log())
	}
}

// Canonical rewrites JSON with the members of every object sorted and no white
// space. It panics if s is not JSON.
func Canonical(s string) string {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		panic(fmt.Sprintf("not JSON: %v: %s", err, s))
	}
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func join(args []json.RawMessage) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = string(a)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func show(event string, args []any) string {
	if args == nil {
		args = []any{}
	}
	out, err := json.Marshal(args)
	if err != nil {
		return event + " " + err.Error()
	}
	return event + " " + string(out)
}
