package googollee

import (
	"maps"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// The rooms of a namespace are indexed both ways, so that a socket that leaves
// costs what its own rooms cost. The namespace's mutex guards both indexes; a
// socket that is not in the namespace is in no room.

// add takes a socket into the namespace, and into the room named by its ID.
func (n *Namespace) add(s *socket) {
	id := s.ID()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[s] = struct{}{}
	s.id = id
	n.enterRoom(id, s)
}

// remove takes it out of the namespace and every room.
func (n *Namespace) remove(s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sockets, s)
	n.exitRooms(s)
}

func (n *Namespace) joinRoom(room string, s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, here := n.sockets[s]; here {
		n.enterRoom(room, s)
	}
}

func (n *Namespace) leaveRoom(room string, s *socket) {
	s.ExitRoom(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.exitRoom(room, s)
	})
}

func (n *Namespace) leaveRooms(s *socket) {
	s.ExitRoom(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.exitRooms(s)
	})
}

// hasAny reports whether a socket is in any of the rooms.
func (n *Namespace) hasAny(rooms []string, s *socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(rooms, func(room string) bool {
		_, in := s.rooms[room]
		return in
	})
}

func (n *Namespace) roomsOf(s *socket) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(s.rooms))
}

// enterRoom, exitRoom and exitRooms change both indexes. The caller holds mu.
func (n *Namespace) enterRoom(room string, s *socket) {
	if s.rooms == nil {
		s.rooms = make(map[string]struct{}, 1)
	}
	s.rooms[room] = struct{}{}
	members := n.rooms[room]
	if members == nil {
		members = make(map[*socket]struct{}, 1)
		n.rooms[room] = members
	}
	members[s] = struct{}{}
}

func (n *Namespace) exitRoom(room string, s *socket) {
	delete(s.rooms, room)
	members := n.rooms[room]
	delete(members, s)
	if len(members) == 0 {
		delete(n.rooms, room)
	}
}

func (n *Namespace) exitRooms(s *socket) {
	for room := range s.rooms {
		n.exitRoom(room, s)
	}
	s.rooms = nil
}

// Count returns the number of sockets in the namespace, those included that have
// not authenticated yet.
func (n *Namespace) Count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sockets)
}

// Rooms returns the rooms that have a socket, in no order. Each socket is in a
// room that is called by its ID.
func (n *Namespace) Rooms() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.rooms))
}

// RoomLen returns the number of sockets in a room.
func (n *Namespace) RoomLen(room string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.rooms[room])
}

// ForEach calls f for each socket of this node that is accepted and in the room, or
// for each in the namespace if room is "". It holds no lock: f may do anything.
func (n *Namespace) ForEach(room string, f func(c *Conn)) {
	var to cluster.Target
	if room != "" {
		to.Rooms = []string{room}
	}
	for _, s := range (*local)(n).admitted(to) {
		f(&s.conn)
	}
}

// ClearRoom takes every socket of this node out of a room.
// n.To(room).Leave(room) does so on all nodes.
func (n *Namespace) ClearRoom(room string) { n.ForEach(room, func(c *Conn) { c.Leave(room) }) }
