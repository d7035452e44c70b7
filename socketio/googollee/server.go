package googollee

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Server is a go-socket.io server on transports of ours. It is an
// [http.Handler] for the path that clients connect to, "/socket.io/" by their
// default. [NewServer] makes one; [Server.Close] ends it.
type Server struct {
	engine *engine.Server
	server *gosio.Server
	logger *slog.Logger

	tasks   sync.WaitGroup // handlers that run apart from go-socket.io
	serving sync.WaitGroup // go-socket.io's accept loop
	closing sync.Once

	mu         sync.RWMutex // guards namespaces
	namespaces map[string]*Namespace
}

// NewServer makes a server and starts to accept connections for it. Nil options
// are the defaults. It fails where an option makes no sense.
func NewServer(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{namespaces: make(map[string]*Namespace), logger: o.Logger}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	var err error
	s.engine, err = engine.New(engine.Config{
		CheckOrigin:        o.CheckOrigin,
		PingInterval:       o.PingInterval,
		PingTimeout:        o.PingTimeout,
		MaxMessage:         o.MaxMessage,
		MaxUnauthenticated: o.MaxUnauthenticatedMessage,
		MaxOutbound:        o.MaxBuffered,
		MaxNamespaces:      o.MaxNamespaces,
		MaxHandshakes:      o.MaxHandshakes,
		Namespaces:         s.names,
		GuestEvent:         s.guestEvent,
		Logger:             s.logger,
	}, engine.Hooks{
		Handshake:       s.handshake,
		Opened:          s.opened,
		Connect:         s.connect,
		Connected:       s.connected,
		Authenticate:    s.authenticate,
		NamespaceClosed: s.namespaceClosed,
		NamespaceDone:   s.namespaceDone,
	})
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	s.server = gosio.NewServer(s.engine.Options())
	s.engine.Mount(s.server)
	s.handle("/")                                 // go-socket.io serves nobody without a root namespace
	s.serving.Go(func() { _ = s.server.Serve() }) // until go-socket.io's server is closed
	return s, nil
}

// Authorize guards a namespace, "/" for the root, with an authenticator, such as
// a *[verifier.Verifier], and options. Without options sockets authenticate by
// event ([socketio.ByEvent]). It fails where an option makes no sense or the
// namespace is there already. Guard namespaces before the server serves.
func (s *Server) Authorize(namespace string, auth socketio.Authenticator, options ...socketio.Option) (*Namespace, error) {
	a, err := socketio.New(auth, append([]socketio.Option{socketio.Defaults(socketio.WithLogger(s.logger))}, options...)...)
	if err != nil {
		return nil, err
	}
	return s.add(namespace, a)
}

// Public makes a namespace that needs no authentication: beside a guarded
// "/admin", say. A namespace that is neither guarded nor public does not exist
// for clients, except for the root: they enter that always, and if it is
// neither, nothing passes in it.
func (s *Server) Public(namespace string) (*Namespace, error) { return s.add(namespace, nil) }

func (s *Server) add(name string, a *socketio.Authorizer) (*Namespace, error) {
	if err := engine.CheckNamespace(name); err != nil {
		return nil, fmt.Errorf("googollee: the namespace %q: %w: expected a slash and printable ASCII without a comma or a question mark", name, err)
	}
	n := &Namespace{server: s, name: name, auth: a, guestEvents: make(map[string]bool), sockets: make(map[*socket]struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.namespaces[name] != nil {
		return nil, fmt.Errorf("googollee: the namespace %q is there already", name)
	}
	s.namespaces[name] = n
	s.handle(name)
	return n, nil
}

// handle has go-socket.io report the sockets of a namespace.
func (s *Server) handle(name string) {
	s.server.OnConnect(name, func(c gosio.Conn) error {
		if so, _ := s.handling(c, name); so != nil {
			so.bind(c)
		}
		return nil // an error would end the whole connection without a word
	})
	s.server.OnEvent(name, engine.AckEvent, func(c gosio.Conn) {
		if so, h := s.handling(c, name); so != nil && h.Ack != nil {
			so.acknowledged(h)
		}
	})
	s.server.OnError(name, func(c gosio.Conn, err error) {
		s.logger.Debug("googollee: go-socket.io reports an error", "namespace", name, "error", err)
	})
}

// ServeHTTP serves the Socket.IO endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Library returns go-socket.io's own server, for what it knows of rooms and
// connections. Do not register handlers on it, which would run for everybody and
// get no arguments, do not emit on it, and do not close it. Its Redis adapter is
// not supported: it cannot be stopped, and broadcasts do not pass it.
func (s *Server) Library() *gosio.Server { return s.server }

// Shutdown refuses new connections, ends those there are, and waits until their
// handlers have returned, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.engine.Shutdown(ctx, nil); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		s.tasks.Wait()
		s.closing.Do(func() { _ = s.server.Close() }) // it can fail in nothing
		s.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("googollee: handlers are still running: %w", ctx.Err())
	}
}

