package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// receive handles a message of one of the namespace's topics. An error says why it
// was dropped.
func (n *Namespace) receive(t Topic, m Message) error {
	switch t {
	case n.broadcasts:
		return n.receiveBroadcast(m)
	case n.requests:
		return n.receiveRequest(m)
	}
	return n.receiveResponse(m)
}

// receiveBroadcast passes an event on. The channel names the room if it is for just
// one: where nobody is in it, the message is not even decoded.
func (n *Namespace) receiveBroadcast(m Message) error {
	rest := strings.TrimPrefix(m.Channel, n.broadcasts.Name)
	if room := strings.TrimSuffix(rest, "#"); room != "" && !n.local.HasRoom(room) {
		return nil
	}
	b, err := decodeBroadcast(m.Data)
	if err != nil {
		return err
	}
	if b.uid != n.cluster.uid && b.nsp == n.name {
		n.local.Broadcast(b.event, b.to)
	}
	return nil
}

func (n *Namespace) receiveRequest(m Message) error {
	r, err := decodeMessage(m.Data)
	if err != nil {
		return err
	}
	if r.uid == n.cluster.uid {
		return nil // what this node asked it has done itself
	}
	switch r.kind {
	case typeSockets, typeAllRooms, typeFetch:
		return n.describe(r)
	case typeJoin, typeLeave, typeDisconnect:
		return n.act(r)
	case typeServerSideEmit:
		return n.handleEvent(r)
	case typeBroadcast:
		return n.broadcastWithAck(r)
	}
	return fmt.Errorf("a request of type %d", r.kind)
}

// act changes the sockets of a target. A request without one is not for everybody:
// it is malformed, or of a node 2.x, whose types have other numbers.
func (n *Namespace) act(r *message) error {
	if r.to == nil {
		return errors.New("a request without opts")
	}
	switch r.kind {
	case typeJoin:
		n.local.Join(*r.to, r.rooms)
	case typeLeave:
		n.local.Leave(*r.to, r.rooms)
	case typeDisconnect:
		n.local.Disconnect(*r.to, r.closes)
	}
	return nil
}

// describe answers requests for sockets and rooms.
func (n *Namespace) describe(r *message) error {
	if r.requestID == "" {
		return errors.New("a request without requestId")
	}
	response := map[string]any{"requestId": r.requestID}
	switch r.kind {
	case typeFetch:
		if r.to == nil {
			return errors.New("a request without opts")
		}
		sockets := n.local.Sockets(*r.to)
		published := make([]Socket, len(sockets))
		for i, s := range sockets {
			published[i] = s.published()
		}
		response["sockets"] = published
	case typeSockets:
		ids := []string{}
		for _, s := range n.local.Sockets(Target{Rooms: r.rooms}) {
			ids = append(ids, s.ID)
		}
		response["sockets"] = ids
	case typeAllRooms:
		rooms := make(map[string]bool)
		for _, s := range n.local.Sockets(Target{}) {
			for _, room := range s.Rooms {
				rooms[room] = true
			}
		}
		response["rooms"] = append([]string{}, slices.Sorted(maps.Keys(rooms))...)
	}
	return n.respond(r, response)
}

// published returns what other nodes may be told of a socket.
func (s Socket) published() Socket {
	s.Handshake = s.Handshake.withoutCredentials(s.Secrets)
	s.Secrets = nil
	if s.Rooms == nil {
		s.Rooms = []string{}
	}
	if len(s.Data) == 0 {
		s.Data = json.RawMessage("{}")
	}
	return s
}

// respond publishes a response on the channel of the node that asked.
func (n *Namespace) respond(r *message, response any) error {
	data, err := json.Marshal(response)
	if err != nil {
		return err
	}
	return n.publish(n.responseChannel(r), data, nil)
}

func (n *Namespace) responseChannel(r *message) string {
	if r.uid == "" {
		return n.responses.Name
	}
	return n.responses.Name + r.uid + "#"
}

// handleEvent queues an event of another server.
func (n *Namespace) handleEvent(r *message) error {
	if r.data == nil {
		return errors.New("an event of a server without data")
	}
	if err := r.data.check(); err != nil {
		return err
	}
	e := serverEvent{event: *r.data}
	if r.requestID != "" {
		var once sync.Once
		e.ack = func(p Payload) { once.Do(func() { n.acknowledge(r, typeServerSideEmit, "data", p) }) }
	}
	select {
	case n.events <- e:
		return nil
	default:
		return errTooManyEvents
	}
}

// acknowledge publishes an answer, one value, as JSON or, with attachments, as
// MessagePack.
func (n *Namespace) acknowledge(r *message, kind int, field string, p Payload) {
	var data []byte
	var err error
	if kind == typeServerSideEmit && len(p.Attachments) == 0 {
		data, err = json.Marshal(map[string]any{"type": kind, "requestId": r.requestID, field: json.RawMessage(p.JSON)})
	} else {
		data, err = packed(&p, "", r.requestID, kind, field)
	}
	if err == nil {
		err = n.publish(n.responseChannel(r), data, nil)
	}
	if err != nil {
		n.cluster.dropped.Do(func() {
			n.cluster.options.Logger.Warn("cluster: an acknowledgement was not sent", "namespace", n.name, "error", err)
		})
	}
}

// broadcastWithAck asks the local sockets, and tells how many they are and what they
// answer.
func (n *Namespace) broadcastWithAck(r *message) error {
	switch {
	case r.requestID == "":
		return errors.New("a request without requestId")
	case r.to == nil:
		return errors.New("a request without opts")
	case r.packet == nil:
		return errors.New("a request without packet")
	case r.nsp != n.name:
		return nil
	}
	if err := r.packet.check(); err != nil {
		return err
	}
	timeout := r.timeout
	if timeout == 0 {
		timeout = n.cluster.options.RequestTimeout
	}
	ctx, cancel := context.WithTimeout(n.context, timeout)
	context.AfterFunc(ctx, cancel)
	sockets := n.local.BroadcastWithAck(ctx, *r.packet, *r.to, func(p Payload) {
		if ctx.Err() == nil {
			n.acknowledge(r, typeAck, "packet", p)
		}
	})
	if sockets == 0 {
		cancel()
	}
	return n.respond(r, map[string]any{"type": typeClientCount, "requestId": r.requestID, "clientCount": sockets})
}

// receiveResponse hands a response to the request that waits for it. Most are for
// other nodes.
func (n *Namespace) receiveResponse(m Message) error {
	n.mu.Lock()
	waiting := len(n.pending)
	n.mu.Unlock()
	if waiting == 0 {
		return nil
	}
	r, err := decodeMessage(m.Data)
	if err != nil {
		return err
	}
	if r.clientCount < 0 || r.clientCount > maxClients {
		return fmt.Errorf("clientCount is %d", r.clientCount)
	}
	n.mu.Lock()
	p := n.pending[r.requestID]
	n.mu.Unlock()
	if p != nil && p.take(r) {
		p.end(nil)
	}
	return nil
}
