package zishang

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// settings are what the server takes of the library's options.
type settings struct {
	config       engine.Config
	recovers     bool
	allowEIO3    bool
	allowRequest func(*types.HttpContext) error
	cors         *types.Cors
	transports   map[string]bool
}

// ServerOption sets up a [Server] beside the options of the library.
type ServerOption func(*engine.Config)

// RefusalDelay is how long after its arrival a refused client 1.x or 2.x is disconnected,
// and any client whose session ends (5 s). Applications often call connect() when they
// hear "disconnect", for which clients have no back-off.
func RefusalDelay(d time.Duration) ServerOption {
	return func(c *engine.Config) { c.RefusalDelay = d }
}

// MaxUnauthenticatedMessage is the largest message in bytes that a client may send before
// it is accepted anywhere (40 KiB): its token has to fit in.
func MaxUnauthenticatedMessage(n int) ServerOption {
	return func(c *engine.Config) { c.MaxUnauthenticated = n }
}

// WithLogger is told of panics and, at the level debug, of what ends a connection before its
// time. Authorizers log there too, unless [socketio.WithLogger] says otherwise. The
// default is [slog.Default].
func WithLogger(l *slog.Logger) ServerOption { return func(c *engine.Config) { c.Logger = l } }

// maxUnauthenticated is the largest message in bytes that an unauthenticated client may
// send: a token of 16 KiB and what surrounds it, twice.
const maxUnauthenticated = 40 << 10

// settle reads the options, and returns those for the library.
func (s *Server) settle(o *socket.ServerOptions) *socket.ServerOptions {
	set := settings{
		allowEIO3: o.AllowEIO3(), allowRequest: o.AllowRequest(), cors: o.Cors(),
		transports: map[string]bool{"polling": true, "websocket": true},
	}
	c := &set.config
	for _, d := range []struct {
		raw types.Optional[time.Duration]
		to  *time.Duration
	}{
		{o.GetRawPingInterval(), &c.PingInterval}, {o.GetRawPingTimeout(), &c.PingTimeout},
		{o.GetRawUpgradeTimeout(), &c.UpgradeTimeout}, {o.GetRawConnectTimeout(), &c.HandshakeTimeout},
	} {
		if d.raw != nil {
			*d.to = d.raw.Get()
		}
	}
	c.MaxMessage = 1_000_000
	if o.GetRawMaxHttpBufferSize() != nil {
		c.MaxMessage = int(o.MaxHttpBufferSize())
	}
	c.MaxUnauthenticated = min(maxUnauthenticated, c.MaxMessage)
	c.MaxNamespaces = 64
	if o.GetRawAllowUpgrades() != nil {
		c.NoUpgrades = !o.AllowUpgrades()
	}
	c.Cookie = o.Cookie()
	if p := o.PerMessageDeflate(); p != nil {
		c.CompressFrom = max(1, p.Threshold)
	}
	if h := o.HttpCompression(); h != nil {
		c.CompressPollsFrom = max(1, h.Threshold)
	}
	if packet := o.InitialPacket(); packet != nil {
		text, err := io.ReadAll(packet)
		if err != nil {
			s.fail(fmt.Errorf("the initial packet cannot be read: %w", err))
		}
		c.InitialPacket = text
	}
	c.CheckOrigin = set.admitsOrigin
	c.NoCredentials = set.cors != nil && !set.cors.Credentials
	s.checkOptions(o, &set)
	s.options = set
	return s.forLibrary(o)
}

func (s *Server) fail(err error) {
	if s.err == nil {
		s.err = fmt.Errorf("zishang: NewServer: %w", err)
	}
}

