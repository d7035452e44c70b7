package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// linkHeartbeat is how long a link may be silent before Redis is asked whether it is
// still there, and how long Redis may take to answer.
const linkHeartbeat = 5 * time.Second

// Broker carries the messages of a cluster of Socket.IO servers through Redis
// PUB/SUB, the way @socket.io/redis-adapter 8 does. It is a [cluster.Broker].
//
// PUB/SUB ignores database numbers: give applications that share a Redis different
// prefixes ([cluster.Options]).
type Broker struct {
	client redis.UniversalClient
}

var _ cluster.Broker = (*Broker)(nil)

// NewBroker makes a broker of a client of a Redis, of a Redis with Sentinel, or of a
// Redis Cluster, which stays the caller's to close. A [redis.Ring] is an error: its
// shards do not pass messages on to each other.
func NewBroker(client redis.UniversalClient) (*Broker, error) {
	switch client.(type) {
	case nil:
		return nil, errors.New("redisstore: NewBroker: the client is nil")
	case *redis.Ring:
		return nil, errors.New("redisstore: NewBroker: the client is a Ring, whose shards do not pass messages on to each other: use a Client or a ClusterClient")
	}
	return &Broker{client: client}, nil
}

// Publish implements [cluster.Broker]. The messages go through one connection, so
// that their order is kept.
func (b *Broker) Publish(ctx context.Context, messages ...cluster.Message) error {
	var client interface{ Pipeline() redis.Pipeliner } = b.client
	if c, ok := b.client.(*redis.ClusterClient); ok {
		// Any node passes messages on to all others; always the same one keeps them
		// in order.
		node, err := c.MasterForKey(ctx, "socket.io")
		if err != nil {
			return fmt.Errorf("redisstore: %w", err)
		}
		client = node
	}
	p := client.Pipeline()
	for _, m := range messages {
		p.Publish(ctx, m.Channel, &onceWritten{data: m.Data})
	}
	if _, err := p.Exec(ctx); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// onceWritten is an argument of a command that the client cannot write twice: a
// client that repeats a command whose answer it has missed would publish a message
// that has been delivered already.
type onceWritten struct {
	data    []byte
	written atomic.Bool
}

func (o *onceWritten) MarshalBinary() ([]byte, error) {
	if o.written.Swap(true) {
		return nil, errors.New("the connection was lost, and the message may have been sent")
	}
	return o.data, nil
}

// Subscribers implements [cluster.Broker].
func (b *Broker) Subscribers(ctx context.Context, channel string) (int, error) {
	var total atomic.Int64
	count := func(ctx context.Context, c interface {
		PubSubNumSub(ctx context.Context, channels ...string) *redis.MapStringIntCmd
	}) error {
		n, err := c.PubSubNumSub(ctx, channel).Result()
		total.Add(n[channel])
		return err
	}
	var err error
	if c, ok := b.client.(*redis.ClusterClient); ok {
		err = c.ForEachShard(ctx, func(ctx context.Context, c *redis.Client) error { return count(ctx, c) })
	} else {
		err = count(ctx, b.client)
	}
	if err != nil {
		return 0, fmt.Errorf("redisstore: %w", err)
	}
	return int(total.Load()), nil
}

// Open implements [cluster.Broker].
func (b *Broker) Open(ctx context.Context, receive func(cluster.Topic, cluster.Message)) (cluster.Link, error) {
	l := &link{
		sub: subscribe(ctx, b.client), receive: receive,
		patterns: make(map[string]cluster.Topic), waiting: make(map[string]chan struct{}),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	l.context, l.cancel = context.WithCancel(context.Background())
	if err := l.sub.Ping(ctx); err != nil {
		_ = l.sub.Close()
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	if _, err := l.sub.ReceiveTimeout(ctx, linkHeartbeat); err != nil {
		_ = l.sub.Close()
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	go l.run()
	return l, nil
}

// link is a subscription of a [Broker]. The client would connect again by itself;
// the link ends with the first failure instead.
type link struct {
	sub     *subscription
	receive func(cluster.Topic, cluster.Message)
	context context.Context // ends with Close
	cancel  context.CancelFunc
	done    chan struct{} // closed when the link is lost
	ended   chan struct{} // closed when run has returned

	mu       sync.Mutex               // guards the rest
	patterns map[string]cluster.Topic // of prefixes, by their pattern
	waiting  map[string]chan struct{} // closed when a subscription is confirmed, by kind and name
	err      error
}

// run receives until the link is lost.
func (l *link) run() {
	defer close(l.ended)
	err := l.listen()
	l.mu.Lock()
	l.err = fmt.Errorf("redisstore: %w", err)
	l.mu.Unlock()
	close(l.done)
	_ = l.sub.Close()
}

func (l *link) listen() error {
	defer context.AfterFunc(l.context, func() { _ = l.sub.Close() })() // ends a read
	silent := false
	for {
		message, err := l.sub.ReceiveTimeout(l.context, linkHeartbeat)
		var timeout net.Error
		switch {
		case err == nil:
			silent = false
		case errors.As(err, &timeout) && timeout.Timeout() && !silent && l.context.Err() == nil:
			silent = true
			if err := l.sub.Ping(l.context); err != nil {
				return err
			}
			continue
		default:
			return err
		}
		switch m := message.(type) {
		case *redis.Message:
			topic := cluster.Topic{Name: m.Channel}
			if m.Pattern != "" {
				l.mu.Lock()
				topic = l.patterns[m.Pattern]
				l.mu.Unlock()
			}
			l.receive(topic, cluster.Message{Channel: m.Channel, Data: []byte(m.Payload)})
		case *redis.Subscription:
			l.confirmed(m.Kind + " " + m.Channel)
		}
	}
}

func (l *link) confirmed(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.waiting[what]; c != nil {
		close(c)
		delete(l.waiting, what)
	}
}

// Subscribe implements [cluster.Link].
func (l *link) Subscribe(ctx context.Context, topics ...cluster.Topic) error {
	return l.change(ctx, topics, "subscribe", l.sub.Subscribe, l.sub.PSubscribe)
}

// Unsubscribe implements [cluster.Link].
func (l *link) Unsubscribe(ctx context.Context, topics ...cluster.Topic) error {
	return l.change(ctx, topics, "unsubscribe", l.sub.Unsubscribe, l.sub.PUnsubscribe)
}

// change sends a command for the channels and one for the patterns among the topics,
// and waits until Redis has confirmed them.
func (l *link) change(ctx context.Context, topics []cluster.Topic, kind string, channel, pattern func(context.Context, ...string) error) error {
	var channels, patterns []string
	var confirmations []chan struct{}
	l.mu.Lock()
	for _, t := range topics {
		name, what := t.Name, kind
		if t.Prefix {
			name, what = glob.Replace(t.Name)+"*", "p"+kind
			l.patterns[name] = t
			patterns = append(patterns, name)
		} else {
			channels = append(channels, name)
		}
		c := make(chan struct{})
		l.waiting[what+" "+name] = c
		confirmations = append(confirmations, c)
	}
	l.mu.Unlock()
	if len(channels) > 0 {
		if err := channel(ctx, channels...); err != nil {
			return fmt.Errorf("redisstore: %w", err)
		}
	}
	if len(patterns) > 0 {
		if err := pattern(ctx, patterns...); err != nil {
			return fmt.Errorf("redisstore: %w", err)
		}
	}
	for _, c := range confirmations {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.done:
			return l.Err()
		}
	}
	return nil
}

// glob escapes what a pattern of PSUBSCRIBE gives a meaning.
var glob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// Done implements [cluster.Link].
func (l *link) Done() <-chan struct{} { return l.done }

// Err implements [cluster.Link].
func (l *link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close implements [cluster.Link].
func (l *link) Close() error {
	l.cancel()
	<-l.ended
	return nil
}
