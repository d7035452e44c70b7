package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// Memory is a [Broker] for nodes in one process, for tests. It is safe for
// concurrent use.
type Memory struct {
	mu    sync.Mutex // guards the rest
	links map[*memoryLink]struct{}
}

var _ Broker = (*Memory)(nil)

// NewMemory makes a broker. It needs no Close.
func NewMemory() *Memory { return &Memory{links: make(map[*memoryLink]struct{})} }

// Publish implements [Broker].
func (m *Memory) Publish(ctx context.Context, messages ...Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, message := range messages {
		for l := range m.links {
			l.accept(message)
		}
	}
	return nil
}

// Open implements [Broker].
func (m *Memory) Open(ctx context.Context, receive func(Topic, Message)) (Link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &memoryLink{
		memory: m, receive: receive, topics: make(map[Topic]struct{}),
		wake: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	m.mu.Lock()
	m.links[l] = struct{}{}
	m.mu.Unlock()
	go l.deliver()
	return l, nil
}

// Subscribers implements [Broker].
func (m *Memory) Subscribers(ctx context.Context, channel string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for l := range m.links {
		if _, ok := l.topics[Topic{Name: channel}]; ok {
			n++
		}
	}
	return n, nil
}

// Interrupt ends all links, as a network does that fails for a moment.
func (m *Memory) Interrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for l := range m.links {
		l.end(errors.New("cluster: the link was interrupted"))
	}
}

// memoryLink is a link of a [Memory], whose mutex guards its fields.
type memoryLink struct {
	memory  *Memory
	receive func(Topic, Message)
	topics  map[Topic]struct{}
	queue   []delivery
	err     error
	wake    chan struct{} // has a token when the queue is not empty
	done    chan struct{} // closed when the link has ended
	ended   chan struct{} // closed when deliver has returned
}

type delivery struct {
	topic   Topic
	message Message
}

// accept queues a message once for each topic that it belongs to, as Redis does.
// The memory's mutex is held.
func (l *memoryLink) accept(m Message) {
	for t := range l.topics {
		if t.Name == m.Channel || t.Prefix && strings.HasPrefix(m.Channel, t.Name) {
			l.queue = append(l.queue, delivery{t, m})
		}
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *memoryLink) deliver() {
	defer close(l.ended)
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
		}
		l.memory.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.memory.mu.Unlock()
		for _, d := range queue {
			select {
			case <-l.done:
				return
			default:
				l.receive(d.topic, d.message)
			}
		}
	}
}

// end is called with the memory's mutex held.
func (l *memoryLink) end(err error) {
	if _, ok := l.memory.links[l]; ok {
		delete(l.memory.links, l)
		l.err = err
		close(l.done)
	}
}

func (l *memoryLink) Subscribe(ctx context.Context, topics ...Topic) error {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	for _, t := range topics {
		l.topics[t] = struct{}{}
	}
	return ctx.Err()
}

func (l *memoryLink) Unsubscribe(ctx context.Context, topics ...Topic) error {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	for _, t := range topics {
		delete(l.topics, t)
	}
	return ctx.Err()
}

func (l *memoryLink) Done() <-chan struct{} { return l.done }

func (l *memoryLink) Err() error {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	return l.err
}

func (l *memoryLink) Close() error {
	l.memory.mu.Lock()
	l.end(errors.New("cluster: the link is closed"))
	l.memory.mu.Unlock()
	<-l.ended
	return nil
}