// checkOptions looks for options that are invalid here.
func (s *Server) checkOptions(o *socket.ServerOptions, set *settings) {
	if o.Parser() != nil {
		s.fail(errors.New("a parser of its own is not supported: leave SetParser out"))
	}
	if o.ServeClient() {
		s.fail(errors.New("it does not serve the client's JavaScript: leave SetServeClient out, and serve it like other files"))
	}
	if all := o.Transports(); all != nil {
		clear(set.transports)
		for _, t := range all.Keys() {
			if name := t.Name(); name != transports.POLLING && name != transports.WEBSOCKET {
				s.fail(fmt.Errorf("the transport %q is not supported: expected polling and websocket", name))
			}
			set.transports[t.Name()] = true
		}
	}
	if c := set.cors; c != nil && c.Credentials && (c.Origin == nil || c.IsOriginAllowed("https://"+rand.Text()+".invalid", c.Origin)) {
		s.fail(errors.New("the CORS options let every origin send cookies: list the origins, or leave Credentials out"))
	}
}

// forLibrary are the options of the library's own server, which makes no connections.
func (s *Server) forLibrary(o *socket.ServerOptions) *socket.ServerOptions {
	library := socket.DefaultServerOptions()
	library.Assign(o)
	library.SetCors(nil)
	library.SetTransports(types.NewSet(socket.Polling, socket.WebSocket))
	library.SetAllowRequest(func(*types.HttpContext) error {
		s.logger.Error("zishang: a client is refused: serve the Server of zishang.NewServer, not the library's")
		return errOtherEngine
	})
	inner := o.Adapter()
	lifetime := int64(0)
	if r := o.ConnectionStateRecovery(); r != nil {
		s.options.recovers = true
		lifetime = socket.DefaultMaxDisconnectionDuration
		if r.GetRawMaxDisconnectionDuration() != nil {
			lifetime = r.MaxDisconnectionDuration()
		}
		own := socket.DefaultConnectionStateRecovery()
		own.Assign(r)
		own.SetMaxDisconnectionDuration(lifetime)
		own.SetSkipMiddlewares(false)
		library.SetConnectionStateRecovery(own)
		if inner == nil {
			inner = &socket.SessionAwareAdapterBuilder{}
		}
	}
	if inner == nil {
		inner = &socket.AdapterBuilder{}
	}
	library.SetAdapter(&adapters{inner, s, time.Duration(lifetime) * time.Millisecond})
	return library
}

// admitsOrigin is the check of a request's origin: the same one, or one of CORS.
func (set *settings) admitsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if set.cors == nil || origin == "" {
		return engine.SameOrigin(r)
	}
	return engine.SameOrigin(r) || set.cors.IsOriginAllowed(origin, set.cors.Origin)
}

// admitRequest applies the options that concern single requests. It answers those that
// it does not admit.
func (s *Server) admitRequest(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	switch {
	case q.Get("EIO") == "3" && !s.options.allowEIO3:
		deny(w, http.StatusBadRequest, 5, "Unsupported protocol version")
	case q.Has("transport") && !s.options.transports[q.Get("transport")]:
		deny(w, http.StatusBadRequest, 0, "Transport unknown")
	default:
		if c := s.options.cors; c != nil && !c.Credentials && !sameHost(r) {
			r.Header.Del("Cookie") // the browser sends it with a websocket, whatever CORS says
		}
		return s.askApplication(w, r, q)
	}
	return false
}

func sameHost(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && (u.Host == "" || strings.EqualFold(u.Host, r.Host))
}

// askApplication applies the option AllowRequest, and the middlewares of the engine.
func (s *Server) askApplication(w http.ResponseWriter, r *http.Request, q url.Values) bool {
	middlewares := len(s.base.Middlewares()) > 0
	ask := s.options.allowRequest != nil && !q.Has("sid") && r.Method != http.MethodOptions
	if !middlewares && !ask {
		return true
	}
	ctx := types.NewHttpContext(answered{}, r)
	if middlewares {
		var failed error
		called := false
		s.base.ApplyMiddlewares(ctx, func(err error) { called, failed = true, err })
		if !called || failed != nil {
			deny(w, http.StatusBadRequest, 3, "Bad request")
			return false
		}
		for name, values := range ctx.ResponseHeaders().All() {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
	}
	if ask {
		if err := s.options.allowRequest(ctx); err != nil {
			deny(w, http.StatusForbidden, 4, err.Error())
			return false
		}
	}
	return true
}

// deny answers a request with an error of Engine.IO's.
func deny(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, message})
}
