package cluster

import (
	"context"
	"encoding/json"
)

// Local is this node's part of a namespace: what a [Namespace] asks of the server
// library. Sockets that may not hear anything yet, because they have not
// authenticated, do not exist for it: it sends them nothing, counts and shows none
// of them, and puts them into no room.
//
// Its methods are called from any goroutine. Only ServerSideEmit may block.
type Local interface {
	// HasRoom reports whether a socket is in the room. A socket's ID is a room.
	HasRoom(room string) bool

	// Broadcast sends an event to the sockets of the target. The payload is a
	// JSON array whose first element is the event's name.
	Broadcast(event Payload, to Target)

	// BroadcastWithAck does the same and asks for an acknowledgement. It returns
	// how many sockets were asked and calls answer with the first value of each
	// one's acknowledgement, from any goroutine, until the context ends.
	BroadcastWithAck(ctx context.Context, event Payload, to Target, answer func(Payload)) (sockets int)

	// Sockets describes the sockets of the target.
	Sockets(to Target) []Socket

	// Join puts the sockets of the target into rooms.
	Join(to Target, rooms []string)

	// Leave takes the sockets of the target out of rooms.
	Leave(to Target, rooms []string)

	// Disconnect disconnects the sockets of the target, and the connections below
	// them if closeConnection is set.
	Disconnect(to Target, closeConnection bool)

	// ServerSideEmit handles an event of another server. If it asks for an
	// acknowledgement, ack is called at most once with one value; otherwise ack is
	// nil. The events of a namespace are handled one after the other.
	ServerSideEmit(event Payload, ack func(Payload))
}

// Target says which sockets of a namespace something is for: those in any of the
// Rooms, or all if there are none, but not those in any of Except.
type Target struct {
	Rooms  []string
	Except []string

	Volatile bool // of events: may be dropped for clients that are not ready
}

// Socket describes a socket to other nodes.
type Socket struct {
	ID        string          `json:"id"`
	Handshake Handshake       `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"` // the application's, "{}" if nil

	// Secrets are values, such as the socket's token, that Handshake must not tell
	// anybody: whatever contains one of them is removed before it is sent.
	Secrets []string `json:"-"`
}
