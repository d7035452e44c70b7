package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// How long follow waits before it opens a link again, and how long opening one or
// subscribing may take.
const (
	minBackoff    = 100 * time.Millisecond
	maxBackoff    = 5 * time.Second
	brokerTimeout = 5 * time.Second
)

// follow keeps a link open until the cluster is closed.
func (c *Cluster) follow() {
	backoff, reported := minBackoff, false
	for c.context.Err() == nil {
		began := time.Now()
		err := c.guarded(c.link)
		c.lost(err)
		if c.context.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			backoff, reported = minBackoff, false
		}
		if !reported {
			c.options.Logger.Warn("cluster: no link to the broker: messages of other nodes are missed", "error", err)
			reported = true
		}
		select {
		case <-c.context.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// guarded makes an error of a panic.
func (c *Cluster) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.options.Logger.Error("cluster: the broker panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("cluster: the broker panicked: %v", r)
		}
	}()
	return f()
}

// link opens a link and keeps its subscriptions those of the namespaces, until it is
// lost.
func (c *Cluster) link() error {
	ctx, cancel := context.WithTimeout(c.context, brokerTimeout)
	defer cancel()
	link, err := c.broker.Open(ctx, c.receive)
	if err != nil {
		return err
	}
	defer link.Close()
	for {
		if err := c.subscribe(link); err != nil {
			return err
		}
		select {
		case <-c.context.Done():
			return ErrClosed
		case <-link.Done():
			return errors.Join(errors.New("cluster: the link is lost"), link.Err())
		case <-c.wake:
		}
	}
}

// subscribe makes the link's topics those of the namespaces.
func (c *Cluster) subscribe(link Link) error {
	c.mu.Lock()
	var more, less []Topic
	for t := range c.topics {
		if !c.subscribed[t] {
			more = append(more, t)
		}
	}
	for t := range c.subscribed {
		if c.topics[t] == nil {
			less = append(less, t)
		}
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.context, brokerTimeout)
	defer cancel()
	if len(more) > 0 {
		if err := link.Subscribe(ctx, more...); err != nil {
			return err
		}
	}
	if len(less) > 0 {
		if err := link.Unsubscribe(ctx, less...); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.options.Logger.Info("cluster: linked to the broker")
	}
	c.err = nil
	for _, t := range more {
		c.subscribed[t] = true
	}
	for _, t := range less {
		delete(c.subscribed, t)
	}
	c.announce()
	return nil
}

// lost takes note that there is no link.
func (c *Cluster) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.subscribed)
	c.err = errors.Join(ErrUnavailable, err)
	c.announce()
}

// receive handles a message of the link. Nothing in it ends the process.
func (c *Cluster) receive(t Topic, m Message) {
	c.mu.Lock()
	n := c.topics[t]
	c.mu.Unlock()
	if n == nil {
		return // the namespace has just been removed
	}
	defer func() {
		if r := recover(); r != nil {
			c.options.Logger.Error("cluster: a message was dropped: handling it panicked",
				"namespace", n.name, "channel", m.Channel, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	if len(m.Data) > c.options.MaxMessage {
		c.drop(n, m, fmt.Errorf("it has %d bytes, more than MaxMessage, %d", len(m.Data), c.options.MaxMessage))
		return
	}
	if err := n.receive(t, m); err != nil {
		c.drop(n, m, err)
	}
}

// drop logs a message that is not handled: what is wrong with it, never its content.
func (c *Cluster) drop(n *Namespace, m Message, err error) {
	c.dropped.Do(func() {
		c.options.Logger.Warn("cluster: a message was dropped", "namespace", n.name, "channel", m.Channel, "bytes", len(m.Data), "error", err)
	})
}
