package googollee

import (
	"fmt"
	"reflect"
	"sync"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// Namespace is a namespace of a [Server]: made by [Server.Authorize] or
// [Server.Public]. Register its handlers before the server serves.
type Namespace struct {
	server *Server
	name   string
	auth   *socketio.Authorizer // nil for a public one

	onConnect       func(*Conn) error
	onAuthenticated func(*Conn, *socketio.Session) error
	onDisconnect    func(*Conn, string)

	mu          sync.Mutex // guards the rest
	guestEvents map[string]bool
	sockets     map[*socket]struct{}
}

// OnConnect sets the handler of sockets that are let in without
// authentication: those of a public namespace, and the guests of an optional
// one. An error disconnects the socket.
func (n *Namespace) OnConnect(f func(c *Conn) error) { n.onConnect = f }

// OnAuthenticated sets the handler of sockets that have authenticated. It runs
// once for each, before any of its events is handled, and may block and emit.
// An error ends the session: the client is told if it is an
// [*verifier.UnauthorizedError], otherwise only that the server rejected it.
func (n *Namespace) OnAuthenticated(f func(c *Conn, s *socketio.Session) error) {
	n.onAuthenticated = f
}

// OnDisconnect sets the handler of sockets that are gone. It runs once for each
// socket that OnConnect or OnAuthenticated ran for, after them, with a reason
// that tells why.
func (n *Namespace) OnDisconnect(f func(c *Conn, reason string)) { n.onDisconnect = f }

// OnEvent sets the handler of an event: a function whose first parameter is
// *[Conn], whose others are what the client sent, decoded as go-socket.io does,
// and whose results acknowledge the event. In a guarded namespace it runs for
// authenticated sockets only. It panics, at registration, if f is not such a
// function.
func (n *Namespace) OnEvent(event string, f any) {
	n.register(event, f, n.auth == nil)
}

// OnGuestEvent is OnEvent for an event that guests of an optional namespace may
// send too. [Conn.Session] is nil for them.
func (n *Namespace) OnGuestEvent(event string, f any) {
	n.register(event, f, true)
}

var (
	connType  = reflect.TypeFor[*Conn]()
	gosioConn = reflect.TypeFor[gosio.Conn]()
)

// register wraps f so that go-socket.io, which knows handlers by namespace and
// not by socket, calls it for sockets that may.
func (n *Namespace) register(event string, f any, open bool) {
	if event == socketio.EventAuthenticate {
		panic(fmt.Sprintf("googollee: the event %q is authorization's own: use OnAuthenticated", event))
	}
	v := reflect.ValueOf(f)
	t := reflect.TypeOf(f)
	if t == nil || t.Kind() != reflect.Func || v.IsNil() || t.NumIn() == 0 || t.In(0) != connType || t.IsVariadic() {
		panic(fmt.Sprintf("googollee: the handler of %q must be a func(*googollee.Conn, ...), not %v", event, t))
	}
	in := []reflect.Type{gosioConn}
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	var out []reflect.Type
	for i := range t.NumOut() {
		out = append(out, t.Out(i))
	}
	nothing := func() []reflect.Value {
		var zeros []reflect.Value
		for _, t := range out {
			zeros = append(zeros, reflect.Zero(t))
		}
		return zeros
	}
	wrapped := reflect.MakeFunc(reflect.FuncOf(in, out, false), func(args []reflect.Value) (results []reflect.Value) {
		results = nothing()
		s := n.server.socket(args[0].Interface().(gosio.Conn), n.name)
		if s == nil || !s.mayHandle(open) {
			return results
		}
		args[0] = reflect.ValueOf(s.conn)
		_ = s.protect("the handler of "+event, func() error { results = v.Call(args); return nil })
		return results
	})
	n.mu.Lock()
	n.guestEvents[event] = open
	n.mu.Unlock()
	n.server.server.OnEvent(n.name, event, wrapped.Interface())
}

func (n *Namespace) forGuests(event string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.guestEvents[event]
}

// Broadcast emits an event to every socket that is let in.
func (n *Namespace) Broadcast(event string, args ...any) {
	n.mu.Lock()
	sockets := make([]*socket, 0, len(n.sockets))
	for s := range n.sockets {
		sockets = append(sockets, s)
	}
	n.mu.Unlock()
	args = nonNil(args)
	for _, s := range sockets {
		if s.isBound() {
			s.conn.Conn.Emit(event, args...)
		}
	}
}

// BroadcastTo emits an event to every socket of a room that is let in.
func (n *Namespace) BroadcastTo(room, event string, args ...any) {
	n.server.server.BroadcastToRoom(n.name, room, event, nonNil(args)...)
}

// join and remove keep the sockets of the namespace.
func (n *Namespace) join(s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[s] = struct{}{}
}

func (n *Namespace) remove(s *socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sockets, s)
}
