package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Namespace is a namespace of the whole cluster. It is safe for concurrent use.
type Namespace struct {
	cluster *Cluster
	name    string
	local   Local

	broadcasts, requests, responses, answers Topic // answers: the responses for this node only

	events  chan serverEvent // of other servers, in order
	context context.Context  // ends with the namespace
	stop    context.CancelFunc

	mu      sync.Mutex // guards pending
	pending map[string]*request
}

// serverEvent is an event of another server that waits to be handled.
type serverEvent struct {
	event Payload
	ack   func(Payload)
}

// maxEvents is how many events of other servers may wait.
const maxEvents = 1024

func newNamespace(c *Cluster, name string, l Local) *Namespace {
	response := c.options.Prefix + "-response#" + name + "#"
	n := &Namespace{
		cluster: c, name: name, local: l,
		broadcasts: Topic{Name: c.options.Prefix + "#" + name + "#", Prefix: true},
		requests:   Topic{Name: c.options.Prefix + "-request#" + name + "#"},
		responses:  Topic{Name: response},
		answers:    Topic{Name: response + c.uid + "#"},
		events:     make(chan serverEvent, maxEvents),
		pending:    make(map[string]*request),
	}
	n.context, n.stop = context.WithCancel(context.Background())
	return n
}

func (n *Namespace) topics() []Topic {
	return []Topic{n.broadcasts, n.requests, n.responses, n.answers}
}

// Close takes the namespace out of the cluster. Requests that wait for an answer
// return [ErrClosed].
func (n *Namespace) Close() {
	n.cluster.remove(n)
	n.end()
}

func (n *Namespace) end() { n.stop() }

// Name returns the name of the namespace.
func (n *Namespace) Name() string { return n.name }

// Nodes returns how many nodes have joined the namespace, this one included.
func (n *Namespace) Nodes(ctx context.Context) (int, error) {
	others, err := n.others(ctx)
	return others + 1, err
}

// others returns how many nodes there are besides this one. This one must be linked,
// or it would not hear their answers.
func (n *Namespace) others(ctx context.Context) (int, error) {
	if err := n.cluster.receives(n.topics()...); err != nil {
		return 0, err
	}
	count, err := n.cluster.broker.Subscribers(ctx, n.requests.Name)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return max(count-1, 0), nil
}

// Broadcast sends an event to the sockets of the target, on this node and, through
// [Namespace.Publish], on all others.
func (n *Namespace) Broadcast(event Payload, to Target) error {
	if err := event.check(); err != nil {
		return err
	}
	n.local.Broadcast(event, to)
	return n.Publish(event, to)
}

// Publish sends an event to the sockets of the target on all other nodes: it is for
// bindings that have sent it to their own sockets. It does not wait. An error says
// that the event was not sent; that the broker did not take it is logged.
func (n *Namespace) Publish(event Payload, to Target) error {
	if err := event.check(); err != nil {
		return err
	}
	data, err := appendBroadcast(make([]byte, 0, len(event.JSON)+128), &broadcast{uid: n.cluster.uid, nsp: n.name, event: event, to: to})
	if err != nil {
		return err
	}
	channel := n.broadcasts.Name
	if len(to.Rooms) == 1 {
		channel += to.Rooms[0] + "#"
	}
	return n.publish(channel, data, nil)
}

// publish queues a message.
func (n *Namespace) publish(channel string, data []byte, failed func(error)) error {
	if n.context.Err() != nil {
		return ErrClosed
	}
	if limit := n.cluster.options.MaxMessage; len(data) > limit {
		return fmt.Errorf("cluster: a message of %d bytes is larger than MaxMessage, %d", len(data), limit)
	}
	return n.cluster.out.put(Message{Channel: channel, Data: data}, failed)
}

// Join puts the sockets of the target, on all nodes, into rooms.
func (n *Namespace) Join(to Target, rooms ...string) error {
	n.local.Join(to, rooms)
	return n.command(command{Type: typeJoin, Opts: optionsOf(to), Rooms: rooms})
}

