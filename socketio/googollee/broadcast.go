package googollee

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// BroadcastOperator acts on some sockets of a namespace: on those of all nodes where
// the server has [Options.Cluster], otherwise on its own. Start one with
// [Namespace.To] or [Namespace.Except]; each method returns another one.
//
// Sockets that have not authenticated yet are never among them. Errors say that
// other nodes could not be told or asked; this node's sockets have had their part.
type BroadcastOperator struct {
	namespace *Namespace
	to        cluster.Target
	local     bool
}

// To selects the sockets that are in any of the rooms, or all if there are none. A
// socket's ID is a room.
func (n *Namespace) To(rooms ...string) BroadcastOperator {
	return BroadcastOperator{namespace: n}.To(rooms...)
}

// Except selects the sockets that are in none of the rooms.
func (n *Namespace) Except(rooms ...string) BroadcastOperator {
	return BroadcastOperator{namespace: n}.Except(rooms...)
}

// To adds rooms to those whose sockets are selected.
func (b BroadcastOperator) To(rooms ...string) BroadcastOperator {
	b.to.Rooms = slices.Concat(b.to.Rooms, rooms)
	return b
}

// Except adds rooms to those whose sockets are not selected.
func (b BroadcastOperator) Except(rooms ...string) BroadcastOperator {
	b.to.Except = slices.Concat(b.to.Except, rooms)
	return b
}

// Local leaves out the sockets of other nodes.
func (b BroadcastOperator) Local() BroadcastOperator {
	b.local = true
	return b
}

// Volatile has events go only to sockets for which nothing else waits, as with the
// JavaScript server's volatile flag: others miss them.
func (b BroadcastOperator) Volatile() BroadcastOperator {
	b.to.Volatile = true
	return b
}

// remote returns the cluster, nil if the operator is only for this node.
func (b BroadcastOperator) remote() *cluster.Namespace {
	if b.local {
		return nil
	}
	return b.namespace.remote
}

// Emit sends an event, as [Conn.Emit] does, without an acknowledgement. No client can
// hold it up, and it does not wait for other nodes.
func (b BroadcastOperator) Emit(event string, args ...any) {
	p, ok := b.payload(event, args)
	if !ok {
		return
	}
	(*local)(b.namespace).Broadcast(p, b.to)
	if remote := b.remote(); remote != nil {
		if err := remote.Publish(p, b.to); err != nil {
			b.namespace.server.logger.Error("googollee: an event was not sent to other nodes", "namespace", b.namespace.name, "event", event, "error", err)
		}
	}
}

// payload encodes an event once, for all sockets and nodes.
func (b BroadcastOperator) payload(event string, args []any) (cluster.Payload, bool) {
	data, attachments, err := encode(parser.Event, append([]any{event}, args...))
	if err != nil {
		b.namespace.server.logger.Error("googollee: an event was not sent", "namespace", b.namespace.name, "event", event, "error", err)
		return cluster.Payload{}, false
	}
	return cluster.Payload{JSON: data, Attachments: attachments}, true
}

// EmitWithAck sends an event and returns what the clients acknowledge, of each the
// first value, in the order of arrival. If some do not acknowledge before the context
// ends, or in the cluster's RequestTimeout if it has no deadline, the error is a
// [*cluster.MissingError].
func (b BroadcastOperator) EmitWithAck(ctx context.Context, event string, args ...any) ([]cluster.Payload, error) {
	data, attachments, err := encode(parser.Event, append([]any{event}, args...))
	if err != nil {
		return nil, err
	}
	p := cluster.Payload{JSON: data, Attachments: attachments}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the sockets forget what they owe
	if remote := b.remote(); remote != nil {
		return remote.BroadcastWithAck(ctx, p, b.to)
	}
	return cluster.BroadcastLocally(ctx, (*local)(b.namespace), p, b.to)
}

// Sockets describes the sockets. If some nodes do not answer before the context ends,
// or in the cluster's RequestTimeout if it has no deadline, it returns what the others
// said and a [*cluster.MissingError].
func (b BroadcastOperator) Sockets(ctx context.Context) ([]cluster.Socket, error) {
	if remote := b.remote(); remote != nil {
		return remote.Sockets(ctx, b.to)
	}
	return (*local)(b.namespace).Sockets(b.to), nil
}

