package zishang

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// adapters makes adapters that ask the rules about joins, and whose sessions go to their
// owners only.
type adapters struct {
	socket.AdapterConstructor
	server *Server
}

func (b *adapters) New(n socket.Namespace) socket.Adapter {
	return &adapter{Adapter: b.AdapterConstructor.New(n), server: b.server}
}

// adapter is the library's or the application's adapter of a namespace. Every join comes
// through it, whether the application, a middleware, or another node asks for it.
type adapter struct {
	socket.Adapter
	server  *Server
	sockets sync.Map       // *guarded by the SocketId of its socket
	turns   [16]sync.Mutex // see turn
}

// join is a join with a room token.
type join struct {
	room   socket.Room
	token  string
	result chan error
}

// JoinWith puts a socket into a room with a room token ([socketio.RoomTokens]), "" for
// none. The library's Join does the same without a token. The error, an
// [*verifier.UnauthorizedError] as a rule, says why the socket may not be in the room; the
// client has been told.
//
// In a namespace with rules for rooms a [socketio.Decider] is asked while the library
// holds a lock of the socket's: it must not call the socket's Disconnect, but may end its
// session. Listeners of the adapter's events ("join-room" for example) must not make the
// same socket join or leave rooms.
func JoinWith(s *socket.Socket, room socket.Room, token string) error {
	c, ok := s.Conn().(*conn)
	if !ok {
		return errOtherEngine
	}
	g := c.guarded
	if _, ours := s.Nsp().Adapter().(*adapter); !ours { // it does not ask for a token
		if g.Stay.Over() {
			return socketio.ErrDisconnected
		}
		return g.JoinRoom(string(room), token, func() { s.Join(room) })
	}
	j := &join{room, token, make(chan error, 1)}
	g.joining.Lock()
	defer g.joining.Unlock()
	g.join.Store(j)
	s.Join(room)
	if g.join.CompareAndSwap(j, nil) {
		return socketio.ErrDisconnected // the library does not ask any more
	}
	return <-j.result
}

// AddAll puts a socket into the rooms that the rules allow. The room of its ID is its own.
func (a *adapter) AddAll(id socket.SocketId, rooms *types.Set[socket.Room]) {
	var g *guarded
	if known, ok := a.sockets.Load(id); ok {
		g = known.(*guarded)
	}
	for _, room := range rooms.Keys() {
		enter := func() { a.Adapter.AddAll(id, types.NewSet(room)) }
		j := &join{result: make(chan error, 1)} // without a token
		if g != nil {
			if asked := g.join.Load(); asked != nil && asked.room == room && g.join.CompareAndSwap(asked, nil) {
				j = asked
			}
		}
		switch {
		case room == socket.Room(id):
			enter()
			j.result <- nil
		case g != nil:
			j.result <- g.JoinRoom(string(room), j.token, enter) // the client is told
		}
	}
}

// Del takes a socket out of a room.
func (a *adapter) Del(id socket.SocketId, room socket.Room) {
	found, ok := a.sockets.Load(id)
	if !ok {
		a.Adapter.Del(id, room)
		return
	}
	g := found.(*guarded)
	g.LeftRoom(string(room)) // first: it must not forget a join that follows
	g.ExitRoom(func() { a.Adapter.Del(id, room) })
}

// LeaveRoom takes the socket out of a room, for the guard ([socketio.RoomLeaver]). The
// guard knows of rooms that were joined through our adapter only.
func (g *guarded) LeaveRoom(room string) {
	g.ExitRoom(func() { g.adapter.Adapter.Del(g.socketOf().Id(), socket.Room(room)) })
}

var _ socketio.RoomLeaver = (*guarded)(nil)

// broadcast is one that the library is writing.
type broadcast struct {
	rooms  []socket.Room
	missed atomic.Uint64 // sockets that the adapter counts, and that were not sent it
}

// Broadcast sends an event to many sockets.
func (a *adapter) Broadcast(p *parser.Packet, opts *socket.BroadcastOptions) {
	a.begin(p, opts)
	defer a.server.broadcasts.Delete(p)
	a.Adapter.Broadcast(p, opts)
}

// BroadcastWithAck is Broadcast for an event that asks for acknowledgements.
func (a *adapter) BroadcastWithAck(p *parser.Packet, opts *socket.BroadcastOptions, count func(uint64), ack socket.Ack) {
	b := a.begin(p, opts)
	defer a.server.broadcasts.Delete(p)
	a.Adapter.BroadcastWithAck(p, opts, func(n uint64) { count(n - min(n, b.missed.Swap(0))) }, ack)
}

// begin notes a broadcast, for [codec.Encode]: adapters encode the packet that they are given.
func (a *adapter) begin(p *parser.Packet, opts *socket.BroadcastOptions) *broadcast {
	b := &broadcast{}
	if opts != nil && opts.Rooms != nil {
		b.rooms = opts.Rooms.Keys()
	}
	a.server.broadcasts.Store(p, b)
	return b
}

// deliver sends an event of a broadcast to these rooms, if the socket is in one of them.
func (g *guarded) deliver(e *engine.Event, volatile bool, rooms []socket.Room) bool {
	return g.Deliver(e, nil, volatile, func() bool {
		return len(rooms) == 0 || slices.ContainsFunc(rooms, g.socketOf().Rooms().Has)
	})
}

// errAdapter is why a namespace refuses everybody.
var errAdapter = errors.New("rules for rooms and connection-state recovery need the adapter to be given in the options of zishang.NewServer, not by SetAdapter")

// adapterOf returns a namespace's adapter, nil if the application has set another one,
// and an error if the namespace needs it.
func (d *declaration) adapterOf(n socket.Namespace, recovers bool) (*adapter, error) {
	a, ok := n.Adapter().(*adapter)
	if ok || !recovers && !d.ruledRooms {
		return a, nil
	}
	return nil, errAdapter
}
