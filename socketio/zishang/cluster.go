package zishang

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// ClusterAdapter makes the adapter that joins a [Server] to the other nodes of a cluster:
// give it to the library's options with SetAdapter. Broadcasts, FetchSockets,
// SocketsJoin and the like, and ServerSideEmit then reach all nodes. Unlike the
// library's own Redis adapter it works with Node.js nodes in both directions.
//
// Other nodes are told of a socket's ID, rooms, handshake and Data, encoded as JSON; the
// handshake has no credentials ([cluster.Handshake]). Do not change a value after you
// have given it to SetData. Sockets that have not authenticated yet hear nothing and are
// shown to nobody. Connection state recovery needs another adapter.
//
// Close the cluster after the server. The cluster is that of one server.
func ClusterAdapter(c *cluster.Cluster) socket.AdapterConstructor { return &clusterBuilder{c} }

type clusterBuilder struct{ cluster *cluster.Cluster }

// New makes the adapter of a namespace.
func (b *clusterBuilder) New(n socket.Namespace) socket.Adapter {
	a := &clusterAdapter{Adapter: socket.MakeAdapter()}
	a.Prototype(a)
	a.Construct(n)
	a.context, a.stop = context.WithCancel(context.Background())
	remote, err := b.cluster.Namespace(n.Name(), (*clusterLocal)(a))
	if err != nil {
		slog.Error("zishang: a namespace has not joined the cluster: its broadcasts stay on this node", "namespace", n.Name(), "error", err)
	}
	a.remote = remote
	return a
}

// clusterAdapter is the library's adapter, with the other nodes. Its own part encodes
// each event once, for all sockets and nodes.
type clusterAdapter struct {
	socket.Adapter
	remote  *cluster.Namespace // nil if it has not joined
	context context.Context    // ends with the adapter
	stop    context.CancelFunc
}

// Close takes the namespace out of the cluster.
func (a *clusterAdapter) Close() {
	a.stop()
	if a.remote != nil {
		a.remote.Close()
	}
	a.Adapter.Close()
}

// ServerCount returns the number of nodes, or -1 if the broker cannot be asked: the
// library then waits for acknowledgements until the time is up, rather than take those
// of this node for all.
func (a *clusterAdapter) ServerCount() int64 {
	if a.remote == nil {
		return 1
	}
	ctx, cancel := context.WithTimeout(a.context, askTimeout)
	defer cancel()
	n, err := a.remote.Nodes(ctx)
	if err != nil {
		return -1
	}
	return int64(n)
}

const askTimeout = 5 * time.Second

// isLocal reports whether something is only for the sockets of this node.
func (a *clusterAdapter) isLocal(opts *socket.BroadcastOptions) bool {
	return a.remote == nil || opts != nil && opts.Flags != nil && opts.Flags.Local
}

// targetOf is what the library selects, in the words of the cluster.
func targetOf(opts *socket.BroadcastOptions) (to cluster.Target) {
	if opts == nil {
		return to
	}
	to.Rooms, to.Except = names(opts.Rooms), names(opts.Except)
	to.Volatile = opts.Flags != nil && opts.Flags.Volatile
	return to
}

func names(rooms *types.Set[socket.Room]) []string {
	if rooms == nil {
		return nil
	}
	var list []string
	for _, room := range rooms.Keys() {
		list = append(list, string(room))
	}
	return list
}

// Broadcast sends an event to all nodes.
func (a *clusterAdapter) Broadcast(p *parser.Packet, opts *socket.BroadcastOptions) {
	p.Nsp = a.Nsp().Name()
	e := a.encode(p)
	if e == nil {
		return
	}
	to := targetOf(opts)
	a.send(e.event, to, func(s *socket.Socket) { notify(s, p) })
	if !a.isLocal(opts) {
		a.failed("an event was not sent to other nodes", a.remote.Publish(e.payload, to))
	}
}

// encode encodes an event. It logs one that cannot be, and returns nil.
func (a *clusterAdapter) encode(p *parser.Packet) *encoded {
	e, err := encode(p)
	a.failed("an event cannot be encoded, and is not sent", err)
	return e
}

// notify calls the listeners of outgoing events.
func notify(s *socket.Socket, p *parser.Packet) {
	if f := s.NotifyOutgoingListeners(); f != nil {
		f(p)
	}
}

// BroadcastWithAck sends an event to all nodes and passes on what clients acknowledge:
// of each the first value, as on Node.js.
func (a *clusterAdapter) BroadcastWithAck(p *parser.Packet, opts *socket.BroadcastOptions, count func(uint64), ack socket.Ack) {
	timeout := askTimeout
	if opts != nil && opts.Flags != nil && opts.Flags.Timeout != nil {
		timeout = *opts.Flags.Timeout
	}
	ctx, cancel := context.WithTimeout(a.context, timeout)
	context.AfterFunc(ctx, cancel)
	// The library's timer reads the packet that it gave: the id goes into a copy.
	id := a.Nsp().Ids()
	numbered := *p
	numbered.Nsp, numbered.Id = a.Nsp().Name(), &id
	e := a.encode(&numbered)
	if e == nil {
		return // as when nobody answers: the time will be up
	}
	to := targetOf(opts)
	count(uint64(a.ask(ctx, e.event, to, id, func(args []any) { ack(first(args), nil) }, func(s *socket.Socket) { notify(s, &numbered) })))
	if a.isLocal(opts) {
		return
	}
	a.failed("an event was not sent to other nodes", a.remote.PublishWithAck(ctx, e.payload, to, func(n int) { count(uint64(n)) }, func(answer cluster.Payload) {
		if v, err := value(answer); err == nil {
			ack([]any{v}, nil)
		}
	}))
}

