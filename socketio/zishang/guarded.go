package zishang

import (
	"context"
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
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/binding"
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
	binding.Socket
	server   *Server
	declared *declaration
	auth     map[string]any // the payload of CONNECT, or its query
	recovery recovery

	cut           atomic.Bool // whether the server ended it
	byApplication atomic.Bool // and that by Disconnect of the library's socket
	backlog       backlog

	joined chan struct{} // closed when the library has its socket, or never will
	opened chan struct{} // closed when the handlers of "connection" have run
	left   chan struct{} // closed when the stay is over

	join    atomic.Pointer[join] // the one that joining is held for
	joining sync.Mutex

	mu       sync.Mutex // guards the rest
	misfit   error      // why the library's socket is not ours, nil when it is
	conn     *conn      // set by join, with the three behind it
	adapter  *adapter
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

// enter makes a guarded of a client that asks to enter a namespace.
func (s *Server) enter(a *engine.Arrival, h *verifier.Handshake) (binding.Handler, error) {
	d := s.declaration(a.Namespace)
	if d == nil {
		return nil, nil
	}
	g := &guarded{server: s, declared: d,
		misfit: errOtherNamespace, joined: make(chan struct{}), opened: make(chan struct{}), left: make(chan struct{})}
	g.Logger, g.Authorizer, g.Handshake = s.logger, d.authorizer, h
	g.auth, _ = h.Auth.(map[string]any)
	if g.auth == nil && len(a.Query) > 0 {
		g.auth = make(map[string]any, len(a.Query))
		for name, values := range a.Query {
			g.auth[name] = values
		}
	}
	return g, nil
}

// Admitted guards the stay, has the library make a socket of it, and answers the client
// that has not authenticated yet.
func (g *guarded) Admitted() {
	if g.Attach(g); g.Authorizer == nil {
		g.Guest.Store(true)
	}
	id := connID(g.Stay)
	defer close(g.joined)
	if g.Stay.Over() {
		return
	}
	g.declared.make(g.Stay.Namespace())
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
	why := g.misfit
	g.mu.Unlock()
	switch {
	case why != nil:
		g.Logger.Error("zishang: every socket is refused", "namespace", g.Stay.Namespace(), "error", why)
		g.Stay.Refuse("server error", &engine.Refusal{Error: binding.Misconfigured(why), Hold: true})
	case g.Pass != nil: // Authenticated follows
	case g.Guest.Load():
		g.enter(nil)
	default:
		g.Stay.Accept(g.ID(), g.recovery.pid)
	}
}

// connectPacket is the CONNECT packet for the library, without a token.
func (g *guarded) connectPacket() string {
	auth := g.recovery.auth(g.auth)
	var b strings.Builder
	b.WriteString("0" + g.Stay.Namespace())
	if g.Stay.Session().Protocol() == 3 {
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

// arrive takes the library's socket. An error says why it is not the stay's.
func (g *guarded) arrive(s *socket.Socket, next func(*socket.ExtendedError)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.declared.has(s.Nsp()) || g.socket != nil {
		return errOtherNamespace
	}
	g.adapter, g.misfit = g.declared.adapterOf(s.Nsp(), g.server.options.recovers)
	if g.misfit != nil {
		return g.misfit
	}
	if g.adapter != nil {
		g.adapter.sockets.Store(s.Id(), g)
	}
	g.socket, g.next = s, next
	g.conn.state.CompareAndSwap(0, stateOpen)
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

// Open lets a guest in, or greets a client that has authenticated. For the latter the
// rest is for Authenticated, when the session is known.
func (g *guarded) Open(event string) {
	switch {
	case event == "" && g.Pass != nil:
		g.Stay.SetGate(engine.Open)
	case event == "":
		g.Guest.Store(true)
		g.Stay.SetGate(engine.Guest)
	case g.Guest.Load(): // a guest until now
		g.Report(event, g.Stay.EmitAndSetGate(engine.Open, event))
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
	g.Current.Store(s)
	select {
	case <-g.joined:
	case <-g.left:
		return socketio.ErrDisconnected
	}
	if !g.Guest.Load() {
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
	g.mu.Lock()
	s, next, greeting := g.socket, g.next, g.greeting
	went := g.went || s == nil
	g.went = true
	g.mu.Unlock()
	if went {
		return
	}
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
	h.Headers, h.Query, h.Url = make(types.IncomingHttpHeaders), make(types.ParsedUrlQuery), clean.URL.RequestURI()
	for name, values := range clean.Header {
		h.Headers[name] = values
	}
	for name, values := range clean.Query {
		h.Query[name] = values
	}
	h.Auth, _ = clean.Auth.(map[string]any)
}

// connecting is called when the library connects the socket, on the socket's queue,
// where the handlers of "connection" follow.
func (g *guarded) connecting() {
	g.Stay.Accept(g.ID(), g.recovery.pid)
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
	if g.Stay.Session().Protocol() == 3 {
		told = data
	}
	if !g.Stay.Refuse("refused by a middleware", &engine.Refusal{Error: told, Hold: true}) {
		close(g.opened)
	}
}

// Close ends the stay in one step, behind the event.
func (g *guarded) Close(cause error, event string, args ...any) {
	g.cut.Store(true)
	g.End(serverDisconnect, cause, event, args...)
	g.silence() // what the library has queued is not handled any more
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

// onAuthenticated has a handler of OnAuthenticated run, now or when there is a
// session.
func (g *guarded) onAuthenticated(f func(*socket.Socket, *socketio.Session) error) {
	g.mu.Lock()
	s := g.Current.Load()
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
