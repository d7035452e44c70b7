package zishang

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/binding"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// Server serves Socket.IO clients 3.x and 4.x, and 1.x and 2.x with SetAllowEIO3(true).
// It is an [http.Handler] for the path that clients connect to, "/socket.io/" by their
// default. [NewServer] makes one; [Server.Close] ends it.
//
// Clients can enter the namespaces that Authorize and Public declare, and no other,
// whatever the application does with the library's server.
type Server struct {
	io      *socket.Server
	engine  *engine.Server
	base    *base
	logger  *slog.Logger
	options *socket.ServerOptions // a copy
	config  engine.Config
	err     error // why the options are invalid

	recovering sync.Map // the *guarded that presents a session, by the name that the library knows
	broadcasts sync.Map // *broadcast by its *parser.Packet
	library    binding.Library

	mu      sync.RWMutex // guards the rest
	named   map[string]*declaration
	dynamic []*declaration // in the order of their declaration
}

// NewServer makes a server of the library's options and of more, which the library does
// not have; nil options are the defaults. It copies them: a change that follows has no
// effect. Where an option is invalid, Authorize and Public return an error that says so,
// and the server serves nobody.
func NewServer(options *socket.ServerOptions, more ...ServerOption) *Server {
	s := &Server{options: socket.DefaultServerOptions(), named: make(map[string]*declaration)}
	if options != nil {
		s.options.Assign(options)
	}
	s.config, s.err = configOf(s.options)
	for _, option := range more {
		option(&s.config)
	}
	if s.config.Logger == nil {
		s.config.Logger = slog.Default()
	}
	s.logger = s.config.Logger
	s.library.Enter = s.enter
	own := s.forLibrary()
	s.base = newBase(s, own)
	s.io = socket.NewServer(nil, own)
	s.io.SetConnectTimeout(never) // the engine has its own deadline
	s.io.Bind(s.base)
	var err error
	if s.engine, err = engine.New(s.config, &s.library); s.err == nil {
		s.err = err
	}
	if s.err != nil {
		s.err = fmt.Errorf("zishang: NewServer: %w", s.err)
		s.logger.Error("zishang: the server serves nobody", "error", s.err)
	}
	return s
}

// never is longer than any process runs: 36 years.
const never time.Duration = 1 << 60

// IO returns the library's server: for rooms, broadcasts, adapters and everything else
// that it offers. Serve the [Server], not the library's: that one refuses everybody.
func (s *Server) IO() *socket.Server { return s.io }

// Authorize declares a namespace that clients enter with a token, and returns the
// library's. The namespace is a name ("/" for the root), or for dynamic ones a
// *[regexp.Regexp] or a func(name string) bool; of several that match a name the first
// declared counts. Without options sockets authenticate in the handshake
// ([socketio.ByHandshake]).
//
// The library gets to know a client when it has authenticated: handlers of "connection"
// and middlewares run for such clients only, and broadcasts reach no others. It fails
// where an option is invalid and where the namespace is declared already.
func (s *Server) Authorize(namespace any, auth socketio.Authenticator, options ...socketio.Option) (socket.Namespace, error) {
	defaults := socketio.Defaults(socketio.ByHandshake(), socketio.WithLogger(s.logger))
	a, err := socketio.New(auth, append([]socketio.Option{defaults}, options...)...)
	if err != nil {
		return nil, err
	}
	if err := binding.CheckTokenLimit(auth, s.config.MaxUnauthenticated, "MaxUnauthenticatedMessage"); err != nil {
		return nil, fmt.Errorf("zishang: Authorize: %w", err)
	}
	return s.declare(namespace, a)
}

// Public declares a namespace that needs no authentication, as Authorize does one that
// does, and returns the library's.
func (s *Server) Public(namespace any) (socket.Namespace, error) { return s.declare(namespace, nil) }

// ServeHTTP serves the Socket.IO endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.err != nil {
		http.Error(w, "the server is not set up", http.StatusInternalServerError)
		return
	}
	if s.admitRequest(w, r) {
		s.engine.ServeHTTP(w, r)
	}
}

// Count returns the number of connections, those included that are closing.
func (s *Server) Count() int {
	if s.engine == nil {
		return 0
	}
	return s.engine.Count()
}

// Shutdown refuses new connections, ends those there are, and waits until nothing is
// left of them, or ctx ends. The Close of the library's server does the same without
// waiting.
func (s *Server) Shutdown(ctx context.Context) error {
	closed := make(chan struct{})
	go func() { // it runs the application's handlers of "disconnecting", which may block
		defer close(closed)
		defer func() {
			if p := recover(); p != nil {
				s.logger.Error("zishang: a handler panicked while the server closed", "panic", p, "stack", string(debug.Stack()))
			}
		}()
		s.io.Close(nil)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	if s.engine == nil {
		return nil
	}
	if err := s.engine.Shutdown(ctx, nil); err != nil {
		return fmt.Errorf("zishang: Shutdown: %w", err)
	}
	if err := s.library.Wait(ctx); err != nil {
		return fmt.Errorf("zishang: Shutdown: %w", err)
	}
	return nil
}

// Close is Shutdown with a limit of twenty seconds, in which every client has been told
// or cut off.
func (s *Server) Close() error { return binding.Close(s.Shutdown) }

// SessionOf returns the session of a socket: nil for a guest, and in a public
// namespace. It is still there when the socket is gone; its context has then ended.
func SessionOf(s *socket.Socket) *socketio.Session {
	if c, ok := s.Conn().(*conn); ok {
		return c.guarded.Current.Load()
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
// otherwise only that the server refused it.
//
// It differs from the library's event "connection" where guests are accepted
// ([socketio.Optional]), who have no session: "connection" is when they come, and
// OnAuthenticated when they have authenticated.
func OnAuthenticated(namespace Emitter, f func(s *socket.Socket, session *socketio.Session) error) {
	_ = namespace.On("connection", func(args ...any) {
		if s, ok := args[0].(*socket.Socket); ok {
			if c, ok := s.Conn().(*conn); ok && c.guarded.Authorizer != nil {
				c.guarded.onAuthenticated(f)
			}
		}
	})
}
