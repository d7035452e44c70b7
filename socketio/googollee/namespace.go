package googollee

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
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
	onError         func(*Conn, error)

	remote *cluster.Namespace // nil without a cluster

	mu           sync.Mutex // guards the rest
	handlers     map[string]*handler
	serverEvents map[string]func(cluster.Payload) any
	sockets      map[*socket]struct{}
	rooms        map[string]map[*socket]struct{}
}

// handler is the application's handler of an event.
type handler struct {
	f    reflect.Value
	args parameters // behind the *Conn
	open bool       // whether sockets without a session may send the event
}

func newNamespace(s *Server, name string, a *socketio.Authorizer) *Namespace {
	return &Namespace{
		server: s, name: name, auth: a,
		handlers: make(map[string]*handler), serverEvents: make(map[string]func(cluster.Payload) any), sockets: make(map[*socket]struct{}), rooms: make(map[string]map[*socket]struct{}),
	}
}

// OnConnect sets the handler of sockets that are accepted without
// authentication: those of a public namespace, and the guests of an optional
// one. An error disconnects the socket.
func (n *Namespace) OnConnect(f func(c *Conn) error) { n.onConnect = f }

// OnAuthenticated sets the handler of sockets that have authenticated. It runs
// once for each, before any of its events is handled, and may block and emit.
// An error ends the session: the client is told if it is an
// [*verifier.UnauthorizedError], otherwise only that the server refused it.
func (n *Namespace) OnAuthenticated(f func(c *Conn, s *socketio.Session) error) {
	n.onAuthenticated = f
}

// OnDisconnect sets the handler of sockets that are gone. It runs once for each
// socket that OnConnect or OnAuthenticated ran for, after them, with a reason
// that tells why.
func (n *Namespace) OnDisconnect(f func(c *Conn, reason string)) { n.onDisconnect = f }

// OnError sets the handler of events that failed: their arguments do not fit the
// handler, the handler panicked, or its results cannot be encoded. The server logs
// them too. What ends a connection, such as a malformed packet, is the reason that
// OnDisconnect is given.
func (n *Namespace) OnError(f func(c *Conn, err error)) { n.onError = f }

// OnEvent sets the handler of an event: a function whose first parameter is
// *[Conn], whose others are what the client sent, decoded as go-socket.io does,
// and whose results acknowledge the event. A variadic function takes any number of
// arguments. An attachment is a *parser.Buffer, or a []byte where the type is any. In
// a guarded namespace the handler runs only for what a client sends while it is
// authenticated. OnEvent panics if f is not such a function.
func (n *Namespace) OnEvent(event string, f any) {
	n.register(event, f, n.auth == nil)
}

// OnGuestEvent is OnEvent for an event that guests of an optional namespace may
// send too. [Conn.Session] is nil for them.
func (n *Namespace) OnGuestEvent(event string, f any) {
	n.register(event, f, true)
}

var connType = reflect.TypeFor[*Conn]()

// register keeps the handler of an event.
func (n *Namespace) register(event string, f any, open bool) {
	if event == socketio.EventAuthenticate {
		panic(fmt.Sprintf("googollee: the event %q is authorization's own: use OnAuthenticated", event))
	}
	v := reflect.ValueOf(f)
	t := reflect.TypeOf(f)
	if t == nil || t.Kind() != reflect.Func || v.IsNil() || t.NumIn() == 0 || t.In(0) != connType {
		panic(fmt.Sprintf("googollee: the handler of %q must be a func(*googollee.Conn, ...), not %v", event, t))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[event] = &handler{f: v, args: parametersOf(t, 1), open: open}
}

func (n *Namespace) handler(event string) *handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.handlers[event]
}

// encode makes an event, or nil and a line in the log.
func (n *Namespace) encode(event string, args []any) *engine.Event {
	data, attachments, err := encode(parser.Event, append([]any{event}, args...))
	if err != nil {
		n.server.logger.Error("googollee: an event was not sent", "namespace", n.name, "event", event, "error", err)
		return nil
	}
	return engine.NewEvent(n.name, data, attachments)
}
