package zishang

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// guarded is a stay as authorization sees it ([socketio.Socket]), and what ties it to
// the library's socket.
//
// Where the stay stands is the engine's to say: what passes, whether the client has been
// answered, whether it is over. The library hears of a stay once, by join, and runs the
// middlewares behind enter when goOn lets it.
type guarded struct {
	server    *Server
	declared  *declaration
	handshake *verifier.Handshake
	auth      map[string]any // the payload of CONNECT, or its query
	pass      *socketio.Pass // nil for a guest, and where it authenticates by event
	stay      *engine.Stay   // set by Admitted
	recovery  recovery

	guard         atomic.Pointer[socketio.Guard]   // nil in a public namespace
	session       atomic.Pointer[socketio.Session] // also once it has ended
	let           atomic.Bool                      // whether it was let in as a guest
	cut           atomic.Bool                      // whether the server ended it
	byApplication atomic.Bool                      // and that by Disconnect of the library's socket
	backlog       backlog

	joined chan struct{} // closed when the library has its socket, or never will
	opened chan struct{} // closed when the handlers of "connection" have run
	left   chan struct{} // closed when the stay is over

	mu       sync.Mutex // guards the rest
	conn     *conn      // set by join, with the two behind it
	socket   *socket.Socket
	next     func(*socket.ExtendedError)
	went     bool   // whether next was called
	greeting string // to be said when the session is known
	denied   error  // of another middleware
	handlers []func(*socket.Socket, *socketio.Session) error
	err      error // of a handler that has run
	panicked any
}

var _ socketio.Socket = (*guarded)(nil)

// serverDisconnect is the reason where the server ended a socket.
const serverDisconnect = "server namespace disconnect"

func newGuarded(s *Server, d *declaration, a *engine.Arrival) *guarded {
	g := &guarded{server: s, declared: d,
		joined: make(chan struct{}), opened: make(chan struct{}), left: make(chan struct{})}
	g.handshake, g.auth = handshake(a)
	if g.auth == nil && len(a.Query) > 0 {
		g.auth = make(map[string]any, len(a.Query))
		for name, values := range a.Query {
			g.auth[name] = values
		}
	}
	return g
}

// attach begins to guard the stay. A client that has a pass, or is a guest, is let in
// before this returns; of a public namespace everybody is.
func (g *guarded) attach() {
	if g.declared.authorizer != nil {
		g.guard.Store(g.declared.authorizer.Attach(g, g.handshake, g.pass))
	} else {
		g.let.Store(true)
	}
}

// join has the library make a socket of the stay, and answers the client that has yet
// to authenticate.
func (g *guarded) join(id string) {
	defer close(g.joined)
	if g.stay.Over() {
		return
	}
	g.declared.make(g.stay.Namespace())
	c := newConn(g, id)
	g.mu.Lock()
	g.conn = c
	g.mu.Unlock()
	socket.NewClient(g.server.io, c)
	g.recovery.prepare(g)
	text := g.connectPacket()
	c.Emit("data", types.NewStringBufferString(text))
	g.recovery.settled(g)
	g.mu.Lock()
	arrived := g.socket != nil
	g.mu.Unlock()
	switch {
	case !arrived:
		g.server.logger.Error("zishang: a socket is refused, since the library has another namespace of that name", "namespace", g.stay.Namespace())
		g.stay.Refuse("server error", &engine.Refusal{Error: misconfigured(nil)})
	case g.pass != nil: // Authenticated follows
	case g.let.Load():
		g.enter(nil)
	default:
		g.stay.Accept(g.ID(), g.recovery.pid)
	}
}

// connectPacket is the CONNECT packet for the library, without a token.
func (g *guarded) connectPacket() string {
	auth := g.recovery.auth(g.auth)
	var b strings.Builder
	b.WriteString("0" + g.stay.Namespace())
	if g.stay.Session().Protocol() == 3 {
		b.WriteString("," + "")
		return b.String()
	}
	b.WriteByte(',')
	if auth != nil {
		data, _ := json.Marshal(auth) // it was JSON
		b.Write(data)
	}
	return b.String()
}

// arrive takes the library's socket, and reports whether it is the stay's.
func (g *guarded) arrive(s *socket.Socket, next func(*socket.ExtendedError)) bool {
	if !g.declared.has(s.Nsp()) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket != nil {
		return false
	}
	g.socket, g.next = s, next
	g.conn.state.CompareAndSwap(0, stateOpen)
	return true
}

// ID is the library's name for the socket, and the client's.
func (g *guarded) ID() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket == nil {
		return g.stay.ID()
	}
	return string(g.socket.Id())
}

