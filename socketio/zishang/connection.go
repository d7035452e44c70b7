package zishang

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	enginepacket "github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// connection is an Engine.IO connection with guarded sockets on it. It listens
// to the two events of the engine by which every packet passes, "packet" on its
// way in and "packetCreate" on its way out, and takes out what may not pass.
type connection struct {
	conn   engine.Socket
	client *socket.Client
	closed chan struct{}

	sending  sync.Mutex   // held while packets of ours are written
	shut     atomic.Int32 // guards that are not simply open: without any, packets need no look
	lastOpen atomic.Int64 // when one was last, in Unix nanoseconds

	mu       sync.Mutex // guards the rest
	guards   []*guarded // the last of each namespace
	leaving  []*guarded // those before them that the library is yet to forget
	skipIn   int        // attachments to take out
	skipOut  int
	reading  []io.Reader // packets of guarded sockets that the library has in its hands: one, or two in an upgrade
	missing  int         // attachments of the last such packet that are yet to come
	since    time.Time   // when that came
	later    []func()    // to be done when all is read
	enough   *time.Timer // or then
	refusals int
	idle     flood.Burst // of a client that is let in nowhere: see maxIdle
	barred   bool        // whether the client, a 2.x, is out of the root namespace
	cut      *time.Timer
}

// maxRefusals is how many sockets a connection may be refused, without one that
// authenticates between them, before it is closed.
const maxRefusals = 16

// connectionOf returns what is known of the connection of a socket that is
// being admitted.
func connectionOf(s *socket.Socket) *connection {
	if c := attached[connection](s.Conn()); c != nil {
		return c
	}
	c := &connection{conn: s.Conn(), client: s.Client(), closed: make(chan struct{})}
	attach(c.conn, c)
	if first := attached[connection](c.conn); first != c {
		return first // of a client that sends two requests at once
	}
	_ = c.conn.On("packet", c.incoming)
	_ = c.conn.On("message", c.read) // which comes when the library is done with it
	_ = c.conn.On("packetCreate", c.outgoing)
	_ = c.conn.Once("close", c.onClose)
	if c.conn.ReadyState() == "closed" { // before there was a listener
		c.onClose()
	}
	return c
}

// maxNamespaces is how many guarded namespaces a connection may be in. Where
// they are dynamic, a client could otherwise have ten thousand wait for it to
// authenticate, with one request.
const maxNamespaces = 64

var (
	errTwice             = errors.New("zishang: the client is in the namespace already")
	errTooManyNamespaces = &verifier.UnauthorizedError{
		Code: "too_many_namespaces", Message: "too many namespaces", Reason: "too_many_namespaces",
	}
)

// enter makes g the guard of its namespace. It fails if there is another whose
// socket lives, or no room.
func (c *connection) enter(g *guarded) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := -1 // the place of one that the library has no more, which left long ago
	for i, old := range c.guards {
		if old.namespace == g.namespace {
			if !old.is(over) {
				return errTwice
			}
			if !old.hasLeft() {
				c.leaving = append(c.leaving, old)
			}
			c.guards[i] = g
			return nil
		}
		if room < 0 && old.hasLeft() {
			room = i
		}
	}
	if len(c.guards) >= maxNamespaces {
		if room < 0 {
			return errTooManyNamespaces
		}
		c.guards = append(slices.Delete(c.guards, room, room+1), g)
		return nil // one more, and one less, that are not simply open
	}
	c.guards = append(c.guards, g)
	c.shut.Add(1)
	return nil
}

// forgotten takes note that the library has forgotten a socket that it had not
// connected, of which it says so to the client, in vain.
func (c *connection) forgotten(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range slices.Concat(c.leaving, c.guards) {
		if g.number == number {
			g.leave()
		}
	}
	c.leaving = slices.DeleteFunc(c.leaving, (*guarded).hasLeft)
}

func (c *connection) guard(namespace string) *guarded {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.guards {
		if g.namespace == namespace {
			return g
		}
	}
	return nil
}

// onClose ends every socket of the connection.
func (c *connection) onClose(...any) {
	c.mu.Lock()
	if c.isClosed() {
		c.mu.Unlock()
		return
	}
	close(c.closed)
	if c.cut != nil {
		c.cut.Stop() // it would keep the connection in memory
	}
	guards := slices.Concat(c.leaving, c.guards)
	c.mu.Unlock()
	for _, g := range guards {
		g.gone()
	}
}

func (c *connection) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// message returns the bytes of a message, and whether it is text.
func message(p *enginepacket.Packet) (data []byte, text bool) {
	b, ok := p.Data.(types.BufferInterface)
	if !ok {
		return nil, false
	}
	_, text = p.Data.(*types.StringBuffer)
	return b.Bytes(), text
}

