package googollee_test

import (
	"slices"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

// TestSelected: what goes to others, to a room and to each socket reaches those that are
// accepted, and nobody else.
func TestSelected(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.Namespace.OnEvent("join", func(c *googollee.Conn, room string) string { c.Join(room); return room })
		s.Namespace.OnEvent("lonely", func(c *googollee.Conn) string { c.LeaveAll(); return "" })
		s.Namespace.OnEvent("others", func(c *googollee.Conn) { c.To().Emit("for", "others") })
		s.Namespace.OnEvent("room", func(c *googollee.Conn, room string) { c.To(room).Emit("for", room) })
	})
	a, b, c := s.join("a"), s.join("b"), s.join("c")
	pending := dial(s, s.client())
	pending.read("40")
	here := func(room string) []string {
		var names []string
		s.ForEach(room, func(c *googollee.Conn) { names = append(names, subject(c)) })
		slices.Sort(names)
		return names
	}
	if got := here(""); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("in the namespace are %q", got)
	}
	a.write(`420["join","den"]`)
	a.read(`430["den"]`)
	b.write(`420["join","den"]`)
	b.read(`430["den"]`)
	if got := here("den"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("in the room are %q", got)
	}

	a.write(`42["others"]`)
	b.read(`42["for","others"]`)
	c.read(`42["for","others"]`)
	a.write(`42["room","den"]`)
	b.read(`42["for","den"]`)
	c.write(`42["room","den"]`) // from outside
	a.read(`42["for","den"]`)
	b.read(`42["for","den"]`)

	// The sender stays left out when it has left its own room.
	a.write(`421["lonely"]`)
	a.read(`431[""]`)
	a.write(`42["others"]`)
	b.read(`42["for","others"]`)
	c.read(`42["for","others"]`)

	s.ClearRoom("den")
	if got := here("den"); len(got) > 0 || s.RoomLen("den") != 0 {
		t.Errorf("after ClearRoom %q are in the room", got)
	}
	s.Namespace.Broadcast("end")
	for _, ws := range []*socket{a, b, c} {
		ws.read(`42["end"]`) // and nothing else before it
	}
	pending.write("2")
	pending.read("3")
}

// TestLeftBeforeItsTurn: a socket that leaves the rooms of a broadcast when it is chosen
// hears nothing of it.
func TestLeftBeforeItsTurn(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.Namespace.OnEvent("join", func(c *googollee.Conn) { c.Join("den"); c.Join("lair") })
		s.Namespace.OnEvent("leave", func(c *googollee.Conn) { c.Leave("den") })
		s.Namespace.OnEvent("leave all", func(c *googollee.Conn) { c.LeaveAll() })
		s.Namespace.OnEvent("sync", func(*googollee.Conn) string { return "" })
	})
	a := s.join("a")
	does := func(event string) func() {
		return func() {
			a.write(`42["`+event+`"]`, `420["sync"]`)
			a.read(`430[""]`)
		}
	}
	does("join")()
	googollee.BroadcastAcross(s.Namespace, "to the lair", does("leave"), "den", "lair")
	a.read(`42["to the lair"]`)
	does("join")()
	googollee.BroadcastAcross(s.Namespace, "to the den", does("leave"), "den")
	googollee.BroadcastAcross(s.Namespace, "to both", does("leave all"), "den", "lair")
	s.Namespace.Broadcast("end")
	a.read(`42["end"]`)
}
