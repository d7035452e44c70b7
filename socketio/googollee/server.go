package googollee

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/binding"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Server serves Socket.IO clients. It is an [http.Handler] for the path that
// clients connect to, "/socket.io/" by their default. [NewServer] makes one;
// [Server.Close] ends it.
type Server struct {
	engine          *engine.Server
	logger          *slog.Logger
	cluster         *cluster.Cluster // nil: one node
	unauthenticated int              // bytes that an unauthenticated client may send

	library binding.Library

	mu         sync.RWMutex // guards namespaces
	namespaces map[string]*Namespace
}

// NewServer makes a server. Nil options are the defaults. It fails where an
// option is invalid.
func NewServer(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{namespaces: make(map[string]*Namespace), logger: o.Logger, cluster: o.Cluster, unauthenticated: o.MaxUnauthenticatedMessage}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.unauthenticated == 0 {
		s.unauthenticated = engine.DefaultMaxUnauthenticated
	}
	s.library.Enter = s.enter
	checkOrigin, noCredentials, err := o.originCheck()
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	polling, websocket, err := o.transports()
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	s.engine, err = engine.New(engine.Config{
		NoPolling:          !polling,
		NoWebsocket:        !websocket,
		CheckOrigin:        checkOrigin,
		NoCredentials:      noCredentials,
		PingInterval:       o.PingInterval,
		PingTimeout:        o.PingTimeout,
		RefusalDelay:       o.RefusalDelay,
		MaxMessage:         o.MaxMessage,
		MaxUnauthenticated: o.MaxUnauthenticatedMessage,
		MaxAttachments:     o.MaxAttachments,
		MaxOutbound:        o.MaxBuffered,
		MaxNamespaces:      o.MaxNamespaces,
		MaxHandshakes:      o.MaxHandshakes,
		Logger:             s.logger,
	}, &s.library)
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	return s, nil
}

// Authorize guards a namespace, "/" for the root, with an authenticator, such as
// a *[verifier.Verifier], and options. Without options sockets authenticate by
// event ([socketio.ByEvent]). It fails where an option is invalid, where the
// authenticator reads longer tokens than Options.MaxUnauthenticatedMessage
// accepts, or where the namespace is there already. Guard namespaces before the
// server serves.
func (s *Server) Authorize(namespace string, auth socketio.Authenticator, options ...socketio.Option) (*Namespace, error) {
	a, err := socketio.New(auth, append([]socketio.Option{socketio.Defaults(socketio.WithLogger(s.logger))}, options...)...)
	if err != nil {
		return nil, err
	}
	if err := binding.CheckTokenLimit(auth, s.unauthenticated, "Options.MaxUnauthenticatedMessage"); err != nil {
		return nil, fmt.Errorf("googollee: Authorize: %w", err)
	}
	return s.add(namespace, a)
}

// Public makes a namespace that needs no authentication: beside a guarded
// "/admin", say. A namespace that is neither guarded nor public does not exist
// for clients, except for the root: clients 1.x and 2.x enter that always, and if
// it is neither, nothing passes in it.
func (s *Server) Public(namespace string) (*Namespace, error) { return s.add(namespace, nil) }

func (s *Server) add(name string, a *socketio.Authorizer) (*Namespace, error) {
	if err := engine.CheckNamespace(name); err != nil {
		return nil, fmt.Errorf("googollee: the namespace %q: %w: expected a slash and printable ASCII without a comma or a question mark", name, err)
	}
	n := newNamespace(s, name, a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.namespaces[name] != nil {
		return nil, fmt.Errorf("googollee: the namespace %q is there already", name)
	}
	if s.cluster != nil {
		var err error
		if n.remote, err = s.cluster.Namespace(name, (*local)(n)); err != nil {
			return nil, fmt.Errorf("googollee: the namespace %q: %w", name, err)
		}
	}
	s.namespaces[name] = n
	return n, nil
}

// ServeHTTP serves the Socket.IO endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Count returns the number of connections, those included that are closing.
func (s *Server) Count() int { return s.engine.Count() }

// Shutdown refuses new connections, ends those there are, and waits until their
// handlers have returned, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.engine.Shutdown(ctx, nil); err != nil {
		return fmt.Errorf("googollee: Shutdown: %w", err)
	}
	s.mu.RLock()
	for _, n := range s.namespaces {
		if n.remote != nil {
			n.remote.Close()
		}
	}
	s.mu.RUnlock()
	if err := s.library.Wait(ctx); err != nil {
		return fmt.Errorf("googollee: Shutdown: %w", err)
	}
	return nil
}

// Close is Shutdown with a limit of twenty seconds, in which every client has
// been told or cut off.
func (s *Server) Close() error { return binding.Close(s.Shutdown) }

// enter makes a socket of a client that asks to enter a namespace.
func (s *Server) enter(a *engine.Arrival, h *verifier.Handshake) (binding.Handler, error) {
	s.mu.RLock()
	n := s.namespaces[a.Namespace]
	s.mu.RUnlock()
	if n == nil {
		return nil, nil
	}
	return newSocket(n, h), nil
}
