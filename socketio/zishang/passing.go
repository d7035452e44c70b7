package zishang

import (
	"runtime/debug"
	"slices"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// How packets get to the library's socket, and how that ends.
//
// The library's queue of a socket has no bound, and nothing can be taken out of it. So
// packets wait here, and each is handed over when the one before has been handled.

// maxQueue is how many packets wait here. Then the client has to.
const maxQueue = 64

// Packet takes a packet, to be handled when its turn comes.
func (g *guarded) Packet(p *engine.Packet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.fullLocked() {
		g.changed.Wait()
	}
	g.pushLocked(turn{packet: p})
}

// Take is Packet, if that need not wait ([engine.Taker]).
func (g *guarded) Take(p *engine.Packet) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fullLocked() {
		return false
	}
	g.pushLocked(turn{packet: p})
	return true
}

func (g *guarded) fullLocked() bool { return len(g.queue) >= maxQueue && !g.state.over() }

// pushLocked queues something behind the packets that came before.
func (g *guarded) pushLocked(t turn) {
	if g.state.over() {
		return
	}
	g.queue = append(g.queue, t)
	if !g.feeding && g.state >= open {
		g.feeding = true
		g.socket.Enqueue(g.feeder)
	}
}

// turn is a packet, or what comes between two of them.
type turn struct {
	packet *engine.Packet
	run    func()
}

// feed runs, on the queue of the library's socket, the first of what is queued, and comes
// back for the next: the library takes two turns for an event.
func (g *guarded) feed() {
	g.mu.Lock()
	if len(g.queue) == 0 {
		g.feeding = false
		g.mu.Unlock()
		return
	}
	t := g.queue[0]
	g.queue = slices.Delete(g.queue, 0, 1)
	g.changed.Broadcast()
	g.mu.Unlock()
	defer g.socket.Enqueue(g.again)
	if t.packet != nil {
		g.handle(t.packet)
	} else {
		t.run()
	}
}

// handle hands a packet to the library.
func (g *guarded) handle(p *engine.Packet) {
	if !g.mayHandle(p) {
		return
	}
	packet, err := decode(g.conn.namespace, p)
	if err != nil {
		g.conn.Emit("error", err) // the library ends the connection
		return
	}
	// The library would end the connection if it had forgotten the socket, which it does not
	// before the state says so.
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.state.over() {
		g.conn.data(packet)
	}
}

// write sends a packet of the library's, which it has encoded.
func (g *guarded) write(e *encoded) {
	switch e.kind {
	case parser.CONNECT:
		g.connecting()
	case parser.DISCONNECT:
		g.step(forgotten)
		g.Stay.Leave(serverDisconnect, nil)
	case parser.CONNECT_ERROR:
		g.deny(e.payload.JSON)
	case parser.EVENT, parser.ACK, parser.BINARY_EVENT, parser.BINARY_ACK:
		if b := e.broadcast; b == nil {
			g.Stay.Send(e.event, nil)
		} else if !g.deliver(e.event, false, b.rooms) {
			b.missed.Add(1)
		}
	}
}

// mayHandle reports whether the application may have a packet now, and waits until the
// session is set up. What a client sent as a guest is handled as a guest's, or not at all.
func (g *guarded) mayHandle(p *engine.Packet) bool {
	s := g.Current.Load()
	switch {
	case g.Authorizer == nil:
	case s == nil && !p.Guest, s != nil && p.Guest && !p.IsAck:
		return false
	case s != nil && !s.Wait() && g.now() != draining:
		return false
	}
	if p.IsAck {
		return p.Passes()
	}
	if !p.Passes() || !g.Permits(p) {
		return false
	}
	// If it has authenticated meanwhile, the rules were asked about the user.
	return !p.Guest || !g.declared.ruledEvents || g.Guard().Session() == nil
}

// Authenticate hands an attempt to the guard: that of a guest behind what it has sent
// before.
func (g *guarded) Authenticate(data any) {
	attempt := func() { g.Guard().Authenticate(data) }
	g.mu.Lock()
	wait := g.Guest.Load() && g.Current.Load() == nil && g.state == open && len(g.queue) < maxQueue
	if wait {
		g.pushLocked(turn{run: attempt})
	}
	g.mu.Unlock()
	if !wait {
		attempt()
	}
}

// ears stands before the listeners of a library's socket. They hear no event of a stay
// that is over, also if a handler adds them then.
type ears struct {
	types.EventEmitter
	guarded *guarded
}

