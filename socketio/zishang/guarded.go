package zishang

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// phase is where a guarded socket stands towards the library. It only ever moves
// forward.
type phase int32

const (
	admitting phase = iota // the middleware has it, and the client has been told nothing
	held                   // the client believes itself connected, and the library knows nothing of it
	entering               // the middleware has let it go; the library is connecting it
	open                   // the library has it
	over                   // nothing passes
)

// guarded is a socket in a guarded namespace: the view of it that authorization
// has ([socketio.Socket]).
//
// A socket that has yet to authenticate is one that the library's middleware has
// not let go: no handler, no room, no broadcast and no other node can know of
// it. Its client is told by a CONNECT packet of ours that it is connected, so
// that it may emit "authenticate", and what it sends is taken out of the
// library's way.
type guarded struct {
	number     uint64 // its own in the process
	conn       *connection
	socket     *socket.Socket
	namespace  string
	logger     *slog.Logger
	authorizer *socketio.Authorizer
	passed     bool // whether it came with a pass
	greeting   string
	recovery   recovery
	goOn       func(*socket.ExtendedError)
	going      sync.Once
	leaving    sync.Once
	guard      atomic.Pointer[socketio.Guard]
	session    atomic.Pointer[socketio.Session] // also once it has ended
	phase      atomic.Int32
	wasHeld    atomic.Bool
	answered   atomic.Bool // whether the client has its CONNECT or CONNECT_ERROR
	dismissed  atomic.Bool // whether next was called with a farewell
	departs    atomic.Bool // whether a goodbye is on its way, from either side

	arrived chan struct{} // closed when the library has the socket
	entered chan struct{} // closed when the handlers of "connection" have run
	left    chan struct{} // closed when the library has it no more
	denied  error         // why not, if another middleware refused it: set before left is closed

	mu        sync.Mutex // guards the rest
	attaching bool       // the middleware is at work, and holds the connection's lock for writing
	entitled  bool       // to go on, when that is done
	handlers  []func(*socket.Socket, *socketio.Session) error
	err       error // of a handler that has run
	panicked  any
}

var _ socketio.Socket = (*guarded)(nil)

func (g *guarded) is(phases ...phase) bool {
	now := phase(g.phase.Load())
	for _, p := range phases {
		if now == p {
			return true
		}
	}
	return false
}

// hasLeft reports whether the library has the socket no more.
func (g *guarded) hasLeft() bool {
	select {
	case <-g.left:
		return g.is(over)
	default:
		return false
	}
}

// move goes from one of the phases to another, and reports whether it did.
func (g *guarded) move(to phase, from ...phase) bool {
	for _, p := range from {
		if g.phase.CompareAndSwap(int32(p), int32(to)) {
			if to == open {
				g.conn.shut.Add(-1)
			} else if p == open {
				g.conn.lastOpen.Store(time.Now().UnixNano())
				g.conn.shut.Add(1)
			}
			return true
		}
	}
	return false
}

// legacy reports whether the client is a 2.x.
func (g *guarded) legacy() bool { return g.conn.conn.Protocol() == 3 }

// next lets the middleware go on, unless it has.
func (g *guarded) next() { g.going.Do(func() { g.goOn(nil) }) }

// ID is the library's name for the socket.
func (g *guarded) ID() string { return string(g.socket.Id()) }

// Emit sends an event past the application and past connection-state recovery.
func (g *guarded) Emit(event string, ack func(), args ...any) {
	id := ""
	if ack != nil {
		n := g.socket.Nsp().Ids()
		var once sync.Once
		g.socket.Acks().Store(n, func([]any, error) { once.Do(ack) })
		id = strconv.FormatUint(n, 10)
	}
	text := g.event(event, id, args...)
	g.conn.sending.Lock()
	defer g.conn.sending.Unlock()
	if text != "" && g.is(held, entering, open) {
		g.conn.write(text)
	}
}

// event makes the packet of an event, "" if it cannot be.
func (g *guarded) event(name, id string, args ...any) string {
	text, err := packet(typeEvent, g.namespace, id, append([]any{name}, args...))
	if err != nil {
		g.logger.Error("zishang: "+name+" was not sent", "error", err)
	}
	return text
}

