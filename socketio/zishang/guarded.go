package zishang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/utils"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/binding"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// guarded is a stay as authorization sees it ([socketio.Socket]), and what ties it to
// the library's socket. The engine owns the gate; the state here says what the library
// has of the stay, see the table in state.go.
type guarded struct {
	binding.Socket
	server   *Server
	declared *declaration

	join    atomic.Pointer[join] // the one that joining is held for
	joining sync.Mutex

	// Of the functions of OnAuthenticated: set before the stay is open, or by Authenticated.
	err      error
	panicked any

	mu      sync.Mutex // guards the rest
	changed sync.Cond  // of the state and the queue; its lock is mu
	state   state
	queue   []turn  // packets, and what comes between them
	feeding bool    // whether feed runs, or is about to
	feeder  func()  // feed
	again   func()  // queues feeder
	pending [][]any // events of a former guest, see note

	recovery recovery
	misfit   error // why the library's socket is not ours
	conn     *conn
	socket   *socket.Socket // set by arrive, with the two behind it
	adapter  *adapter
	next     func(*socket.ExtendedError) // nil once it was called
	greeting string                      // to be said when the session is known
	denied   error                       // of another middleware
	denying  bool                        // the client is about to be told of it
	handlers []func(*socket.Socket, *socketio.Session) error
}

var _ socketio.Socket = (*guarded)(nil)

// serverDisconnect is the reason where the server ended a socket.
const serverDisconnect = "server namespace disconnect"

// enter makes a guarded of a client that asks to enter a namespace.
func (s *Server) enter(a *engine.Arrival, h *verifier.Handshake) (binding.Handler, error) {
	d := s.declaration(a.Namespace)
	if d == nil {
		return nil, nil
	}
	g := &guarded{server: s, declared: d}
	g.changed.L = &g.mu
	g.Logger, g.Authorizer, g.Handshake = s.logger, d.authorizer, h
	return g, nil
}

// Admitted guards the stay, has the library make a socket of it, and answers the client
// that has not authenticated yet.
func (g *guarded) Admitted() {
	if g.Attach(g); g.Authorizer == nil {
		g.Guest.Store(true)
	}
	g.declared.make(g.Stay.Namespace())
	c := newConn(g, connID(g.Stay))
	g.mu.Lock()
	over := g.state.over()
	g.conn = c
	g.mu.Unlock()
	if over {
		return
	}
	socket.NewClient(g.server.io, c)
	connect := &parser.Packet{Type: parser.CONNECT, Nsp: c.namespace}
	alias := ""
	if g.Stay.Session().Protocol() != 3 {
		connect.Data, alias = g.present()
	}
	c.data(connect)
	g.server.recovering.Delete(alias)
	g.mu.Lock()
	state, why := g.state, g.misfit
	g.mu.Unlock()
	switch {
	case state == joining:
		if why == nil {
			why = errOtherNamespace
		}
		g.Logger.Error("zishang: every socket is refused", "namespace", g.Stay.Namespace(), "error", why)
		g.Stay.Refuse("server error", &engine.Refusal{Error: binding.Misconfigured(why), Hold: true})
	case g.Pass != nil: // Authenticated follows
	case g.Guest.Load():
		g.enter(nil)
	default:
		g.Stay.Accept(g.ID(), g.recovery.pid)
	}
}

// arrive takes the library's socket. An error says why it is not the stay's.
func (g *guarded) arrive(s *socket.Socket, next func(*socket.ExtendedError)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.declared.has(s.Nsp()) || s.Nsp().Name() != g.Stay.Namespace() || g.state != joining {
		return errOtherNamespace
	}
	a, err := g.declared.adapterOf(s.Nsp(), g.server.recovers())
	if err != nil {
		g.misfit = err
		return err
	}
	if a != nil {
		a.sockets.Store(s.Id(), g)
	}
	s.StrictEventEmitter.EventEmitter = &ears{s.StrictEventEmitter.EventEmitter, g}
	g.socket, g.adapter, g.next = s, a, next
	g.conn.opened.Store(true)
	g.feeder = g.feed
	g.again = func() { s.Enqueue(g.feeder) }
	if g.Guest.Load() && g.Authorizer != nil {
		s.Use(g.note)
	}
	g.stepLocked(arrived)
	return nil
}

var errOtherNamespace = errors.New("the library has another namespace of that name")

// ID is the library's name for the socket, and the client's.
func (g *guarded) ID() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket == nil {
		return g.Stay.ID()
	}
	return string(g.socket.Id())
}

// Open accepts a guest, or greets a client that has authenticated. For the latter the
// rest is for Authenticated, when the session is known.
func (g *guarded) Open(event string) {
	switch {
	case event == "" && g.Pass != nil:
		g.Stay.SetGate(engine.Open)
	case event == "":
		g.Guest.Store(true)
		g.Stay.SetGate(engine.Guest)
	case g.Guest.Load(): // until now; what it sent comes first
		g.mu.Lock()
		g.pushLocked(turn{run: g.promote})
		g.mu.Unlock()
		g.Report(event, g.Stay.EmitAndSetGate(engine.Open, event))
	default:
		g.mu.Lock()
		g.greeting = event
		g.mu.Unlock()
	}
}

// promote makes a guest a user, between two packets.
func (g *guarded) promote() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Current.Store(g.Guard().Session()) // nil if it is over by now
	g.changed.Broadcast()
}

