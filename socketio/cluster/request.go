package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// MissingError says that some of those who were asked did not answer in time. What
// the others answered was returned beside it.
type MissingError struct {
	What     string // "nodes answered" or "sockets acknowledged"
	Expected int
	Received int
	Cause    error // the error of the context
}

// Error says how many answered, of how many.
func (e *MissingError) Error() string {
	return fmt.Sprintf("cluster: %d of %d %s in time: %v", e.Received, e.Expected, e.What, e.Cause)
}

// Unwrap returns the error of the context.
func (e *MissingError) Unwrap() error { return e.Cause }

// request waits for the responses of other nodes.
type request struct {
	// take handles a response and reports whether it was the last. It is called by
	// one goroutine at a time.
	take func(*message) (last bool)

	done chan struct{} // closed when the request has ended
	once sync.Once
	err  error // why it ended, nil if it was answered; set before done is closed
}

func (r *request) end(err error) {
	r.once.Do(func() {
		r.err = err
		close(r.done)
	})
}

// start registers a request before it is published: an answer may come at once.
func (n *Namespace) start(take func(*message) bool) (id string, r *request) {
	id, r = identifier(), &request{take: take, done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[id] = r
	return id, r
}

func (n *Namespace) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pending, id)
}

// fail ends all requests.
func (n *Namespace) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.pending {
		r.end(err)
	}
}

// wait waits for the end of a request, of its context or of the namespace.
func (n *Namespace) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.context.Done():
		return ErrClosed
	}
}

// missing makes the error of a request that was not answered by all.
func missing(err error, what string, expected, received int) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &MissingError{What: what, Expected: expected, Received: received, Cause: err}
	}
	return err
}

// ask sends a command to the other nodes and collects a response of each. If some do
// not answer in time, the error is a [*MissingError].
func (n *Namespace) ask(ctx context.Context, c command, take func(*message) bool) error {
	others, err := n.others(ctx)
	if err != nil || others == 0 {
		return err
	}
	var mu sync.Mutex // guards received
	received := 0
	id, r := n.start(func(m *message) bool {
		mu.Lock()
		defer mu.Unlock()
		if received == others || !take(m) {
			return false
		}
		received++
		return received == others
	})
	defer n.forget(id)
	c.RequestID = id
	if err := n.send(c, r.end); err != nil {
		return err
	}
	err = n.wait(ctx, r)
	n.forget(id)
	mu.Lock()
	defer mu.Unlock()
	return missing(err, "nodes answered", others, received)
}

// Sockets describes the sockets of the target on all nodes, those of this node
// first. If some nodes do not answer in time, what the others said is returned with
// a [*MissingError]. A context without a deadline has the RequestTimeout.
func (n *Namespace) Sockets(ctx context.Context, to Target) ([]Socket, error) {
	local := n.local.Sockets(to)
	for i := range local {
		local[i] = local[i].published()
	}
	remote, err := n.RemoteSockets(ctx, to)
	return append(local, remote...), err
}

// RemoteSockets is [Namespace.Sockets] without those of this node.
func (n *Namespace) RemoteSockets(ctx context.Context, to Target) ([]Socket, error) {
	ctx, cancel := n.deadline(ctx)
	defer cancel()
	var all []Socket
	err := n.ask(ctx, command{Type: typeFetch, Opts: optionsOf(to)}, func(m *message) bool {
		sockets, err := decodeSockets(m.sockets)
		if err == nil {
			all = append(all, sockets...)
		}
		return err == nil
	})
	return all, err
}

// ServerSideEmitWithAck sends an event to the other servers and returns what they
// answered. If some do not answer in time, the error is a [*MissingError]. A context
// without a deadline has the RequestTimeout.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event Payload) ([]Payload, error) {
	if err := event.check(); err != nil {
		return nil, err
	}
	ctx, cancel := n.deadline(ctx)
	defer cancel()
	var answers []Payload
	err := n.ask(ctx, command{Type: typeServerSideEmit, data: &event}, func(m *message) bool {
		if m.kind != typeServerSideEmit {
			return false
		}
		answers = append(answers, m.answer(m.data))
		return true
	})
	return answers, err
}

// answer returns the value of a response. Node leaves out what is undefined.
func (m *message) answer(p *Payload) Payload {
	if p == nil {
		return Payload{JSON: []byte("null")}
	}
	return *p
}

// BroadcastWithAck sends an event to the sockets of the target on all nodes and
// returns what they acknowledged: of each the first value, in the order of arrival.
// If some do not acknowledge in time, the error is a [*MissingError]. A context
// without a deadline has the RequestTimeout.
func (n *Namespace) BroadcastWithAck(ctx context.Context, event Payload, to Target) ([]Payload, error) {
	if err := event.check(); err != nil {
		return nil, err
	}
	ctx, cancel := n.deadline(ctx)
	defer cancel()
	others, err := n.others(ctx)
	if err != nil {
		return nil, err
	}
	c := &collection{nodes: others + 1, complete: make(chan struct{})}
	id, err := n.publishWithAck(ctx, event, to, c.count, c.answer, c.fail)
	if err != nil {
		return nil, err
	}
	defer n.forget(id)
	c.count(n.local.BroadcastWithAck(ctx, event, to, c.answer))
	select {
	case <-c.complete:
	case <-ctx.Done():
		err = ctx.Err()
	case <-n.context.Done():
		err = ErrClosed
	}
	return c.result(err)
}