// first is the first value of an acknowledgement, nil if it has none.
func first(args []any) []any {
	if len(args) == 0 {
		return []any{nil}
	}
	return args[:1]
}

// FetchSockets lists the sockets of all nodes. The callback runs in a separate
// goroutine, with what is known and an error if not all nodes have answered.
func (a *clusterAdapter) FetchSockets(opts *socket.BroadcastOptions) func(func([]socket.SocketDetails, error)) {
	if a.isLocal(opts) {
		return a.Adapter.FetchSockets(opts)
	}
	return func(callback func([]socket.SocketDetails, error)) {
		a.Adapter.FetchSockets(opts)(func(all []socket.SocketDetails, err error) {
			a.later(func() {
				remote, remoteErr := a.remote.RemoteSockets(a.context, targetOf(opts))
				for _, s := range remote {
					all = append(all, newDetails(s))
				}
				callback(all, errors.Join(err, remoteErr))
			})
		})
	}
}

// later runs f in a goroutine, which the cluster's time-outs or Close end, and in which
// a panic of the application's callback is logged.
func (a *clusterAdapter) later(f func()) {
	go func() {
		defer func() {
			if r := recover(); r != nil {
				slog.Error("zishang: a callback panicked", "namespace", a.Nsp().Name(), "panic", r, "stack", string(debug.Stack()))
			}
		}()
		f()
	}()
}

// AddSockets puts sockets of all nodes into rooms.
func (a *clusterAdapter) AddSockets(opts *socket.BroadcastOptions, rooms []socket.Room) {
	if a.isLocal(opts) {
		a.Adapter.AddSockets(opts, rooms)
		return
	}
	a.failed("other nodes were not told", a.remote.Join(targetOf(opts), roomNames(rooms)...))
}

// DelSockets takes sockets of all nodes out of rooms.
func (a *clusterAdapter) DelSockets(opts *socket.BroadcastOptions, rooms []socket.Room) {
	if a.isLocal(opts) {
		a.Adapter.DelSockets(opts, rooms)
		return
	}
	a.failed("other nodes were not told", a.remote.Leave(targetOf(opts), roomNames(rooms)...))
}

// DisconnectSockets disconnects sockets of all nodes.
func (a *clusterAdapter) DisconnectSockets(opts *socket.BroadcastOptions, closeConnection bool) {
	if a.isLocal(opts) {
		a.Adapter.DisconnectSockets(opts, closeConnection)
		return
	}
	a.failed("other nodes were not told", a.remote.Disconnect(targetOf(opts), closeConnection))
}

// failed logs an error, if there is one.
func (a *clusterAdapter) failed(what string, err error) {
	if err != nil {
		slog.Error("zishang: "+what, "namespace", a.Nsp().Name(), "error", err)
	}
}

func roomNames(rooms []socket.Room) []string {
	list := make([]string, len(rooms))
	for i, r := range rooms {
		list[i] = string(r)
	}
	return list
}

// ServerSideEmit sends an event to the other servers. A function at the end is called
// with what they answer, in a separate goroutine.
func (a *clusterAdapter) ServerSideEmit(args []any) error {
	var ack socket.Ack
	if n := len(args); n > 0 {
		if f, ok := args[n-1].(socket.Ack); ok {
			ack, args = f, args[:n-1]
		}
	}
	event, err := payloadOf(args)
	if err != nil {
		return err
	}
	if a.remote == nil {
		return errNotJoined
	}
	if ack == nil {
		return a.remote.ServerSideEmit(event)
	}
	a.later(func() {
		answers, err := a.remote.ServerSideEmitWithAck(a.context, event)
		values := make([]any, 0, len(answers))
		for _, answer := range answers {
			v, decodeErr := value(answer)
			err = errors.Join(err, decodeErr)
			values = append(values, v)
		}
		ack(values, err)
	})
	return nil
}

var errNotJoined = errors.New("zishang: the namespace has not joined the cluster")

// details describes a socket of another node.
type details struct {
	socket    cluster.Socket
	handshake *socket.Handshake
	rooms     *types.Set[socket.Room]
	data      any
}

var _ socket.SocketDetails = (*details)(nil)

func newDetails(s cluster.Socket) *details {
	h := s.Handshake
	d := &details{socket: s, rooms: types.NewSet[socket.Room](), handshake: &socket.Handshake{
		Headers: make(types.IncomingHttpHeaders), Query: make(types.ParsedUrlQuery), Auth: map[string]any{},
		Time: h.Time, Address: h.Address, Xdomain: h.XDomain, Secure: h.Secure, Issued: h.Issued, Url: h.URL,
	}}
	for name, value := range h.Headers {
		d.handshake.Headers[name] = value
	}
	for name, value := range h.Query {
		d.handshake.Query[name] = []string{value}
	}
	for _, room := range s.Rooms {
		d.rooms.Add(socket.Room(room))
	}
	_ = json.Unmarshal(s.Data, &d.data) // what cannot be read is nil
	return d
}

func (d *details) Id() socket.SocketId            { return socket.SocketId(d.socket.ID) }
func (d *details) Handshake() *socket.Handshake   { return d.handshake }
func (d *details) Rooms() *types.Set[socket.Room] { return d.rooms }
func (d *details) Data() any                      { return d.data }