// Emit sends an event past the application and past connection-state recovery.
func (g *guarded) Emit(event string, ack func(), args ...any) {
	var acknowledged func([]json.RawMessage)
	if ack != nil {
		acknowledged = func([]json.RawMessage) { ack() }
	}
	g.report(event, g.stay.Emit(event, acknowledged, args...))
}

func (g *guarded) report(event string, err error) {
	if err != nil {
		g.server.logger.Error("zishang: "+event+" was not sent", "error", err)
	}
}

// Open lets a guest in, or greets a client that has authenticated. For the latter the
// rest is for Authenticated, when the session is known.
func (g *guarded) Open(event string) {
	switch {
	case event == "" && g.pass != nil:
		g.stay.SetGate(engine.Open)
	case event == "":
		g.let.Store(true)
		g.stay.SetGate(engine.Guest)
	case g.let.Load(): // a guest until now
		g.report(event, g.stay.EmitAndSetGate(engine.Open, event))
	default:
		g.mu.Lock()
		g.greeting = event
		g.mu.Unlock()
	}
}

// Authenticated gives the socket to the library, whose handlers of "connection" it then
// runs, and waits for them. A guest has been there: for it the functions of
// OnAuthenticated are what is new.
func (g *guarded) Authenticated(s *socketio.Session) error {
	g.session.Store(s)
	select {
	case <-g.joined:
	case <-g.left:
		return socketio.ErrDisconnected
	}
	if !g.let.Load() {
		recovered, err := g.recovery.claim(g, s)
		if err != nil {
			return err
		}
		g.enter(recovered)
	}
	select {
	case <-g.opened:
	case <-g.left:
	}
	g.mu.Lock()
	handlers, denied := g.handlers, g.denied // the handlers of a guest
	g.handlers = nil
	g.mu.Unlock()
	if denied != nil {
		return denied
	}
	if !g.isOpen() {
		return socketio.ErrDisconnected
	}
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

// enter lets the library go on with the socket, with what it has recovered.
func (g *guarded) enter(recovered *socket.Session) {
	raw := ""
	if s := g.session.Load(); s != nil {
		raw = s.Token().Raw()
	}
	g.mu.Lock()
	s, next, greeting := g.socket, g.next, g.greeting
	went := g.went || s == nil
	g.went = true
	g.mu.Unlock()
	if went {
		return
	}
	withoutToken(s.Handshake(), raw)
	if greeting != "" {
		g.report(greeting, g.stay.EmitAndSetGate(engine.Open, greeting))
	}
	if recovered != nil {
		g.restore(recovered)
	}
	next(nil)
}

// connecting is called when the library connects the socket, on the socket's queue,
// where the handlers of "connection" follow.
func (g *guarded) connecting() {
	g.stay.Accept(g.ID(), g.recovery.pid)
	g.socketOf().Enqueue(func() { close(g.opened) }) // the library connects it once
}

func (g *guarded) socketOf() *socket.Socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.socket
}

// isOpen reports whether the handlers of "connection" have run.
func (g *guarded) isOpen() bool {
	select {
	case <-g.opened:
		return true
	default:
		return false
	}
}

// deny takes another middleware's refusal. Of a client that believes itself connected
// Authenticated ends the session.
func (g *guarded) deny(data json.RawMessage) {
	var refusal engine.ConnectError
	_ = json.Unmarshal(data, &refusal)
	if refusal.Message == "" { // clients 2.x: the data, or the message alone
		_ = json.Unmarshal(data, &refusal.Message)
	}
	g.mu.Lock()
	g.denied = &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: refusal.Message, Reason: verifier.ErrRejected, Err: errOther,
	}
	g.mu.Unlock()
	var told any = &refusal
	if g.stay.Session().Protocol() == 3 {
		told = data
	}
	if !g.stay.Refuse("refused by a middleware", &engine.Refusal{Error: told, Hold: true}) {
		close(g.opened)
	}
}

// Close ends the stay in one step, behind the event.
func (g *guarded) Close(cause error, event string, args ...any) {
	g.cut.Store(true)
	r := &engine.Refusal{Hold: true}
	var u *verifier.UnauthorizedError
	if errors.As(cause, &u) && u != nil {
		r.Retryable = u.Retryable
		// A handshake that was good when it was decided, and is no longer, is
		// refused like any other: its client never connects.
		if g.pass != nil && g.stay.Refuse(serverDisconnect, &engine.Refusal{Error: u, Retryable: u.Retryable, Hold: true}) {
			return
		}
	}
	defer g.silence() // what the library has queued is not handled any more
	if event != "" {
		err := g.stay.EmitAndLeave(serverDisconnect, r, event, args...)
		if err == nil {
			return
		}
		g.report(event, err)
	}
	g.stay.Leave(serverDisconnect, r)
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
	err = f(g.socketOf(), s)
}