// Join puts the sockets into rooms.
func (b BroadcastOperator) Join(rooms ...string) error {
	if remote := b.remote(); remote != nil {
		return remote.Join(b.to, rooms...)
	}
	(*local)(b.namespace).Join(b.to, rooms)
	return nil
}

// Leave takes the sockets out of rooms.
func (b BroadcastOperator) Leave(rooms ...string) error {
	if remote := b.remote(); remote != nil {
		return remote.Leave(b.to, rooms...)
	}
	(*local)(b.namespace).Leave(b.to, rooms)
	return nil
}

// Disconnect disconnects the sockets, and their whole connections if closeConnection
// is set.
func (b BroadcastOperator) Disconnect(closeConnection bool) error {
	if remote := b.remote(); remote != nil {
		return remote.Disconnect(b.to, closeConnection)
	}
	(*local)(b.namespace).Disconnect(b.to, closeConnection)
	return nil
}

// Broadcast emits an event to every socket that is accepted. No client can hold
// it up. See [Namespace.To] for more.
func (n *Namespace) Broadcast(event string, args ...any) { n.To().Emit(event, args...) }

// BroadcastTo emits an event to every socket of a room that is accepted. Each
// socket is in its own room, which is called by its ID.
func (n *Namespace) BroadcastTo(room, event string, args ...any) { n.To(room).Emit(event, args...) }

// OnServerSideEmit sets the handler of an event that other servers of the cluster
// send with serverSideEmit. What it returns is the answer, where one is asked for; nil
// is null. The events of a namespace are handled one after the other. Register it
// before the server serves.
func (n *Namespace) OnServerSideEmit(event string, f func(event cluster.Payload) any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serverEvents[event] = f
}

// ServerSideEmit sends an event to the other servers of the cluster. Without a
// cluster there are none.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	p, err := cluster.NewPayload(event, args...)
	if err != nil || n.remote == nil {
		return err
	}
	return n.remote.ServerSideEmit(p)
}

// ServerSideEmitWithAck sends an event to the other servers of the cluster and
// returns what they answer. If some do not answer before the context ends, or in the
// cluster's RequestTimeout if it has no deadline, the error is a
// [*cluster.MissingError].
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]cluster.Payload, error) {
	p, err := cluster.NewPayload(event, args...)
	if err != nil || n.remote == nil {
		return nil, err
	}
	return n.remote.ServerSideEmitWithAck(ctx, p)
}

// local is a namespace as the cluster sees it.
type local Namespace

var _ cluster.Local = (*local)(nil)

// HasRoom implements [cluster.Local].
func (l *local) HasRoom(room string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rooms[room]) > 0
}

// selected returns the sockets of a target, whatever they have yet to do.
func (l *local) selected(to cluster.Target) []*socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*socket
	add := func(s *socket) {
		for _, room := range to.Except {
			if _, in := s.rooms[room]; in || room == s.id { // its ID counts also after LeaveAll
				return
			}
		}
		list = append(list, s)
	}
	switch len(to.Rooms) {
	case 0:
		for s := range l.sockets {
			add(s)
		}
	case 1:
		for s := range l.rooms[to.Rooms[0]] {
			add(s)
		}
	default:
		seen := make(map[*socket]bool)
		for _, room := range to.Rooms {
			for s := range l.rooms[room] {
				if !seen[s] {
					seen[s] = true
					add(s)
				}
			}
		}
	}
	return list
}

// admitted returns the sockets of a target that are accepted.
func (l *local) admitted(to cluster.Target) []*socket {
	return slices.DeleteFunc(l.selected(to), func(s *socket) bool { return !s.Stay.Passes() || s.Stay.Over() })
}

// Broadcast implements [cluster.Local]. The gate of an unauthenticated socket
// holds back the event.
func (l *local) Broadcast(event cluster.Payload, to cluster.Target) {
	sockets := l.selected(to)
	if len(sockets) == 0 {
		return
	}
	e := engine.NewEvent(l.name, event.JSON, event.Attachments)
	for _, s := range sockets {
		s.send(e, nil, to)
	}
}