// take removes a packet from its way.
func take(p *enginepacket.Packet) {
	p.Type, p.Data = enginepacket.NOOP, types.NewStringBuffer(nil)
	if p.Options != nil {
		p.Options.WsPreEncodedFrame = nil
	}
}

// incoming sees each packet before the library does. It runs on the goroutine
// that reads the connection.
func (c *connection) incoming(args ...any) {
	p, ok := args[0].(*enginepacket.Packet)
	if !ok {
		return
	}
	if p.Type != enginepacket.MESSAGE {
		c.count(p, answered)
		return
	}
	data, text := message(p)
	if !text {
		c.mu.Lock()
		skip := c.skipIn > 0
		if skip {
			c.skipIn--
		}
		c.mu.Unlock()
		if skip {
			take(p)
			c.count(p, dropped)
		}
		return
	}
	h, ok := parseHeader(data)
	if !ok {
		return
	}
	if h.namespace, ok = c.name(h.namespace); !ok {
		if h.kind == typeConnect { // the library answers it
			c.count(p, answered)
		}
		return
	}
	g := c.guard(h.namespace)
	if h.kind == typeConnect && c.count(p, answered) {
		return
	}
	switch {
	case g == nil && h.kind == typeDisconnect:
		return
	case c.isBarred():
		// It enters the root namespace or none, and is not told so: it would ask again.
	case g == nil || g.passes(h):
		if g == nil || h.kind == typeConnect || c.begin(g, h, p.Data) {
			return
		}
	}
	c.mu.Lock()
	c.skipIn = h.attachments
	c.mu.Unlock()
	take(p)
	if h.kind != typeConnect {
		cost := answered
		if h.kind == typeEvent || h.kind == typeBinaryEvent {
			cost = dropped
		}
		c.count(p, cost)
	}
}

// name returns the name of the namespace that a packet is for. Clients 2.x send it as
// a URL, in which there may be a query; not ok is what the library does not understand
// either.
func (c *connection) name(sent string) (name string, ok bool) {
	if sent == "/" || c.conn.Protocol() != 3 {
		return sent, true
	}
	parsed, err := url.Parse(sent)
	if err != nil {
		return "", false
	}
	return parsed.Path, true
}

// begin takes note that the library gets a packet of a socket, and reports whether
// it may: the socket may have been ended meanwhile. Nothing follows a goodbye.
func (c *connection) begin(g *guarded, h header, data io.Reader) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.is(over) || g.departs.Load() {
		return false
	}
	if h.kind == typeDisconnect {
		g.departs.Store(true)
	}
	c.reading = append(c.reading, data)
	c.missing = h.attachments
	c.since = time.Now()
	return true
}

// depart takes note of a goodbye of the application's, behind which the library forgets
// the socket (see whenRead), and reports whether it is the first.
func (c *connection) depart(g *guarded) bool {
	first := !g.departs.Swap(true)
	read := make(chan struct{})
	c.whenRead(func() { close(read) })
	<-read
	return first
}

// read takes note that the library is done with a packet.
func (c *connection) read(args ...any) {
	data, _ := args[0].(io.Reader)
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.reading, data); i >= 0 {
		c.reading = slices.Delete(c.reading, i, i+1)
	} else if c.missing > 0 { // an attachment
		c.missing--
	}
	if len(c.reading) == 0 && c.missing == 0 {
		c.readLocked()
	}
}

func (c *connection) readLocked() {
	for _, f := range c.later {
		go func() {
			defer c.recovered()
			f()
		}()
	}
	c.later = nil
	if c.enough != nil {
		c.enough.Stop()
		c.enough = nil
	}
}

// whenRead calls f, which has the library forget a socket, on a goroutine of its
// own, when the library has no packet in its hands, or readTime after the last came. The library
// closes the connection if it finds no socket to a packet
// (servers/socket/v3@v3.0.6, client.go, ondecoded), and that at once: not even what
// was written before would arrive.
func (c *connection) whenRead(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later = append(c.later, f)
	switch {
	case len(c.reading) == 0 && c.missing == 0:
		c.readLocked()
	case len(c.later) == 1:
		c.enough = time.AfterFunc(time.Until(c.since.Add(readTime)), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.readLocked()
		})
	}
}

// readTime is for an attachment that is on its way. A client that keeps it to
// itself has its connection closed by the library when it sends it.
const readTime = 100 * time.Millisecond

