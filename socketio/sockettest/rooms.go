package sockettest

import (
	"context"
	"maps"
	"slices"
)

// Join puts the socket into a room, if the rules allow it ([socketio.AllowRoom]).
// Otherwise the client is told by "unauthorized"; [Conn.JoinWith] says it here.
func (c *Conn) Join(room string) { _ = c.JoinWith(room, "") }

// JoinWith is Join with a room token ([socketio.RoomTokens]), "" for none. The error, an
// [*verifier.UnauthorizedError] as a rule, says why the socket may not be in the room; the
// client has been told.
func (c *Conn) JoinWith(room, token string) error {
	err := c.guard.Join(context.Background(), room, token, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			c.enter(room)
		}
	})
	if err != nil {
		c.guard.JoinRefused(room, err)
	}
	return err
}

// enter notes that the socket is in a room. The caller holds mu.
func (c *Conn) enter(room string) {
	if c.rooms == nil {
		c.rooms = make(map[string]bool)
	}
	c.rooms[room] = true
}

// Leave takes the socket out of a room.
func (c *Conn) Leave(room string) {
	c.guard.Left(room)
	(*socket)(c).LeaveRoom(room)
}

// LeaveAll takes the socket out of every room, including the one named by its ID.
func (c *Conn) LeaveAll() {
	c.guard.Left("")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms = nil
}

// Rooms returns the rooms that the socket is in, sorted: also the one named by its ID. It
// is in none when it is gone.
func (c *Conn) Rooms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.rooms))
}

// To selects the other sockets of the rooms, or all others if there are no rooms.
func (c *Conn) To(rooms ...string) BroadcastOperator { return c.server.To(rooms...).Except(c.id) }

// BroadcastOperator sends events to some sockets. Start one with [Server.To],
// [Server.Except] or [Conn.To]; each method returns another one. Sockets that are not open
// to the application are never among them.
type BroadcastOperator struct {
	server     *Server
	to, except []string
}

// To adds rooms to those whose sockets are selected.
func (b BroadcastOperator) To(rooms ...string) BroadcastOperator {
	b.to = slices.Concat(b.to, rooms)
	return b
}

// Except adds rooms to those whose sockets are not selected.
func (b BroadcastOperator) Except(rooms ...string) BroadcastOperator {
	b.except = slices.Concat(b.except, rooms)
	return b
}

// Emit sends an event, without an acknowledgement, once to each socket.
func (b BroadcastOperator) Emit(event string, args ...any) {
	e := newEvent(event, args)
	for _, c := range b.server.all() {
		if (len(b.to) == 0 || c.inAny(b.to)) && !slices.Contains(b.except, c.id) && !c.inAny(b.except) {
			c.send(e, nil)
		}
	}
}

func (c *Conn) inAny(rooms []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(rooms, func(room string) bool { return c.rooms[room] })
}

// To selects the sockets that are in any of the rooms, or all if there are none. A
// socket's ID is a room.
func (s *Server) To(rooms ...string) BroadcastOperator {
	return BroadcastOperator{server: s, to: rooms}
}

// Except selects the sockets that are in none of the rooms.
func (s *Server) Except(rooms ...string) BroadcastOperator {
	return BroadcastOperator{server: s, except: rooms}
}

// Broadcast sends an event to all sockets that are open to the application.
func (s *Server) Broadcast(event string, args ...any) { s.To().Emit(event, args...) }

// BroadcastTo sends an event to the sockets of a room that are open to the application.
func (s *Server) BroadcastTo(room, event string, args ...any) { s.To(room).Emit(event, args...) }

// RoomLen returns the number of sockets in a room.
func (s *Server) RoomLen(room string) (n int) {
	for _, c := range s.all() {
		if c.inAny([]string{room}) {
			n++
		}
	}
	return n
}
