package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options configure a [Cluster]. The zero value is the default.
type Options struct {
	// Prefix is what the names of all channels begin with: the option key of
	// @socket.io/redis-adapter. The default is "socket.io".
	Prefix string

	// RequestTimeout is how long requests to other nodes wait whose context has no
	// deadline. The default is 5 s.
	RequestTimeout time.Duration

	// MaxMessage is how many bytes a message may have, sent or received. A larger
	// one is not sent, or dropped. The default is 16 MiB.
	MaxMessage int

	// Logger is told of messages that are dropped and of links that are lost. The
	// default is slog.Default().
	Logger *slog.Logger
}

const defaultRequestTimeout = 5 * time.Second

// Errors of what a [Namespace] does.
var (
	// ErrClosed says that the cluster or the namespace is closed.
	ErrClosed = errors.New("cluster: closed")

	// ErrUnavailable says that the broker is out of reach, so that nobody can be
	// asked.
	ErrUnavailable = errors.New("cluster: the broker is out of reach")

	// ErrOverloaded says that messages wait to be sent and that there is no room
	// for more.
	ErrOverloaded = errors.New("cluster: too many messages wait to be sent")
)

// Cluster is this node's membership in a cluster. It is safe for concurrent use.
type Cluster struct {
	broker  Broker
	options Options
	uid     string // of this node
	out     *outbox
	stop    context.CancelFunc
	context context.Context // ends with the cluster
	tasks   sync.WaitGroup
	dropped rate.Sometimes // limits the lines about messages that are dropped

	mu         sync.Mutex // guards the rest
	namespaces map[string]*Namespace
	topics     map[Topic]*Namespace // where the messages of a topic go
	subscribed map[Topic]bool       // what the link is subscribed to
	err        error                // why there is no link, nil while there is one
	changed    chan struct{}        // closed when subscribed or err is another
	wake       chan struct{}        // has a token when topics is another
	closed     bool
}

// New joins a cluster through a broker, which stays the caller's to close. Close the
// cluster when the server has stopped. A nil options is the default.
func New(broker Broker, options *Options) (*Cluster, error) {
	if broker == nil {
		return nil, errors.New("cluster: New: the broker is nil")
	}
	var o Options
	if options != nil {
		o = *options
	}
	if o.Prefix == "" {
		o.Prefix = "socket.io"
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if strings.Contains(o.Prefix, "#") {
		return nil, fmt.Errorf("cluster: New: the prefix %q contains \"#\", which separates the parts of a channel's name", o.Prefix)
	}
	if o.RequestTimeout < 0 || o.RequestTimeout > maxTimeout {
		return nil, fmt.Errorf("cluster: New: the request timeout is %v, expected up to %v", o.RequestTimeout, maxTimeout)
	}
	if o.MaxMessage < 0 {
		return nil, fmt.Errorf("cluster: New: MaxMessage is %d, expected a number of bytes", o.MaxMessage)
	}
	c := &Cluster{
		broker: broker, options: o, uid: identifier(),
		dropped:    rate.Sometimes{First: 10, Interval: time.Second},
		namespaces: make(map[string]*Namespace), topics: make(map[Topic]*Namespace), subscribed: make(map[Topic]bool),
		err: ErrUnavailable, changed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	c.context, c.stop = context.WithCancel(context.Background())
	c.out = newOutbox(broker, o.Logger)
	c.tasks.Go(c.follow)
	return c, nil
}

// identifier makes a random name for a node or a request.
func identifier() string { return rand.Text()[:12] }

// Namespace joins a namespace, such as "/", whose local part is l. Close it when the
// namespace is removed. It does not wait for the broker: see [Cluster.Ready].
func (c *Cluster) Namespace(name string, l Local) (*Namespace, error) {
	if l == nil {
		return nil, errors.New("cluster: Namespace: the local part is nil")
	}
	if !strings.HasPrefix(name, "/") {
		return nil, fmt.Errorf("cluster: Namespace: the name %q does not begin with \"/\"", name)
	}
	n := newNamespace(c, name, l)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.namespaces[name] != nil {
		return nil, fmt.Errorf("cluster: Namespace: %q has joined already", name)
	}
	c.namespaces[name] = n
	for _, t := range n.topics() {
		c.topics[t] = n
	}
	c.rouse()
	c.tasks.Go(n.serve)
	return n, nil
}

// remove takes a namespace out.
func (c *Cluster) remove(n *Namespace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.namespaces[n.name] != n {
		return
	}
	delete(c.namespaces, n.name)
	for _, t := range n.topics() {
		delete(c.topics, t)
	}
	c.rouse()
}

// rouse tells follow that the topics are others. The mutex is held.
func (c *Cluster) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Err returns nil while the node is linked to the broker, and otherwise why not.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Ready waits until the node receives the messages of all its namespaces, or until
// the context ends.
func (c *Cluster) Ready(ctx context.Context) error {
	for {
		c.mu.Lock()
		ready, err, changed, closed := c.subscribedToAll(), c.err, c.changed, c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case ready:
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-changed:
		}
	}
}

// subscribedToAll is called with the mutex held.
func (c *Cluster) subscribedToAll() bool {
	for t := range c.topics {
		if !c.subscribed[t] {
			return false
		}
	}
	return c.err == nil
}

// receives reports whether messages of these topics arrive now.
func (c *Cluster) receives(topics ...Topic) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	for _, t := range topics {
		if !c.subscribed[t] {
			if c.err != nil && !errors.Is(c.err, ErrUnavailable) {
				return fmt.Errorf("%w: %w", ErrUnavailable, c.err)
			}
			return ErrUnavailable
		}
	}
	return nil
}

// Close leaves the cluster. It sends what waits to be sent, for up to a second, and
// returns when nothing of the cluster runs any more. Requests that are waiting
// return [ErrClosed].
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	namespaces := make([]*Namespace, 0, len(c.namespaces))
	for _, n := range c.namespaces {
		namespaces = append(namespaces, n)
	}
	c.announce()
	c.mu.Unlock()
	for _, n := range namespaces {
		n.end()
	}
	c.out.close()
	c.stop()
	c.tasks.Wait()
	return nil
}

// announce tells waiters that something is another. The mutex is held.
func (c *Cluster) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}
