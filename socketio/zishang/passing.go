package zishang

import (
	"runtime/debug"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// How packets get to the library's socket, and how that ends.

// backlog bounds what waits in the queue of the library's socket, which has no bound.
type backlog struct {
	sent    int           // packets since the last mark
	mark    chan struct{} // closed when the queue has come to it
	pending bool          // whether there is one
}

// maxBacklog is how many packets are handed over between two marks. The next mark waits
// for the one before.
const maxBacklog = 32

// wait is called before a packet is handed over, by the one goroutine that does.
func (b *backlog) wait(g *guarded, s *socket.Socket) {
	if b.sent++; b.sent < maxBacklog {
		return
	}
	if b.pending {
		select {
		case <-b.mark:
		case <-g.left:
			return
		}
	}
	mark := make(chan struct{})
	b.sent, b.mark, b.pending = 0, mark, true
	s.Enqueue(func() { close(mark) })
}

// Packet hands a packet to the library, when its socket is connected and the session
// set up.
func (g *guarded) Packet(p *engine.Packet) {
	select {
	case <-g.opened:
	case <-g.left:
		// What the client sent before it left is handled, if it had come so far.
		if !g.isOpen() {
			return
		}
	}
	if g.refusedByOther() {
		return
	}
	if s := g.Current.Load(); s != nil && !s.Wait() && !g.hasLeft() || !p.Passes() {
		return
	}
	if !p.IsAck && !g.Permits(p) {
		return
	}
	s := g.socketOf()
	g.backlog.wait(g, s)
	if p.IsAck || len(s.ListenersAny()) > 0 {
		s.Enqueue(g.silenceOverdue) // ahead of the packet
	}
	g.conn.Emit("data", types.NewStringBufferString(string(p.Text())))
	for _, a := range p.Attachments {
		g.conn.Emit("data", types.NewBytesBuffer(a))
	}
}

func (g *guarded) refusedByOther() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.denied != nil
}

func (g *guarded) hasLeft() bool {
	select {
	case <-g.left:
		return true
	default:
		return false
	}
}

// Authenticate hands an attempt to the guard, behind what a guest has sent before: that
// must not meet handlers that are there when it has authenticated. The library takes two
// turns for each event.
func (g *guarded) Authenticate(data any) {
	attempt := func() { g.Guard().Authenticate(data) }
	if !g.isOpen() || g.Current.Load() != nil {
		attempt()
		return
	}
	s := g.socketOf()
	s.Enqueue(func() { s.Enqueue(attempt) })
}

// silenceOverdue keeps a packet from the application if the session's time is up: the
// clock may have been set, and the timer that ends the session is late. Listeners of
// OnAny and of acknowledgements hear a packet without a middleware between.
func (g *guarded) silenceOverdue() {
	guard := g.Guard()
	if s := g.Current.Load(); s == nil || guard == nil || guard.Session() == s || g.hasLeft() && !g.cut.Load() {
		return
	}
	g.silence()
}

// silence removes what the application listens with.
func (g *guarded) silence() {
	s := g.socketOf()
	if s == nil {
		return
	}
	s.OffAny(nil)
	s.Acks().Clear()
	for _, event := range s.EventNames() {
		switch event {
		case "disconnect", "disconnecting", "error":
		default:
			s.RemoveAllListeners(event)
		}
	}
}

// Left takes note that the stay is over. What the server ended is over for the
// application too; what the client sent before it left is yet to be handled.
func (g *guarded) Left(reason string) {
	close(g.left)
	guard := g.Guard()
	if guard != nil {
		guard.Closed()
	}
	if !g.cut.Load() {
		return // see Done
	}
	// Not here: handlers of "disconnect" may take their time.
	forget := func() {
		g.server.library.Tasks.Go(func() {
			defer g.recovered()
			g.forget(reason)
		})
	}
	if guard != nil {
		guard.Notified(forget)
	} else {
		forget()
	}
}

// recovered is deferred where the library may run what is not ours, such as an adapter.
// A panic costs the client its connection.
func (g *guarded) recovered() {
	if r := recover(); r != nil {
		g.server.logger.Error("zishang: a panic at the end of a socket", "panic", r, "stack", string(debug.Stack()))
		g.Stay.Session().End("internal error", nil)
	}
}

// Done has the library forget the socket, behind what it has of the client.
func (g *guarded) Done(reason string) {
	s := g.socketOf()
	if g.cut.Load() {
		return // see Left
	}
	if s == nil || !s.Connected() {
		g.forget(reason)
		return
	}
	s.Enqueue(func() { s.Enqueue(func() { g.forget(reason) }) })
}

// forget has the library forget the socket.
func (g *guarded) forget(reason string) {
	g.mu.Lock()
	c, s, next, went := g.conn, g.socket, g.next, g.went
	g.went = true
	g.mu.Unlock()
	if s != nil && g.adapter != nil {
		g.adapter.sockets.CompareAndDelete(s.Id(), g)
	}
	switch {
	case c == nil || g.byApplication.Load() || !c.close(): // the library is at it
	case s != nil && went && !g.isOpen():
		s.Enqueue(func() { c.tell(known(reason)) }) // behind the handlers of "connection"
	default:
		c.tell(known(reason))
	}
	if next != nil && !went {
		next(socket.NewExtendedError("closed", nil)) // the library asks for the state first
	}
	g.recovery.drop(g)
}

// known returns the library's word for a reason.
func known(reason string) string {
	switch reason {
	case "client namespace disconnect", serverDisconnect, "transport close", "ping timeout", "server shutting down", "forced server close":
		return reason
	}
	return "transport error"
}
