package zishang

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	enginepacket "github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// DefaultConnectTimeout is how long a connection may be in no namespace, where
// the options given to [Harden] do not say.
const DefaultConnectTimeout = 10 * time.Second

// Harden completes a server's options, which it returns, with what a server
// needs that clients authenticate to:
//
//   - Connection-state recovery does not bypass authentication. The library by
//     itself hands the rooms and the missed packets of a session to whoever
//     knows its private id, before a middleware is asked, and asks none if
//     SkipMiddlewares is set. Now they are handed out when the socket has
//     authenticated again, by a token of the same issuer and subject;
//     SkipMiddlewares has no effect; and a session is recovered once. Without
//     Harden guarded namespaces refuse every socket of a server that has
//     recovery enabled.
//   - A client that changes from polling to a websocket while events are under
//     way is not lost, as one in some hundreds is otherwise.
//   - A client cannot end the process by closing its connection while it sends.
//   - The ids of connections that are gone, which the library keeps, are forgotten.
//   - A connection that enters no namespace is closed after
//     [DefaultConnectTimeout] rather than 45 s, unless the options say
//     otherwise.
//
// Set the other options first: an adapter and transports that are set later
// replace these. The options are for one server.
func Harden(options *socket.ServerOptions) *socket.ServerOptions {
	if options == nil {
		options = socket.DefaultServerOptions()
	}
	if options.GetRawConnectTimeout() == nil {
		options.SetConnectTimeout(DefaultConnectTimeout)
	}
	h := &hardened{adapters: options.Adapter()}
	recovery := options.ConnectionStateRecovery()
	if recovery != nil && recovery.GetRawMaxDisconnectionDuration() == nil {
		recovery.SetMaxDisconnectionDuration(socket.DefaultMaxDisconnectionDuration)
	}
	if h.adapters == nil { // what the library chooses
		h.adapters = &socket.AdapterBuilder{}
		if recovery != nil {
			h.adapters = &socket.SessionAwareAdapterBuilder{}
		}
	}
	options.SetAdapter(h)

	all := options.Transports()
	if all == nil {
		all = types.NewSet(socket.Polling, socket.WebSocket)
	}
	guarded := types.NewSet[socket.TransportCtor]()
	for _, t := range all.Keys() {
		guarded.Add(&builder{t, h})
	}
	options.SetTransports(guarded)
	return options
}

// hardened is what the parts of one server have in common. It makes the
// adapters.
type hardened struct {
	adapters  socket.AdapterConstructor
	server    atomic.Pointer[socket.Server]
	listening sync.Once
}

// New makes the adapter of a namespace.
func (h *hardened) New(n socket.Namespace) socket.Adapter {
	h.server.Store(n.Server())
	return newRecoverable(n, h.adapters.New(n))
}

// conn returns the connection of an id.
func (h *hardened) conn(id string) engine.Socket {
	server := h.server.Load()
	if server == nil || server.Engine() == nil {
		return nil
	}
	conn, _ := server.Engine().Clients().Load(id)
	return conn
}

// listen has the library forget connections that are closed. It empties their
// place in its map and leaves their id there (servers/engine base-server.go, by
// CompareAndDelete of pkg/types/map.go): the map gives it up when it has been asked
// for more ids in vain than it holds, which one connection that stays prevents.
func (h *hardened) listen() {
	server := h.server.Load()
	if server == nil || server.Engine() == nil {
		return
	}
	h.listening.Do(func() {
		clients := server.Engine().Clients()
		_ = server.Engine().On("connection", func(args ...any) {
			conn, ok := args[0].(engine.Socket)
			if !ok {
				return
			}
			_ = conn.On("packet", strangers(conn))
			forget := func(...any) { clients.Delete(conn.Id()) } // after the library's own listener
			_ = conn.Once("close", forget)
			if conn.ReadyState() == "closed" { // and perhaps its listeners are being called
				time.AfterFunc(time.Second, func() { forget() })
			}
		})
	})
}

// builder makes the library's transports.
type builder struct {
	socket.TransportCtor
	hardened *hardened
}

// New makes a transport.
func (b *builder) New(ctx *types.HttpContext) transports.Transport {
	b.hardened.listen() // now there is an engine
	if ctx.Websocket != nil {
		flood.LimitPings(ctx.Websocket, maxIdle)
	}
	made := b.TransportCtor.New(ctx)
	switch b.Name() {
	case transports.POLLING:
	case transports.WEBSOCKET:
		if ctx.Query().Has("sid") {
			_ = made.On("packet", oneProbe())
		}
		return &webSocket{made}
	default:
		return made
	}
	inner, ok := made.(transports.Polling)
	if !ok {
		panic("zishang: a transport of the name polling is not one") // of the options
	}
	p := &polling{Polling: inner, hardened: b.hardened}
	p.Prototype(p) // the library calls what is below
	return p
}