// send sends an event of a broadcast.
func (s *socket) send(e *engine.Event, ack any, to cluster.Target) bool {
	return s.Deliver(e, ack, to.Volatile, func() bool { return len(to.Rooms) == 0 || s.namespace.hasAny(to.Rooms, s) })
}

// broadcastAck waits for the acknowledgements of a broadcast.
type broadcastAck struct {
	context context.Context
	answer  func(cluster.Payload)
}

// BroadcastWithAck implements [cluster.Local].
func (l *local) BroadcastWithAck(ctx context.Context, event cluster.Payload, to cluster.Target, answer func(cluster.Payload)) int {
	ack := &broadcastAck{ctx, answer}
	e := engine.NewEvent(l.name, event.JSON, event.Attachments)
	var asked []*engine.Stay
	for _, s := range l.selected(to) {
		if s.send(e, ack, to) {
			asked = append(asked, s.Stay)
		}
	}
	context.AfterFunc(ctx, func() { // the caller has all answers, or gave up
		for _, stay := range asked {
			stay.Forget(ack)
		}
	})
	return len(asked)
}

// Acknowledged passes on the first value of an acknowledgement.
func (a *broadcastAck) Acknowledged(p *engine.Packet) {
	if a.context.Err() != nil || !p.Passes() {
		return
	}
	a.answer(firstValue(p))
}

// firstValue returns the first value of an acknowledgement, null if there is none.
func firstValue(p *engine.Packet) cluster.Payload {
	var values []json.RawMessage
	if json.Unmarshal(p.Data, &values) == nil && len(values) > 0 {
		return cluster.Payload{JSON: values[0], Attachments: p.Attachments}
	}
	return cluster.Payload{JSON: []byte("null")}
}

// Sockets implements [cluster.Local].
func (l *local) Sockets(to cluster.Target) []cluster.Socket {
	list := []cluster.Socket{}
	for _, s := range l.admitted(to) {
		list = append(list, s.describe())
	}
	return list
}

// describe is what other nodes may be told of a socket.
func (s *socket) describe() cluster.Socket {
	d := cluster.Socket{ID: s.ID(), Rooms: s.namespace.roomsOf(s)}
	if session := s.session(); session != nil {
		d.Handshake = cluster.NewHandshake(session.Handshake(), s.arrived)
		d.Secrets = []string{session.Token().Raw()}
	} else {
		d.Handshake = cluster.NewHandshake(s.Handshake.WithoutToken(), s.arrived)
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	d.Data = s.conn.data
	return d
}

// Join implements [cluster.Local].
func (l *local) Join(to cluster.Target, rooms []string) {
	for _, s := range l.admitted(to) {
		for _, room := range rooms {
			_ = s.join(room, "") // the client is told
		}
	}
}

// Leave implements [cluster.Local].
func (l *local) Leave(to cluster.Target, rooms []string) {
	for _, s := range l.admitted(to) {
		for _, room := range rooms {
			s.LeftRoom(room) // see Conn.Leave
			s.LeaveRoom(room)
		}
	}
}

// Disconnect implements [cluster.Local].
func (l *local) Disconnect(to cluster.Target, closeConnection bool) {
	for _, s := range l.admitted(to) {
		if closeConnection {
			s.Stay.Session().End(serverDisconnect, &engine.Refusal{})
		} else {
			s.disconnect()
		}
	}
}

// ServerSideEmit implements [cluster.Local].
func (l *local) ServerSideEmit(event cluster.Payload, ack func(cluster.Payload)) {
	name, _, err := event.Event()
	if err != nil {
		return
	}
	l.mu.Lock()
	f := l.serverEvents[name]
	l.mu.Unlock()
	if f == nil {
		return
	}
	answer, err := cluster.NewValue(f(event))
	switch {
	case err != nil:
		l.server.logger.Error("googollee: the answer to another server cannot be encoded", "namespace", l.name, "event", name, "error", err)
	case ack != nil:
		ack(answer)
	}
}