// Close is Shutdown with twenty seconds of patience, in which every client has
// taken its leave or been cut off.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

func (s *Server) namespace(name string) *Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.namespaces[name]
}

func (s *Server) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for name := range s.namespaces {
		names = append(names, name)
	}
	return names
}

// guestEvent tells whether a socket without a session may send an event: one
// that no handler would run for is not acknowledged either.
func (s *Server) guestEvent(namespace, event string) bool {
	n := s.namespace(namespace)
	return n != nil && n.forGuests(event)
}

// connection is what a session of the engine's carries for us: decisions about
// namespaces that the engine has yet to carry out.
type connection struct {
	mu       sync.Mutex // guards admitted
	admitted map[string]admission
}

type admission struct {
	handshake *verifier.Handshake
	pass      *socketio.Pass
}

// socket returns the socket that a session has in a namespace now.
func (s *Server) socket(session *engine.Session, namespace string) *socket {
	if session == nil {
		return nil
	}
	so, _ := session.Attached(namespace).(*socket)
	return so
}

// handling returns what go-socket.io has called a handler for, and the socket it
// concerns, which need not be the one of now.
func (s *Server) handling(c gosio.Conn, namespace string) (*socket, *engine.Handling) {
	session := s.engine.Session(c.ID())
	if session == nil {
		return nil, nil
	}
	h := session.Handling(namespace)
	if h == nil {
		return nil, nil
	}
	so, _ := h.Value.(*socket)
	return so, h
}

// handshake decides about the root namespace before there is a session.
func (s *Server) handshake(r *http.Request) (engine.Verdict, any) {
	c := new(connection)
	v := s.admit(r.Context(), c, s.namespace("/"), verifier.HandshakeFromRequest(r))
	return v, c
}

// connect decides about another namespace, by the connection's handshake with
// the query of the CONNECT packet laid over.
func (s *Server) connect(session *engine.Session, name string, query url.Values) engine.Verdict {
	n := s.namespace(name)
	if n == nil && name != "/" {
		return engine.Unknown()
	}
	h := verifier.HandshakeFromRequest(session.Request())
	h.Namespace = name
	maps.Copy(h.Query, query)
	return s.admit(session.Context(), session.Value().(*connection), n, h)
}

// admit asks the namespace's guard.
func (s *Server) admit(ctx context.Context, c *connection, n *Namespace, h *verifier.Handshake) engine.Verdict {
	if n == nil {
		return engine.Admit(engine.Pending) // a root that is neither guarded nor public
	}
	a := admission{handshake: h}
	gate := engine.Open
	if n.auth != nil {
		var err error
		if a.pass, err = n.auth.Admit(ctx, h); err != nil {
			u := verifier.AsUnauthorized(err)
			return engine.Refuse(&engine.Refusal{Error: u, Retryable: u.Retryable})
		}
		gate = engine.Pending // Attach opens it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.admitted == nil {
		c.admitted = make(map[string]admission, 1)
	}
	c.admitted[n.name] = a
	return engine.Admit(gate)
}

// opened begins the root namespace of a session.
func (s *Server) opened(session *engine.Session) { s.connected(session, "/") }

// connected begins a namespace that was admitted: it makes the session's socket
// there, and guards it.
func (s *Server) connected(session *engine.Session, name string) {
	n := s.namespace(name)
	if n == nil {
		return
	}
	so := newSocket(session, n)
	c := session.Value().(*connection)
	c.mu.Lock()
	a := c.admitted[name]
	delete(c.admitted, name)
	if len(c.admitted) == 0 {
		c.admitted = nil
	}
	c.mu.Unlock()
	session.Attach(name, so)
	n.join(so)
	if n.auth != nil {
		so.attach(a.handshake, a.pass)
	}
}

// authenticate hands an "authenticate" event to the guard.
func (s *Server) authenticate(session *engine.Session, name string, args []json.RawMessage, _ func(...any)) {
	so := s.socket(session, name)
	if so == nil || so.guard() == nil {
		return
	}
	var data any
	if len(args) > 0 && json.Unmarshal(args[0], &data) != nil {
		data = nil // refused like an event without an argument
	}
	so.guard().Authenticate(data)
}

// namespaceClosed ends a socket, and namespaceDone tells the application, when
// the last event that came before has been handled.
func (s *Server) namespaceClosed(_ *engine.Session, _ string, value any, _ string) {
	if so, ok := value.(*socket); ok {
		so.closed()
	}
}

func (s *Server) namespaceDone(_ *engine.Session, _ string, value any, reason string) {
	if so, ok := value.(*socket); ok {
		so.done(reason)
	}
}
