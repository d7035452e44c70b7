package zishang

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// ServerOption sets up a [Server] beside the options of the library.
type ServerOption func(*engine.Config)

// RefusalDelay is how long after its arrival a refused client 1.x or 2.x is disconnected,
// and any client whose session ends (5 s). Applications often call connect() when they
// hear "disconnect", for which clients have no back-off.
func RefusalDelay(d time.Duration) ServerOption {
	return func(c *engine.Config) { c.RefusalDelay = d }
}

// MaxUnauthenticatedMessage is the largest message in bytes that a client may send while
// it is in no namespace (40 KiB): its token has to fit in.
func MaxUnauthenticatedMessage(n int) ServerOption {
	return func(c *engine.Config) { c.MaxUnauthenticated = n }
}

// WithLogger is told of panics and, at the level debug, of what ends a connection early.
// Authorizers log there too, unless [socketio.WithLogger] says otherwise. The default is
// [slog.Default].
func WithLogger(l *slog.Logger) ServerOption { return func(c *engine.Config) { c.Logger = l } }

// maxUnauthenticated is the largest message in bytes that an unauthenticated client may
// send: a token of 16 KiB and what surrounds it, twice.
const maxUnauthenticated = 40 << 10

// configOf reads the library's options for the engine, for which 0 is a default too.
func configOf(o *socket.ServerOptions) (c engine.Config, err error) {
	c = engine.Config{
		PingInterval: o.PingInterval(), PingTimeout: o.PingTimeout(),
		UpgradeTimeout: o.UpgradeTimeout(), HandshakeTimeout: o.ConnectTimeout(),
		MaxMessage: 1_000_000, MaxNamespaces: 64, Cookie: o.Cookie(),
		NoUpgrades: o.GetRawAllowUpgrades() != nil && !o.AllowUpgrades(),
	}
	if n := o.MaxHttpBufferSize(); n != 0 {
		c.MaxMessage = int(n)
	}
	c.MaxUnauthenticated = min(maxUnauthenticated, c.MaxMessage)
	if p := o.PerMessageDeflate(); p != nil {
		c.CompressFrom = max(1, p.Threshold)
	}
	if h := o.HttpCompression(); h != nil {
		c.CompressPollsFrom = max(1, h.Threshold)
	}
	if packet := o.InitialPacket(); packet != nil {
		if c.InitialPacket, err = io.ReadAll(packet); err != nil {
			return c, fmt.Errorf("the initial packet cannot be read: %w", err)
		}
	}
	cors := o.Cors()
	c.CheckOrigin = func(r *http.Request) bool {
		origin := r.Header.Get("Origin")
		return engine.SameOrigin(r) || cors != nil && origin != "" && cors.IsOriginAllowed(origin, cors.Origin)
	}
	c.NoCredentials = cors != nil && !cors.Credentials
	if err := setTransports(&c, o.Transports()); err != nil {
		return c, err
	}
	return c, unsupported(o)
}

func setTransports(c *engine.Config, set *types.Set[transports.TransportCtor]) error {
	if set == nil {
		return nil
	}
	c.NoPolling, c.NoWebsocket = true, true
	for _, t := range set.Keys() {
		switch name := t.Name(); name {
		case transports.POLLING:
			c.NoPolling = false
		case transports.WEBSOCKET:
			c.NoWebsocket = false
		default:
			return fmt.Errorf("the transport %q is not supported: expected polling and websocket", name)
		}
	}
	return nil
}

// unsupported says which option is invalid here.
func unsupported(o *socket.ServerOptions) error {
	switch cors := o.Cors(); {
	case o.Parser() != nil:
		return errors.New("a custom parser is not supported: leave SetParser out")
	case o.ServeClient():
		return errors.New("it does not serve the client's JavaScript: leave SetServeClient out, and serve it like other files")
	case cors != nil && cors.Credentials && (cors.Origin == nil || cors.IsOriginAllowed("https://"+rand.Text()+".invalid", cors.Origin)):
		return errors.New("the CORS options let every origin send cookies: list the origins, or leave Credentials out")
	}
	return nil
}

// forLibrary are the options of the library's server, which accepts nobody itself.
func (s *Server) forLibrary() *socket.ServerOptions {
	library := socket.DefaultServerOptions()
	library.Assign(s.options)
	library.SetCors(nil)
	library.SetParser(codec{s})
	library.SetTransports(types.NewSet(socket.Polling, socket.WebSocket))
	library.SetAllowRequest(func(*types.HttpContext) error {
		s.logger.Error("zishang: a client is refused: serve the Server of zishang.NewServer, not the library's")
		return errOtherEngine
	})
	inner := s.options.Adapter()
	if r := s.options.ConnectionStateRecovery(); r != nil {
		own := socket.DefaultConnectionStateRecovery()
		own.Assign(r)
		own.SetSkipMiddlewares(false)
		if r.GetRawMaxDisconnectionDuration() == nil {
			own.SetMaxDisconnectionDuration(socket.DefaultMaxDisconnectionDuration)
		}
		library.SetConnectionStateRecovery(own)
		if inner == nil {
			inner = &socket.SessionAwareAdapterBuilder{}
		}
	}
	if inner == nil {
		inner = &socket.AdapterBuilder{}
	}
	library.SetAdapter(&adapters{inner, s})
	return library
}

// recovers reports whether clients may recover their sessions.
func (s *Server) recovers() bool { return s.options.ConnectionStateRecovery() != nil }

// admitRequest applies the options that concern single requests, and the middlewares of
// the library's engine. It answers requests that it does not admit.
func (s *Server) admitRequest(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if q.Get("EIO") == "3" && !s.options.AllowEIO3() {
		return deny(w, http.StatusBadRequest, 5, "Unsupported protocol version")
	}
	if s.config.NoCredentials && !engine.SameOrigin(r) {
		r.Header.Del("Cookie") // the browser sends it with a websocket, whatever CORS says
	}
	ask := s.options.AllowRequest()
	if q.Has("sid") || r.Method == http.MethodOptions {
		ask = nil
	}
	middlewares := len(s.base.Middlewares()) > 0
	if ask == nil && !middlewares {
		return true
	}
	ctx := types.NewHttpContext(answered{}, r)
	if middlewares {
		failed := errOtherEngine // for one that does not call back
		s.base.ApplyMiddlewares(ctx, func(err error) { failed = err })
		if failed != nil {
			return deny(w, http.StatusBadRequest, 3, "Bad request")
		}
		for name, values := range ctx.ResponseHeaders().All() {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
	}
	if ask != nil {
		if err := ask(ctx); err != nil {
			return deny(w, http.StatusForbidden, 4, err.Error())
		}
	}
	return true
}

// deny answers a request with an error of Engine.IO's.
func deny(w http.ResponseWriter, status, code int, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, message})
	return false
}
