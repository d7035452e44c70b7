package zishang

// state says what the library has of a stay.
type state uint8

const (
	joining      state = iota // the library is asked for a socket
	waiting                   // the socket waits in our middleware until the session is known
	entering                  // the other middlewares, and the handlers of "connection", run
	open                      // they have run: packets are handled
	draining                  // the client has left: what it sent before is handled
	gone                      // the client has left before the stay was open
	refused                   // the server, or another middleware, ended it before it was open
	ended                     // the server ended it
	disconnected              // the library forgets it by itself: the application called Disconnect
	states
)

// event is what changes the state.
type event uint8

const (
	arrived     event = iota // the library has made the socket
	admitted                 // it is a guest's, or the session is known
	opened                   // the handlers of "connection" have run
	clientLeft               // or its connection ended
	serverEnded              // Close, or another middleware's refusal
	forgotten                // Disconnect of the library's socket, and its "disconnect"
)

// transitions is the table of states: the one that follows an event, where it is not
// joining. An event without an entry changes nothing.
//
//	state      event        becomes       what happens after unlock
//	joining    arrived      waiting       CONNECT is answered, if the client authenticates by event
//	waiting    admitted     entering      the library runs the other middlewares; CONNECT is answered
//	entering   opened       open          the packets that came meanwhile are handled
//	open       clientLeft   draining      the library forgets the socket behind the last packet
//	before     clientLeft   gone          it forgets the socket behind the handlers of "connection"
//	before     serverEnded  refused       the same; the client is told
//	open       serverEnded  ended         the client is told; the library forgets the socket at once
//	connected  forgotten    disconnected  the client is told
//
// "before" is joining, waiting and entering; "connected" is entering and all behind it.
// Packets that are queued are dropped in every state behind draining.
var transitions = [...][states]state{
	arrived:     {joining: waiting},
	admitted:    {waiting: entering},
	opened:      {entering: open},
	clientLeft:  {joining: gone, waiting: gone, entering: gone, open: draining},
	serverEnded: {joining: refused, waiting: refused, entering: refused, open: ended},
	forgotten: {
		entering: disconnected, open: disconnected, draining: disconnected, gone: disconnected, refused: disconnected, ended: disconnected,
	},
}

// over reports whether nothing that the client sent is handled any more.
func (s state) over() bool { return s > draining }

// byServer reports whether the client did not leave by itself.
func (s state) byServer() bool { return s >= refused }

// step takes an event, and reports whether it has changed the state.
func (g *guarded) step(e event) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stepLocked(e)
}

func (g *guarded) stepLocked(e event) bool {
	next := transitions[e][g.state]
	if next == joining {
		return false
	}
	if g.state = next; next.over() {
		g.queue = nil
	}
	g.changed.Broadcast()
	return true
}

// now returns the state.
func (g *guarded) now() state {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// await waits until the stay has come to a state, or further.
func (g *guarded) await(s state) state {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.state < s {
		g.changed.Wait()
	}
	return g.state
}