// Open lets a guest in, or greets who has authenticated. The rest of the latter
// is for Authenticated, when the session is known: for a socket that is held the
// greeting too, since its client may speak as soon as it hears it.
func (g *guarded) Open(event string) {
	switch {
	case g.is(held):
		g.greeting = event
	case event != "":
		g.Emit(event, nil)
	case g.passed:
	case !g.recovery.recovering():
		withoutToken(g.socket.Handshake(), "")
		g.enter("", nil)
	case g.move(over, admitting): // the session was not a guest's
		g.background(func() { g.refuse(errNotRecovered) })
	}
}

// enter gives the socket to the library, after a greeting and what it missed.
func (g *guarded) enter(greeting string, recovered *socket.Session) {
	if !g.move(entering, admitting, held) {
		return
	}
	if greeting != "" {
		g.Emit(greeting, nil)
	}
	if recovered != nil {
		g.restore(recovered)
	}
	if g.is(over) { // it was closed meanwhile
		g.gone()
		return
	}
	g.mu.Lock()
	later := g.attaching
	g.entitled = later
	g.mu.Unlock()
	if !later {
		g.next()
	}
}

// attachDone lets go on who may, now that other middlewares may take their time, and
// write.
func (g *guarded) attachDone() {
	g.mu.Lock()
	g.attaching = false
	entitled := g.entitled
	g.mu.Unlock()
	switch {
	case !entitled:
	case g.is(over): // it was closed meanwhile
		g.gone()
	default:
		g.next()
	}
}

// arrive takes note that the library has the socket, whose handlers of
// "connection" it runs on the socket's queue.
func (g *guarded) arrive() {
	opened := false
	g.socket.Enqueue(func() { // before the client's first event, which waits for it
		if opened {
			close(g.entered)
		}
	})
	if opened = g.move(open, entering); opened {
		close(g.arrived)
	} else if g.is(over) { // it was closed on its way
		g.socket.Enqueue(func() { g.socket.Disconnect(false) })
	}
}