// Authenticated gives the socket to the library, whose handlers of "connection" it then
// runs, and waits for them. A guest has been there: for it the functions of
// OnAuthenticated are what is new.
func (g *guarded) Authenticated(s *socketio.Session) error {
	if !g.Guest.Load() {
		g.Current.Store(s)
		if g.await(waiting).over() {
			return socketio.ErrDisconnected
		}
		recovered, err := g.claim(s)
		if err != nil {
			return err
		}
		g.enter(recovered)
	}
	g.mu.Lock()
	for g.state < open || g.state == open && g.Current.Load() == nil || g.denying {
		g.changed.Wait()
	}
	handlers, denied := g.handlers, g.denied // the handlers of a guest
	over := g.state.over() || g.Current.Load() == nil
	g.handlers = nil
	g.mu.Unlock()
	switch {
	case denied != nil:
		return denied
	case over:
		return socketio.ErrDisconnected
	}
	for _, f := range handlers {
		g.call(f, s)
	}
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.err
}

// enter lets the library go on with the socket, with what it has recovered.
func (g *guarded) enter(recovered *socket.Session) {
	g.mu.Lock()
	if !g.stepLocked(admitted) {
		g.mu.Unlock()
		return
	}
	s, next, greeting := g.socket, g.next, g.greeting
	g.next = nil
	g.mu.Unlock()
	g.redact(s.Handshake())
	if greeting != "" {
		g.Report(greeting, g.Stay.EmitAndSetGate(engine.Open, greeting))
	}
	if recovered != nil {
		g.restore(recovered)
	}
	next(nil)
}

// redact removes credentials from the library's copy of the handshake, which FetchSockets
// of any node publishes. Nobody else knows the copy yet.
func (g *guarded) redact(h *socket.Handshake) {
	presented := *g.Handshake
	presented.Auth = h.Auth
	raw := "" // copies of it may be anywhere
	if s := g.Current.Load(); s != nil {
		raw = s.Token().Raw()
	} else if found, _ := verifier.DefaultExtractor().Extract(context.Background(), &presented); len(found) > 16 {
		raw = found // of a guest
	}
	clean := presented.WithoutToken(raw)
	clean.Header.Del("Sec-WebSocket-Protocol")
	list := func(values []string) any { return values } // as the library has it
	h.Headers, h.Query = utils.MapValues(clean.Header, list), utils.MapValues(clean.Query, list)
	h.Url = clean.URL.RequestURI()
	h.Auth, _ = clean.Auth.(map[string]any)
}

// connecting is called when the library connects the socket, on the socket's queue,
// where the handlers of "connection" follow.
func (g *guarded) connecting() {
	g.Stay.Accept(g.ID(), g.recovery.pid)
	g.socketOf().Enqueue(func() {
		g.mu.Lock()
		g.feeding = g.stepLocked(opened)
		feeds := g.feeding
		g.mu.Unlock()
		if feeds {
			g.feed()
		}
	})
}

func (g *guarded) socketOf() *socket.Socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.socket
}

// deny takes another middleware's refusal. Of a client that believes itself connected
// Authenticated ends the session, once the client has been told in the middleware's words.
func (g *guarded) deny(data json.RawMessage) {
	var refusal engine.ConnectError
	_ = json.Unmarshal(data, &refusal)
	if refusal.Message == "" { // clients 2.x: the data, or only the message
		_ = json.Unmarshal(data, &refusal.Message)
	}
	g.mu.Lock()
	g.denied = &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: refusal.Message, Reason: verifier.ErrRejected, Err: errOther,
	}
	late := g.state == open || g.Guest.Load() // nobody waits in Authenticated
	ended := g.stepLocked(serverEnded)
	g.denying = true
	g.mu.Unlock()
	if !ended { // the client has left: forget may have met a closed queue
		g.forgetLater(serverDisconnect)
	}
	var told any = &refusal
	if g.Stay.Session().Protocol() == 3 {
		told = data
	}
	if !g.Stay.Refuse("refused by a middleware", &engine.Refusal{Error: told, Hold: true}) && late {
		g.Stay.Leave(serverDisconnect, nil) // it was accepted first: the middleware called next twice
	}
	g.mu.Lock()
	g.denying = false
	g.changed.Broadcast()
	g.mu.Unlock()
}

// Close ends the stay in one step, behind the event.
func (g *guarded) Close(cause error, event string, args ...any) {
	g.step(serverEnded)
	g.End(serverDisconnect, cause, event, args...)
}

var errOther = errors.New("zishang: another middleware refused the socket")

// connID returns the id of a connection for the library, which names the sockets of
// clients 1.x and 2.x by it. A client's second stay in a namespace must not have the
// name of its first: what is broadcast to the rooms of one would reach the other.
func connID(st *engine.Stay) string {
	s := st.Session()
	if s.Protocol() != 3 || st.Namespace() == "/" {
		return s.ID()
	}
	visits, _ := s.Value().(map[string]int)
	if visits == nil {
		visits = make(map[string]int)
		s.SetValue(visits)
	}
	visits[st.Namespace()]++
	if n := visits[st.Namespace()]; n > 1 {
		return fmt.Sprint(s.ID(), ".", n)
	}
	return s.ID()
}

// onAuthenticated has a handler of OnAuthenticated run: now, or when a guest has
// authenticated.
func (g *guarded) onAuthenticated(f func(*socket.Socket, *socketio.Session) error) {
	if s := g.Current.Load(); s != nil {
		g.call(f, s)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handlers = append(g.handlers, f)
}

// call calls a handler of OnAuthenticated, unless one before it has failed.
func (g *guarded) call(f func(*socket.Socket, *socketio.Session) error, s *socketio.Session) {
	if g.err != nil || g.panicked != nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			g.panicked = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	g.err = f(g.socketOf(), s)
}