// webSocket is the library's transport, without the packets that say nothing: those
// that a connection has taken out (see take) need not go over the wire.
type webSocket struct{ transports.Transport }

// Send sends packets.
func (w *webSocket) Send(packets []*enginepacket.Packet) {
	empty := func(p *enginepacket.Packet) bool { return p.Type == enginepacket.NOOP }
	if slices.ContainsFunc(packets, empty) {
		packets = slices.DeleteFunc(slices.Clone(packets), empty)
	}
	w.Transport.Send(packets) // even none: it tells the connection when they are sent
}

// polling is the library's transport, without two of its faults (in
// servers/engine/v3@v3.0.6).
type polling struct {
	transports.Polling
	hardened *hardened
	listen   sync.Once
	turn     atomic.Pointer[strings.Reader] // what stands for a packet in the queue

	mu      sync.Mutex           // guards the rest
	posts   map[*posted]struct{} // requests with data that are under way
	closes  bool                 // the transport is to be closed
	closing func()               // to be called for that when they are done
}

// posted is the body of a request with data. It can be cut by another goroutine.
type posted struct {
	io.ReadCloser
	response http.ResponseWriter

	mu        sync.Mutex // guards the rest
	done, cut bool
}

func (b *posted) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = err != nil
	if b.cut {
		// For net/http the client is gone: what a proxy sends next by the same
		// connection, of another client perhaps, would be cancelled.
		b.response.Header().Set("Connection", "close")
	}
	return n, err
}

// end ends a body that has yet to come, after so long.
func (b *posted) end(after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.done && !b.cut {
		b.cut = true
		_ = http.NewResponseController(b.response).SetReadDeadline(time.Now().Add(after)) // where there are deadlines
	}
}

// lastWords is how long a request with data may take that comes when its transport is
// to be closed.
const lastWords = time.Second

// OnRequest handles a request.
func (p *polling) OnRequest(ctx *types.HttpContext) {
	if ctx.Method() != http.MethodPost {
		p.Polling.OnRequest(ctx)
		return
	}
	body := &posted{ReadCloser: ctx.Request().Body, response: ctx.Response()}
	ctx.Request().Body = body
	p.mu.Lock()
	if p.posts == nil {
		p.posts = make(map[*posted]struct{})
	}
	p.posts[body] = struct{}{}
	if p.closes {
		body.end(lastWords) // its client says goodbye, or plays for time
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.posts, body)
		var closing func()
		if len(p.posts) == 0 {
			closing, p.closing = p.closing, nil
		}
		p.mu.Unlock()
		if closing != nil {
			closing()
		}
	}()
	p.Polling.OnRequest(ctx)
}

// DoClose closes the transport, when no request with data is under way. The
// library answers such a request from here while that answers itself
// (transports/polling.go, DoClose and onDataRequest): both write to one map of
// headers, which can end the process, and a client can bring it about. A client
// that takes its time with the data is not waited for.
func (p *polling) DoClose(fn types.Callable) {
	p.mu.Lock()
	p.closes = true
	wait := len(p.posts) > 0
	if wait {
		p.closing = func() { p.Polling.DoClose(fn) }
		for body := range p.posts {
			body.end(0)
		}
	}
	p.mu.Unlock()
	if !wait {
		p.Polling.DoClose(fn)
	}
}

// Send answers the poll. While a client upgrades, the library answers its poll
// every 100 ms with a packet of no meaning, so that it goes on. It does so beside
// the queue of the connection (socket.go, check in MaybeUpgrade): if the queue has
// found the poll there and is about to answer it, one of the two finds it gone,
// and the connection ends. Here that packet takes its turn in the queue.
func (p *polling) Send(packets []*enginepacket.Packet) {
	if len(packets) != 1 || packets[0].Type != enginepacket.NOOP || packets[0].Options != nil {
		p.Polling.Send(packets)
		return
	}
	conn := p.hardened.conn(p.Sid())
	if conn == nil {
		return // it is asked for again
	}
	p.listen.Do(func() {
		_ = conn.On("packetCreate", func(args ...any) {
			if packet, ok := args[0].(*enginepacket.Packet); ok && packet.Data == p.turn.Load() {
				packet.Type, packet.Data = enginepacket.NOOP, types.NewStringBuffer(nil)
			}
		})
	})
	turn := strings.NewReader("")
	p.turn.Store(turn)
	conn.Send(turn, nil, nil)
}