// outgoing sees each packet before it is queued. Whoever writes more than one
// packet that belong together holds the client's lock.
func (c *connection) outgoing(args ...any) {
	p, ok := args[0].(*enginepacket.Packet)
	if !ok || p.Type != enginepacket.MESSAGE {
		return
	}
	switch data := p.Data.(type) {
	case ours:
		p.Data = data.StringBuffer
		return
	case types.BufferInterface:
	default:
		return // see polling.Send
	}
	data, text := message(p)
	if text && len(data) > 0 && data[0] == typeConnectError {
		if _, about, ok := bytes.Cut(data, []byte(`"`+closed)); ok {
			take(p)
			text, _, _ := bytes.Cut(about, []byte{'"'})
			number, _ := strconv.ParseUint(string(text), 10, 64)
			c.forgotten(number)
			return
		}
	}
	if goodbye := text && len(data) > 0 && data[0] == typeDisconnect; c.shut.Load() == 0 && !goodbye {
		return
	}
	if !text {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.skipOut > 0 {
			c.skipOut--
			take(p)
		}
		return
	}
	h, ok := parseHeader(data)
	if !ok {
		return
	}
	g := c.guard(h.namespace)
	if g == nil || g.emits(h) {
		return
	}
	c.mu.Lock()
	c.skipOut = h.attachments
	c.mu.Unlock()
	take(p)
}

// ours is a packet of ours, as outgoing finds it on its way. The library writes it
// itself rather than a copy.
type ours struct{ *types.StringBuffer }

func (o ours) Clone() types.BufferInterface { return o }

// write sends packets of ours, with nothing between them. The caller holds
// sending.
func (c *connection) write(packets ...string) {
	buffers := make([]types.BufferInterface, len(packets))
	for i, text := range packets {
		buffers[i] = ours{types.NewStringBufferString(text).(*types.StringBuffer)}
	}
	c.client.WriteToEngine(buffers, &socket.WriteOptions{})
}

// bar lets nothing more in from a client 2.x that was refused in the root
// namespace, in which it must be to be anywhere, or has been disconnected there.
//
// Applications of such clients usually call connect() when they hear "disconnect", for
// which the client has no back-off. So the connection stays as it is, and silent, for
// barTime (retryTime if the client may come back): that is how often such a client can
// come. A refused client then hears a disconnect packet, after which it stays away if
// the application does not say otherwise; one that may come back does so by itself
// when the connection closes.
func (c *connection) bar(retryable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.barred = true
	if c.cut != nil || c.isClosed() {
		return
	}
	wait := barTime
	if retryable {
		wait = retryTime
	}
	c.cut = time.AfterFunc(wait, func() {
		defer c.recovered()
		c.mu.Lock()
		c.cut = time.AfterFunc(lastAnswer, func() { // for a client that does not read
			defer c.recovered()
			c.conn.Close(true)
		})
		c.mu.Unlock()
		if retryable {
			c.conn.Close(false)
			return
		}
		goodbye := ours{types.NewStringBufferString(string(typeDisconnect)).(*types.StringBuffer)}
		c.conn.Send(goodbye, nil, func(transports.Transport) { go c.closeSoftly() }) // when it is on its way
	})
}

func (c *connection) closeSoftly() {
	defer c.recovered()
	c.conn.Close(false)
}

const (
	barTime   = 5 * time.Second
	retryTime = time.Second
)

// recovered is deferred by goroutines and timers of ours, which run listeners of the
// application's when they close something: a panic of these ends the connection only.
func (c *connection) recovered() {
	if r := recover(); r != nil {
		slog.Error("zishang: a listener panicked", "panic", r, "stack", string(debug.Stack()))
		defer func() { _ = recover() }()
		c.conn.Close(true)
	}
}

// background calls f on a goroutine of its own.
func (g *guarded) background(f func()) {
	go func() {
		defer g.conn.recovered()
		f()
	}()
}

// others returns the guards of the other namespaces.
func (c *connection) others(than *guarded) []*guarded {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.guards), func(g *guarded) bool { return g == than })
}

func (c *connection) isBarred() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.barred
}

// refused counts a refusal and closes a connection that has had enough of them.
func (c *connection) refused() {
	c.mu.Lock()
	c.refusals++
	enough := c.refusals > maxRefusals
	c.mu.Unlock()
	if enough {
		c.conn.Close(true)
	}
}

// pardon forgets the refusals, now that the client has authenticated.
func (c *connection) pardon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = 0
}

// attach keeps a value with an emitter of the library's, for attached: it lives
// as long as the emitter does, and no map has to be kept of them.
func attach[T any](e types.EventEmitter, v *T) {
	_ = e.On(key, func(args ...any) {
		if len(args) == 1 {
			if out, ok := args[0].(**T); ok {
				*out = v
			}
		}
	})
}

// attached returns the value of its type that attach kept first, or nil. Clients
// can emit an event of the same name: its arguments are never what the listener
// wants.
func attached[T any](e types.EventEmitter) *T {
	var v *T
	for _, f := range e.Listeners(key) {
		if f(&v); v != nil {
			break
		}
	}
	return v
}

const key = "socketio-jwt"