// Leave takes the sockets of the target, on all nodes, out of rooms.
func (n *Namespace) Leave(to Target, rooms ...string) error {
	n.local.Leave(to, rooms)
	return n.command(command{Type: typeLeave, Opts: optionsOf(to), Rooms: rooms})
}

// Disconnect disconnects the sockets of the target, on all nodes, and the
// connections below them if closeConnection is set.
func (n *Namespace) Disconnect(to Target, closeConnection bool) error {
	n.local.Disconnect(to, closeConnection)
	return n.command(command{Type: typeDisconnect, Opts: optionsOf(to), Close: &closeConnection})
}

// ServerSideEmit sends an event to the other servers, which handle it as their
// [Local] does.
func (n *Namespace) ServerSideEmit(event Payload) error {
	if err := event.check(); err != nil {
		return err
	}
	return n.command(command{Type: typeServerSideEmit, data: &event})
}

// command is a request in JSON. One with attachments is sent as MessagePack.
type command struct {
	UID       string       `json:"uid"`
	RequestID string       `json:"requestId,omitempty"`
	Type      int          `json:"type"`
	Opts      *wireOptions `json:"opts,omitempty"`
	Rooms     []string     `json:"rooms,omitempty"`
	Close     *bool        `json:"close,omitempty"`

	data *Payload
}

// wireOptions are never without their lists: Node needs them.
type wireOptions struct {
	Rooms  []string `json:"rooms"`
	Except []string `json:"except"`
}

func optionsOf(to Target) *wireOptions {
	return &wireOptions{append([]string{}, to.Rooms...), append([]string{}, to.Except...)}
}

func (n *Namespace) command(c command) error { return n.send(c, nil) }

func (n *Namespace) send(c command, failed func(error)) error {
	c.UID = n.cluster.uid
	data, err := c.encode()
	if err != nil {
		return err
	}
	return n.publish(n.requests.Name, data, failed)
}

func (c *command) encode() ([]byte, error) {
	if c.data != nil && len(c.data.Attachments) > 0 {
		return packed(c.data, c.UID, c.RequestID, c.Type, "data")
	}
	fields := struct {
		command
		Data json.RawMessage `json:"data,omitempty"`
	}{command: *c}
	if c.data != nil {
		fields.Data = c.data.JSON
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return data, nil
}

// packed makes a message in MessagePack. An empty uid or id is left out.
func packed(p *Payload, uid, id string, kind int, field string) ([]byte, error) {
	count := 2
	for _, s := range []string{uid, id} {
		if s != "" {
			count++
		}
	}
	b := appendMap(nil, count)
	if uid != "" {
		b = appendString(appendString(b, "uid"), uid)
	}
	if id != "" {
		b = appendString(appendString(b, "requestId"), id)
	}
	b = appendInt(appendString(b, "type"), int64(kind))
	return appendPayload(appendString(b, field), *p)
}

// serve hands the events of other servers to the local part until the namespace
// ends.
func (n *Namespace) serve() {
	for {
		select {
		case <-n.context.Done():
			n.fail(ErrClosed)
			return
		case e := <-n.events:
			n.handle(e)
		}
	}
}

func (n *Namespace) handle(e serverEvent) {
	defer func() {
		if r := recover(); r != nil {
			n.cluster.options.Logger.Error("cluster: the handler of another server's event panicked",
				"namespace", n.name, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	n.local.ServerSideEmit(e.event, e.ack)
}

// deadline adds the default time-out to a context without a deadline.
func (n *Namespace) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, n.cluster.options.RequestTimeout)
}

// remaining is how long a context has from now, bounded for the wire.
func remaining(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return min(max(time.Until(end), time.Millisecond), maxTimeout)
}

var errTooManyEvents = errors.New("too many events of other servers wait to be handled")