// Emit calls the listeners of what the client sent, or of the socket's end.
func (e *ears) Emit(name types.EventName, args ...any) {
	switch name { // the library takes neither of these from clients
	case "disconnect":
		e.guarded.step(forgotten) // its queue is closed
	case "disconnecting":
	default:
		if !e.guarded.hears() || !e.guarded.isCurrent(name, args) {
			return
		}
	}
	e.EventEmitter.Emit(name, args...)
}

// hears reports whether the application may hear the client. The clock may have been set,
// so that the timer which ends the session is late.
func (g *guarded) hears() bool {
	s, guard := g.Current.Load(), g.Guard()
	live := s == nil || guard.Session() == s
	state := g.now() // behind the session, which ends when the client leaves
	return !state.over() && (live || state == draining)
}

// note is the first middleware of the socket of a guest. It keeps what the client sends
// as a user until its listeners hear it.
func (g *guarded) note(event []any, next func(error)) {
	g.mu.Lock()
	if g.Current.Load() != nil {
		if g.pending = append(g.pending, event); len(g.pending) > maxQueue {
			g.pending = g.pending[1:] // of one that a middleware has dropped, as a rule
		}
	}
	g.mu.Unlock()
	next(nil)
}

// isCurrent reports whether an event belongs to the session in force. A middleware of the
// socket may call next when a guest, who sent the event, has become a user.
func (g *guarded) isCurrent(name types.EventName, args []any) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.Guest.Load() || g.Current.Load() == nil {
		return true
	}
	if len(args) == 1 {
		if _, ok := args[0].(error); ok {
			return true // "error", from a middleware: clients send no Go errors
		}
	}
	i := slices.IndexFunc(g.pending, func(event []any) bool {
		// The library hands on the same slice, without the name.
		return event[0] == string(name) && len(event) == len(args)+1 && (len(args) == 0 || &event[1] == &args[0])
	})
	if i < 0 {
		return false
	}
	g.pending = slices.Delete(g.pending, i, i+1)
	return true
}

// Left takes note that the stay is over.
func (g *guarded) Left(reason string) {
	g.step(clientLeft)
	forget := func() { g.forgetLater(reason) }
	guard := g.Guard()
	if guard != nil {
		guard.Closed()
	}
	switch {
	case g.now() == draining: // see Done
	case guard != nil:
		guard.Notified(forget)
	default:
		forget()
	}
}

// recovered is deferred where the library may run what is not ours, such as an adapter.
// A panic costs the client its connection.
func (g *guarded) recovered() {
	if r := recover(); r != nil {
		g.server.logger.Error("zishang: a panic in a socket", "panic", r, "stack", string(debug.Stack()))
		g.Stay.Session().End("internal error", nil)
	}
}

// Done has the library forget a socket whose client has left, behind what it sent.
func (g *guarded) Done(reason string) {
	g.mu.Lock()
	s := g.socket
	if g.state == draining {
		g.pushLocked(turn{run: func() { g.forget(reason) }})
	}
	g.mu.Unlock()
	if s != nil && g.adapter != nil {
		g.adapter.sockets.CompareAndDelete(s.Id(), g)
	}
	g.giveBack()
}

// forgetLater is forget in a separate goroutine: handlers of "disconnect" may take
// their time.
func (g *guarded) forgetLater(reason string) {
	g.server.library.Tasks.Go(func() {
		defer g.recovered()
		g.forget(reason)
	})
}

// forget has the library forget the socket.
func (g *guarded) forget(reason string) {
	g.mu.Lock()
	c, s, next, state, denied := g.conn, g.socket, g.next, g.state, g.denied
	g.next = nil
	g.mu.Unlock()
	tell := func() { c.close(known(reason)) }
	switch {
	case c == nil || state == disconnected: // the library is at it
	case s != nil && next == nil && denied == nil && (state == gone || state == refused):
		s.Enqueue(tell) // behind the handlers of "connection"
	default: // of a socket that another middleware refused the library has closed the queue
		tell()
	}
	if next != nil {
		next(socket.NewExtendedError("closed", nil)) // the library asks for the state first
	}
}

// known returns the library's word for a reason.
func known(reason string) string {
	switch reason {
	case "client namespace disconnect", serverDisconnect, "transport close", "ping timeout", "server shutting down", "forced server close":
		return reason
	}
	return "transport error"
}