// Authenticated gives the socket to the library, whose handlers of "connection"
// it then runs, and waits for them. A guest has been there: for it the functions
// of OnAuthenticated are what is new.
func (g *guarded) Authenticated(s *socketio.Session) error {
	g.session.Store(s)
	if g.is(admitting, held) {
		withoutToken(g.socket.Handshake(), s.Token().Raw())
		recovered, err := g.recovery.claim(s, g.authorizer)
		if err != nil {
			return err
		}
		g.enter(g.greeting, recovered)
	}
	select {
	case <-g.entered:
		g.conn.pardon()
	case <-g.left:
		if g.denied != nil {
			return g.denied
		}
		return socketio.ErrDisconnected
	}
	g.mu.Lock()
	handlers := g.handlers // of a guest
	g.handlers = nil
	g.mu.Unlock()
	for _, f := range handlers {
		g.call(f, s)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.err
}

// onAuthenticated has a handler of OnAuthenticated run, now or when there is a
// session.
func (g *guarded) onAuthenticated(f func(*socket.Socket, *socketio.Session) error) {
	g.mu.Lock()
	s := g.session.Load()
	if s == nil {
		g.handlers = append(g.handlers, f)
	}
	g.mu.Unlock()
	if s != nil {
		g.call(f, s)
	}
}

// call calls a handler of OnAuthenticated, unless one before it has failed.
func (g *guarded) call(f func(*socket.Socket, *socketio.Session) error, s *socketio.Session) {
	g.mu.Lock()
	failed := g.err != nil || g.panicked != nil
	g.mu.Unlock()
	if failed {
		return
	}
	var err error
	defer func() {
		r := recover()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = err
		if r != nil {
			g.panicked = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	err = f(g.socket, s)
}

// hold tells the client that it is connected, though the library knows nothing
// of it.
func (g *guarded) hold() {
	var data any
	if !g.legacy() {
		data = struct {
			Sid string `json:"sid"`
			Pid string `json:"pid,omitempty"`
		}{g.ID(), string(g.recovery.begin())}
	}
	text, _ := packet(typeConnect, g.namespace, "", data)
	g.conn.sending.Lock() // Close takes it before it writes to a socket that is held
	defer g.conn.sending.Unlock()
	if g.move(held, admitting) {
		g.wasHeld.Store(true)
		g.answered.Store(true)
		g.conn.write(text)
	}
}

// passes reports whether the library may have a packet of the client's. It runs
// on the goroutine that reads the connection, and may make it wait.
func (g *guarded) passes(h header) bool {
	now := phase(g.phase.Load())
	if now == entering || now == admitting {
		// What a client sends as soon as it is told that it is connected, or sooner,
		// must not reach the library before that knows of the socket.
		if !g.await(g.arrived) {
			return false
		}
		now = phase(g.phase.Load())
	}
	// All that follows is for one phase: the socket may go on to the next meanwhile.
	event := h.kind == typeEvent || h.kind == typeBinaryEvent
	if event && (now == held || now == open) && h.isEvent(socketio.EventAuthenticate) {
		attempt := func() { g.authenticate(h.argument()) }
		if now == held || g.session.Load() != nil {
			attempt()
		} else {
			// What a guest has sent before must not meet handlers that are
			// there when it has authenticated. The library takes two turns
			// for each event.
			g.socket.Enqueue(func() { g.socket.Enqueue(attempt) })
		}
		return false
	}
	switch now {
	case held:
		g.handle(h)
		return false
	case entering: // another middleware refused it: the library has no socket
		return h.kind == typeConnect
	case open:
		if h.kind == typeConnect && g.departs.Load() {
			return g.await(nil) // the library does not queue it behind the goodbye
		}
		g.socket.Enqueue(g.silenceOverdue) // ahead of the packet
	case over:
		if h.kind != typeConnect {
			return false
		}
		return g.await(nil) // the library does not take two
	}
	return true
}

// await waits until the library has the socket, or has it no more, and reports whether
// it is so. It does not wait for ever, since the whole connection has to: a middleware
// that comes after ours can take its time, and can forget to call next.
func (g *guarded) await(arrived <-chan struct{}) bool {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-arrived:
	case <-g.left:
	case <-g.conn.closed:
		return false
	case <-enough.C:
		g.logger.Warn("zishang: a connection is closed, since a middleware has not called next", "namespace", g.namespace, "waited", patience)
		g.conn.conn.Close(true)
		return false
	}
	return true
}

// patience is as long as a client has to connect, by default.
const patience = DefaultConnectTimeout

// handle does the library's part for a socket that the library does not know.
func (g *guarded) handle(h header) {
	switch h.kind {
	case typeAck:
		if n, err := strconv.ParseUint(h.id, 10, 64); err == nil {
			if ack, ok := g.socket.Acks().LoadAndDelete(n); ok {
				ack(nil, nil)
			}
		}
	case typeDisconnect:
		g.gone()
	}
}

// emits reports whether a packet of the library's may go out. It runs with the
// client's lock held, and must write nothing.
func (g *guarded) emits(h header) bool {
	switch phase(g.phase.Load()) {
	case admitting, held: // it is of a socket before, which the application still emits to
		return false
	case over:
		if h.kind != typeConnectError {
			return false
		}
		select {
		case <-g.left: // it is of a socket since, which a middleware before ours refused
			return true
		default: // the session ended on its way
			g.deny(h.data)
			return false
		}
	case entering:
		if h.kind == typeConnectError {
			g.deny(h.data)
		}
		if h.kind == typeConnect || h.kind == typeConnectError {
			// A client that was held believes itself connected, and one of which
			// Close came first has been refused.
			return !g.answered.Swap(true)
		}
	case open:
		if h.kind == typeDisconnect { // the application's, which did not ask us
			return g.conn.depart(g) // a second would be taken for the client's next socket's
		}
	}
	return true
}

// authenticate hands an "authenticate" event to the guard.
func (g *guarded) authenticate(data any) {
	if guard := g.guard.Load(); guard != nil {
		guard.Authenticate(data)
	}
}

// silenceOverdue keeps a packet from the application if the session's time is up: the
// clock may have been set, and the timer that ends the session is late. Listeners of
// OnAny and of acknowledgements are called before filter is, or without it.
func (g *guarded) silenceOverdue() {
	guard := g.guard.Load()
	if s := g.session.Load(); s == nil || guard == nil || guard.Session() == s {
		return
	}
	g.silence()
}

// silence removes what the application listens with.
func (g *guarded) silence() {
	g.socket.OffAny(nil)
	g.socket.Acks().Clear()
	for _, event := range g.socket.EventNames() {
		switch event {
		case "disconnect", "disconnecting", "error", key:
		default:
			g.socket.RemoveAllListeners(event)
		}
	}
}

// filter is the middleware of the socket's events.
func (g *guarded) filter(event []any, next func(error)) {
	if len(event) > 0 && event[0] == socketio.EventAuthenticate { // in a spelling that passes did not know
		var data any
		if len(event) > 1 {
			data = event[1]
		}
		g.authenticate(data)
		return
	}
	if g.is(over) {
		return
	}
	if s := g.session.Load(); s != nil && !s.Wait() {
		return
	}
	next(nil)
}
