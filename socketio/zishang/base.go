package zishang

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
	eio "github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// What the library sees of the engine.

// base is the engine's server.
type base struct {
	eio.BaseServer
	server *Server
}

func newBase(s *Server, options *socket.ServerOptions) *base {
	b := &base{eio.MakeBaseServer(), s}
	b.Prototype(b)
	b.Construct(options)
	return b
}

func (b *base) Init() {}

func (b *base) ClientsCount() uint64 { return uint64(b.server.Count()) }

// Close ends all connections, and does not wait for them.
func (b *base) Close() eio.BaseServer {
	if b.server.engine != nil {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.server.engine.Shutdown(done, nil)
	}
	return b
}

var errOtherEngine = errors.New("zishang: connections are made by the Server of zishang.NewServer: serve that one")

func (b *base) CreateTransport(string, *types.HttpContext) (transports.Transport, error) {
	return nil, errOtherEngine
}

func (b *base) Handshake(string, *types.HttpContext) (*types.CodeMessage, transports.Transport) {
	return eio.BAD_REQUEST, nil
}

// conn is the connection as the library sees it: one for each stay, whose socket's it
// is. It is open from the moment at which the socket is ours.
type conn struct {
	types.EventEmitter
	id        string
	namespace string // see nameFor
	guarded   *guarded
	session   *engine.Session
	request   *types.HttpContext
	opened    atomic.Bool // the guarded has its socket
	closed    atomic.Bool
	data      types.EventListener // the library's, for packets
}

var _ eio.Socket = (*conn)(nil)

func newConn(g *guarded, id string) *conn {
	return &conn{
		EventEmitter: types.NewEventEmitter(), id: id, guarded: g, session: g.Stay.Session(),
		namespace: nameFor(g.Stay.Session().Protocol(), g.Stay.Namespace()),
		request:   types.NewHttpContext(answered{}, g.Stay.Request()),
	}
}

// On adds listeners. The first for "data" is the library's; there is no such event for others.
func (c *conn) On(event types.EventName, listeners ...types.EventListener) error {
	if event == "data" && c.data == nil {
		c.data = listeners[0]
		return nil
	}
	return c.EventEmitter.On(event, listeners...)
}

// close has the library forget what it has of the connection, once.
func (c *conn) close(reason string) {
	if !c.closed.Swap(true) {
		c.Emit("close", reason)
		c.Clear()
	}
}

// ReadyState is read by the library, which sends and handles nothing unless it is "open".
func (c *conn) ReadyState() string {
	switch {
	case c.closed.Load():
		return "closed"
	case !c.opened.Load():
		return "opening"
	}
	return "open"
}

func (c *conn) Protocol() int                   { return c.session.Protocol() }
func (c *conn) Request() *types.HttpContext     { return c.request }
func (c *conn) RemoteAddress() string           { return c.session.Request().RemoteAddr }
func (c *conn) Transport() transports.Transport { return &transport{nothing, c} }
func (c *conn) Id() string                      { return c.id }
func (c *conn) Upgraded() bool {
	return c.session.Transport() == "websocket" && c.request.Query().Peek("transport") == "polling"
}
func (c *conn) Upgrading() bool { return false }

// Nothing of the library's calls these: the engine does what they do.
func (c *conn) SetReadyState(string) {}
func (c *conn) Construct(string, eio.BaseServer, transports.Transport, *types.HttpContext, int) {
}
func (c *conn) MaybeUpgrade(transports.Transport) {}

// Close ends the whole connection, with the stays in other namespaces.
func (c *conn) Close(bool) { c.session.End("forced server close", nil) }

// Write sends a packet of the library's, which holds a lock of the client's meanwhile.
func (c *conn) Write(data io.Reader, options *packet.Options, sent eio.SendCallback) eio.Socket {
	switch e := data.(type) {
	case *encoded:
		c.guarded.write(e)
	case *types.StringBuffer:
		c.guarded.Logger.Error("zishang: a packet is not sent: expected an adapter to encode it by the Encoder of the library's server")
	}
	if sent != nil {
		sent(c.Transport())
	}
	return c
}

// Send is Write: the engine knows no messages but Socket.IO's.
func (c *conn) Send(data io.Reader, options *packet.Options, sent eio.SendCallback) eio.Socket {
	return c.Write(data, options, sent)
}

type transport struct {
	transports.Transport
	conn *conn
}

var nothing = transports.MakeTransport()

func (t *transport) Name() string         { return t.conn.session.Transport() }
func (t *transport) Sid() string          { return t.conn.Id() }
func (t *transport) Protocol() int        { return t.conn.Protocol() }
func (t *transport) ReadyState() string   { return t.conn.ReadyState() }
func (t *transport) Writable() bool       { return t.conn.session.Writable() }
func (t *transport) SupportsBinary() bool { return true }

// answered is the response to a request that has been answered.
type answered struct{}

func (answered) Header() http.Header       { return make(http.Header) }
func (answered) Write([]byte) (int, error) { return 0, http.ErrHijacked }
func (answered) WriteHeader(int)           {}
