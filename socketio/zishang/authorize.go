package zishang

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"sync"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Authorize makes a middleware, for the Use of a server or of a namespace, of an
// authenticator, such as a *[verifier.Verifier], and options. Without options
// sockets authenticate in the handshake ([socketio.ByHandshake]). One middleware
// may guard several namespaces, dynamic ones too. It fails where an option makes
// no sense.
func Authorize(auth socketio.Authenticator, options ...socketio.Option) (socket.NamespaceMiddleware, error) {
	a, err := socketio.New(auth, append([]socketio.Option{socketio.Defaults(socketio.ByHandshake())}, options...)...)
	if err != nil {
		return nil, err
	}
	if events, rooms := a.Decides(); events || rooms {
		return nil, errors.New("zishang: Authorize: rules for events and rooms (Allow, AllowRoom, WithDecider, RoomTokens) are not enforced by this binding yet: check Session.Token in the handlers instead")
	}
	m := &middleware{authorizer: a}
	return m.admit, nil
}

// SessionOf returns the session of a socket: nil for a guest, and for a socket
// of a namespace that is not guarded. It is still there when the socket is gone;
// its context has then ended.
func SessionOf(s *socket.Socket) *socketio.Session {
	if g := attached[guarded](s.StrictEventEmitter.EventEmitter); g != nil {
		return g.session.Load()
	}
	return nil
}

// Emitter is what a server and a namespace have in common.
type Emitter interface {
	On(event string, listeners ...types.EventListener) error
}

// OnAuthenticated adds a handler of the sockets of a guarded namespace (or of a
// server's root namespace) that have authenticated. It runs once for each, before
// any of its events is handled, and may block and emit, but not wait for the client:
// its acknowledgements are handled after its events. An error ends the
// session: the client is told if it is an [*verifier.UnauthorizedError],
// otherwise only that the server rejected it.
//
// It differs from the library's event "connection" where guests are let in
// ([socketio.Optional]), who have no session: "connection" is when they come, and
// OnAuthenticated when they have authenticated.
func OnAuthenticated(namespace Emitter, f func(s *socket.Socket, session *socketio.Session) error) {
	_ = namespace.On("connection", func(args ...any) {
		if s, ok := args[0].(*socket.Socket); ok {
			if g := attached[guarded](s.StrictEventEmitter.EventEmitter); g != nil {
				g.onAuthenticated(f)
			}
		}
	})
}

// middleware admits the sockets of the namespaces it is used in.
type middleware struct {
	authorizer *socketio.Authorizer
	mu         sync.Mutex // held while a namespace is watched for the first time
}

// admit is called by the library for every socket, on the goroutine that reads
// its connection.
func (m *middleware) admit(s *socket.Socket, next func(*socket.ExtendedError)) {
	if s == nil { // authorizerOf asks
		next(socket.NewExtendedError("", m))
		return
	}
	c := connectionOf(s)
	g := &guarded{
		number: guards.Add(1), conn: c, socket: s, namespace: s.Nsp().Name(), goOn: next,
		authorizer: m.authorizer, logger: m.authorizer.Logger(),
		arrived: make(chan struct{}), entered: make(chan struct{}), left: make(chan struct{}),
	}
	switch err := c.enter(g); {
	case errors.Is(err, errTooManyNamespaces):
		next(socket.NewExtendedError(errTooManyNamespaces.Message, errTooManyNamespaces))
		c.refused()
		return
	case err != nil: // no client can ask for a namespace twice
		m.authorizer.Logger().Error("zishang: a namespace has two middlewares of Authorize, use one", "namespace", g.namespace)
		c.conn.Close(true)
		next(g.farewell())
		return
	}
	attach(s.StrictEventEmitter.EventEmitter, g)
	_ = s.Once("disconnect", func(...any) { g.gone() })
	s.Use(g.filter)
	m.watch(s.Nsp())

	h := handshakeOf(s)
	err := g.recovery.find(s)
	if errors.Is(err, socketio.ErrServer) {
		g.logger.Error("zishang: every socket is refused", "error", err)
	}
	var pass *socketio.Pass
	if err == nil {
		// What the request's context carries, such as the span of a trace.
		ctx := context.WithoutCancel(s.Request().Request().Context())
		pass, err = m.authorizer.Admit(ctx, h)
	}
	if err != nil {
		if g.move(over, admitting) {
			g.refuse(verifier.AsUnauthorized(err))
		}
		return
	}
	g.passed, g.attaching = pass != nil, true
	guard := m.authorizer.Attach(g, h, pass)
	g.guard.Store(guard)
	if pass == nil {
		g.hold() // unless it was let in as a guest
	}
	g.attachDone()
	if c.isClosed() {
		g.gone() // nobody told it
	}
	if c.isBarred() { // meanwhile
		g.Close(socketio.ErrDisconnected, "")
	}
}

// watched is kept with a namespace whose sockets a middleware has seen.
type watched struct{ authorizer *socketio.Authorizer }

// authorizerOf returns the authorizer that guards a namespace, nil for none. It also
// knows a namespace that no client has entered yet, by its middlewares.
func authorizerOf(n socket.Namespace) *socketio.Authorizer {
	if w := attached[watched](n.EventEmitter().EventEmitter); w != nil {
		return w.authorizer
	}
	ours := reflect.ValueOf((&middleware{}).admit).Pointer()
	var found *middleware
	for _, f := range n.Fns().All() {
		if reflect.ValueOf(f).Pointer() == ours {
			f(nil, func(err *socket.ExtendedError) { found, _ = err.Data.(*middleware) })
		}
	}
	if found == nil {
		return nil
	}
	return found.authorizer
}

// watch has the namespace tell when the library has connected a socket.
func (m *middleware) watch(n socket.Namespace) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := n.EventEmitter().EventEmitter
	if attached[watched](e) != nil {
		return
	}
	attach(e, &watched{m.authorizer})
	_ = n.On("connect", func(args ...any) {
		if s, ok := args[0].(*socket.Socket); ok {
			if g := attached[guarded](s.StrictEventEmitter.EventEmitter); g != nil {
				g.arrive()
			}
		}
	})
}

// handshakeOf describes what the client presented: the request that opened the
// connection, and the CONNECT packet for the namespace.
func handshakeOf(s *socket.Socket) *verifier.Handshake {
	h := verifier.HandshakeFromRequest(s.Request().Request())
	h.Header = h.Header.Clone()
	h.Namespace = s.Nsp().Name()
	auth := s.Handshake().Auth
	switch {
	case s.Conn().Protocol() == 3: // it is the query of the packet
		for name, values := range auth {
			if values, ok := values.([]string); ok {
				h.Query[name] = values
			}
		}
	case auth != nil:
		h.Auth = maps.Clone(auth) // the library's copy loses its token
	}
	return h
}

// misconfigured refuses a socket for what is to be changed in the program.
func misconfigured(what string) error {
	return &verifier.UnauthorizedError{Message: "internal server error", Code: "internal_error", Reason: socketio.ErrServer, Err: errors.New(what)}
}
