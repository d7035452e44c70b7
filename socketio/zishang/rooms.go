package zishang

import (
	"errors"
	"sync"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// adapters makes adapters that ask the rules about joins, and whose sessions go to their
// owners only.
type adapters struct {
	socket.AdapterConstructor
	server *Server
}

// New makes the adapter of a namespace.
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
	if g, ok := a.sockets.Load(id); ok {
		g.(*guarded).LeftRoom(string(room)) // first: it must not forget a join that follows
	}
	a.Adapter.Del(id, room)
}

// LeaveRoom takes the socket out of a room, for the guard ([socketio.RoomLeaver]).
func (g *guarded) LeaveRoom(room string) {
	s := g.socketOf()
	switch {
	case s == nil:
	case g.adapter == nil:
		s.Leave(socket.Room(room))
	default:
		g.adapter.Adapter.Del(s.Id(), socket.Room(room))
	}
}

var _ socketio.RoomLeaver = (*guarded)(nil)

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
