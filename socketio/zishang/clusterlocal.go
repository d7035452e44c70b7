package zishang

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// clusterLocal is an adapter as the cluster sees it: the sockets of this node.
type clusterLocal clusterAdapter

var _ cluster.Local = (*clusterLocal)(nil)

func (l *clusterLocal) adapter() *clusterAdapter { return (*clusterAdapter)(l) }

// optionsOf is a target in the words of the library.
func optionsOf(to cluster.Target) *socket.BroadcastOptions {
	rooms := func(list []string) *types.Set[socket.Room] {
		set := types.NewSet[socket.Room]()
		for _, r := range list {
			set.Add(socket.Room(r))
		}
		return set
	}
	return &socket.BroadcastOptions{Rooms: rooms(to.Rooms), Except: rooms(to.Except), Flags: &socket.BroadcastFlags{Local: true}}
}

// each calls f for the sockets of a target. The library knows no others than those that
// are accepted.
func (a *clusterAdapter) each(to cluster.Target, f func(*socket.Socket)) {
	a.Adapter.FetchSockets(optionsOf(to))(func(all []socket.SocketDetails, _ error) {
		for _, d := range all {
			if s, ok := d.(*socket.Socket); ok {
				f(s)
			}
		}
	})
}

// send sends a packet to the sockets of a target, and returns to how many it did. The
// application's listeners of outgoing events run in before.
func (a *clusterAdapter) send(e *engine.Event, to cluster.Target, before func(*socket.Socket)) (sent int) {
	rooms := roomsOf(to.Rooms)
	a.each(to, func(s *socket.Socket) {
		if before != nil {
			before(s)
		}
		if c, ok := s.Conn().(*conn); ok && c.guarded.deliver(e, to.Volatile, rooms) {
			sent++
		}
	})
	return sent
}

// ask sends a packet that has an id to the sockets of a target, and returns how many there
// are. What they acknowledge before the context ends is given to answer.
func (a *clusterAdapter) ask(ctx context.Context, e *engine.Event, to cluster.Target, id uint64, answer func([]any), before func(*socket.Socket)) int {
	var asked []*socket.Socket
	sent := a.send(e, to, func(s *socket.Socket) {
		asked = append(asked, s)
		var answered atomic.Bool
		s.Acks().Store(id, func(args []any, err error) {
			if err == nil && ctx.Err() == nil && !answered.Swap(true) {
				answer(args)
			}
		})
		if before != nil {
			before(s)
		}
	})
	context.AfterFunc(ctx, func() {
		for _, s := range asked {
			s.Acks().Delete(id)
		}
	})
	return sent
}

// packetOf is an event of another node.
func (l *clusterLocal) packetOf(event cluster.Payload, id *uint64) *engine.Event {
	return engine.NewPacket(l.Nsp().Name(), false, id, event.JSON, event.Attachments)
}

// HasRoom implements [cluster.Local].
func (l *clusterLocal) HasRoom(room string) bool {
	ids, ok := l.Rooms().Load(socket.Room(room))
	return ok && ids.Len() > 0
}

// Broadcast implements [cluster.Local].
func (l *clusterLocal) Broadcast(event cluster.Payload, to cluster.Target) {
	l.adapter().send(l.packetOf(event, nil), to, nil)
}

// BroadcastWithAck implements [cluster.Local].
func (l *clusterLocal) BroadcastWithAck(ctx context.Context, event cluster.Payload, to cluster.Target, answer func(cluster.Payload)) int {
	id := l.Nsp().Ids()
	return l.adapter().ask(ctx, l.packetOf(event, &id), to, id, func(args []any) {
		p, err := payloadOf(first(args)[0])
		if err != nil {
			slog.Error("zishang: an acknowledgement cannot be passed on", "namespace", l.Nsp().Name(), "error", err)
			return
		}
		answer(p)
	}, nil)
}

// Sockets implements [cluster.Local].
func (l *clusterLocal) Sockets(to cluster.Target) []cluster.Socket {
	list := []cluster.Socket{}
	l.adapter().each(to, func(s *socket.Socket) { list = append(list, describe(s)) })
	return list
}

// describe is what other nodes may be told of a socket; the cluster removes what is a
// credential.
func describe(s *socket.Socket) cluster.Socket {
	h := s.Handshake()
	issued := time.UnixMilli(h.Issued)
	d := cluster.Socket{ID: string(s.Id())}
	for _, room := range s.Rooms().Keys() {
		d.Rooms = append(d.Rooms, string(room))
	}
	if session := SessionOf(s); session != nil {
		d.Handshake = cluster.NewHandshake(session.Handshake(), issued)
		d.Secrets = []string{session.Token().Raw()}
	} else if r := s.Request(); r != nil && r.Request() != nil {
		d.Handshake = cluster.NewHandshake(verifier.HandshakeFromRequest(r.Request()), issued)
	}
	if data, err := json.Marshal(s.Data()); err != nil {
		slog.Error("zishang: other nodes are not shown the Data of a socket", "error", err)
	} else if string(data) != "null" {
		d.Data = data
	}
	return d
}

// Join implements [cluster.Local].
func (l *clusterLocal) Join(to cluster.Target, rooms []string) {
	l.Adapter.AddSockets(optionsOf(to), roomsOf(rooms))
}

// Leave implements [cluster.Local].
func (l *clusterLocal) Leave(to cluster.Target, rooms []string) {
	l.Adapter.DelSockets(optionsOf(to), roomsOf(rooms))
}

func roomsOf(list []string) []socket.Room {
	rooms := make([]socket.Room, len(list))
	for i, r := range list {
		rooms[i] = socket.Room(r)
	}
	return rooms
}

// Disconnect implements [cluster.Local].
func (l *clusterLocal) Disconnect(to cluster.Target, closeConnection bool) {
	l.Adapter.DisconnectSockets(optionsOf(to), closeConnection)
}

// ServerSideEmit implements [cluster.Local]. Handlers of the application acknowledge as
// the library has them do: with a function behind the arguments.
func (l *clusterLocal) ServerSideEmit(event cluster.Payload, ack func(cluster.Payload)) {
	v, err := value(event)
	args, ok := v.([]any)
	if err != nil || !ok {
		return
	}
	if ack != nil {
		args = append(args, socket.Ack(func(values []any, err error) {
			if err != nil {
				return // the other server hears nothing, and its time is up
			}
			p, encodeErr := payloadOf(first(values)[0])
			if encodeErr != nil {
				slog.Error("zishang: the answer to another server cannot be encoded", "namespace", l.Nsp().Name(), "event", fmt.Sprint(args[0]), "error", encodeErr)
				return
			}
			ack(p)
		}))
	}
	l.Nsp().OnServerSideEmit(args)
}