// BroadcastLocally is [Namespace.BroadcastWithAck] for a node that has no cluster. A
// context without a deadline has five seconds.
func BroadcastLocally(ctx context.Context, l Local, event Payload, to Target) ([]Payload, error) {
	if err := event.check(); err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultRequestTimeout)
		defer cancel()
	}
	c := &collection{nodes: 1, complete: make(chan struct{})}
	c.count(l.BroadcastWithAck(ctx, event, to, c.answer))
	select {
	case <-c.complete:
		return c.result(nil)
	case <-ctx.Done():
		return c.result(ctx.Err())
	}
}

// PublishWithAck sends an event to the sockets of the target on all other nodes: it
// is for bindings that have sent it to their own sockets. Until the context ends, it
// calls count with the number of sockets that each node has asked, and answer with
// what each acknowledged, from another goroutine. It does not wait.
func (n *Namespace) PublishWithAck(ctx context.Context, event Payload, to Target, count func(sockets int), answer func(Payload)) error {
	if err := event.check(); err != nil {
		return err
	}
	ctx, cancel := n.deadline(ctx)
	id, err := n.publishWithAck(ctx, event, to, count, answer, nil)
	if err != nil {
		cancel()
		return err
	}
	context.AfterFunc(ctx, func() { n.forget(id); cancel() })
	return nil
}

func (n *Namespace) publishWithAck(ctx context.Context, event Payload, to Target, count func(int), answer func(Payload), failed func(error)) (string, error) {
	id, _ := n.start(func(m *message) bool {
		switch m.kind {
		case typeClientCount:
			count(m.clientCount)
		case typeAck:
			answer(m.answer(m.packet))
		}
		return false
	})
	b := appendString(appendString(appendMap(nil, 5), "uid"), n.cluster.uid)
	b = appendString(appendString(b, "requestId"), id)
	b = appendInt(appendString(b, "type"), typeBroadcast)
	b, err := appendPacket(appendString(b, "packet"), n.name, event)
	if err == nil {
		err = n.publish(n.requests.Name, appendOptions(appendString(b, "opts"), to, remaining(ctx)), failed)
	}
	if err != nil {
		n.forget(id)
	}
	return id, err
}

// collection counts the acknowledgements of a broadcast.
type collection struct {
	nodes    int           // that were asked, this one included
	complete chan struct{} // closed when all have answered, or with err set

	mu       sync.Mutex // guards the rest
	counted  int        // nodes that have said how many sockets they asked
	expected int        // sockets that were asked
	answers  []Payload
	ended    bool
	err      error
}

func (c *collection) count(sockets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counted < c.nodes {
		c.counted++
		c.expected += sockets
	}
	c.check()
}

func (c *collection) answer(p Payload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.answers = append(c.answers, p)
		c.check()
	}
}

func (c *collection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.end()
}

// check is called with the mutex held.
func (c *collection) check() {
	if c.counted == c.nodes && len(c.answers) >= c.expected {
		c.end()
	}
}

func (c *collection) end() {
	if !c.ended {
		c.ended = true
		close(c.complete)
	}
}

func (c *collection) result(err error) ([]Payload, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	switch {
	case c.err != nil:
		return c.answers, c.err
	case err == nil:
		return c.answers, nil
	case c.counted < c.nodes:
		return c.answers, missing(err, "nodes answered", c.nodes, c.counted)
	}
	return c.answers, missing(err, "sockets acknowledged", c.expected, len(c.answers))
}

// decodeSockets reads what a node said of its sockets.
func decodeSockets(text json.RawMessage) ([]Socket, error) {
	var list []struct {
		ID        *string         `json:"id"`
		Handshake json.RawMessage `json:"handshake"`
		Rooms     []any           `json:"rooms"`
		Data      json.RawMessage `json:"data"`
	}
	if text == nil || json.Unmarshal(text, &list) != nil {
		return nil, errors.New("sockets is not a list of sockets")
	}
	sockets := make([]Socket, len(list))
	for i, s := range list {
		if s.ID == nil {
			return nil, errors.New("a socket has no id")
		}
		sockets[i] = Socket{ID: *s.ID, Handshake: decodeHandshake(s.Handshake), Data: s.Data}
		for _, room := range s.Rooms {
			sockets[i].Rooms = append(sockets[i].Rooms, fmt.Sprint(room))
		}
	}
	return sockets, nil
}
