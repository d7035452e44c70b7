package googollee

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// Server serves Socket.IO clients. It is an [http.Handler] for the path that
// clients connect to, "/socket.io/" by their default. [NewServer] makes one;
// [Server.Close] ends it.
type Server struct {
	engine          *engine.Server
	logger          *slog.Logger
	cluster         *cluster.Cluster // nil: the server is alone
	unauthenticated int              // bytes that an unauthenticated client may send

	tasks sync.WaitGroup // the application's handlers that begin and end sockets

	mu         sync.RWMutex // guards namespaces
	namespaces map[string]*Namespace
}

// NewServer makes a server. Nil options are the defaults. It fails where an
// option makes no sense.
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
	checkOrigin, noCredentials, err := o.originCheck()
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	s.engine, err = engine.New(engine.Config{
		CheckOrigin:        checkOrigin,
		NoCredentials:      noCredentials,
		PingInterval:       o.PingInterval,
		PingTimeout:        o.PingTimeout,
		RefusalDelay:       o.RefusalDelay,
		MaxMessage:         o.MaxMessage,
		MaxUnauthenticated: o.MaxUnauthenticatedMessage,
		MaxOutbound:        o.MaxBuffered,
		MaxNamespaces:      o.MaxNamespaces,
		MaxHandshakes:      o.MaxHandshakes,
		Logger:             s.logger,
	}, (*library)(s))
	if err != nil {
		return nil, fmt.Errorf("googollee: NewServer: %w", err)
	}
	return s, nil
}

// Authorize guards a namespace, "/" for the root, with an authenticator, such as
// a *[verifier.Verifier], and options. Without options sockets authenticate by
// event ([socketio.ByEvent]). It fails where an option makes no sense, where the
// authenticator reads longer tokens than Options.MaxUnauthenticatedMessage lets
// in, or where the namespace is there already. Guard namespaces before the server
// serves.
func (s *Server) Authorize(namespace string, auth socketio.Authenticator, options ...socketio.Option) (*Namespace, error) {
	a, err := socketio.New(auth, append([]socketio.Option{socketio.Defaults(socketio.WithLogger(s.logger))}, options...)...)
	if err != nil {
		return nil, err
	}
	if v, ok := auth.(interface{ TokenLimit() int }); ok && v.TokenLimit()+aroundToken > s.unauthenticated {
		return nil, fmt.Errorf("googollee: the authenticator reads tokens of up to %d bytes, but Options.MaxUnauthenticatedMessage is %d: "+
			"expected at least %d", v.TokenLimit(), s.unauthenticated, v.TokenLimit()+aroundToken)
	}
	return s.add(namespace, a)
}

// aroundToken is what surrounds a token in its message, in bytes: names, and a
// proof of possession.
const aroundToken = 2 << 10

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
	done := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("googollee: handlers are still running: %w", ctx.Err())
	}
}

// Close is Shutdown with a limit of twenty seconds, in which every client has
// been told or cut off.
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
