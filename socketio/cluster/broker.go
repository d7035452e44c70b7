package cluster

import "context"

// Broker carries messages between nodes: Redis, NATS or memory. It is safe for
// concurrent use. Package clustertest holds the tests that every Broker must pass.
type Broker interface {
	// Publish sends messages to every link of every node that is subscribed to
	// their channels, this node's included. It sends each at most once and keeps
	// their order. If it fails, some of them may have been sent.
	Publish(ctx context.Context, messages ...Message) error

	// Open makes a link that calls receive for each message of its topics, one
	// call at a time, in the order of arrival. The context is only for opening.
	Open(ctx context.Context, receive func(Topic, Message)) (Link, error)

	// Subscribers returns how many links of all nodes are subscribed to the topic
	// of exactly this channel.
	Subscribers(ctx context.Context, channel string) (int, error)
}

// Link is a connection of a [Broker] that receives messages. When it is lost it
// ends: it does not reconnect by itself, so that its owner knows.
type Link interface {
	// Subscribe adds topics and returns when they are in effect.
	Subscribe(ctx context.Context, topics ...Topic) error

	// Unsubscribe removes topics.
	Unsubscribe(ctx context.Context, topics ...Topic) error

	// Done returns a channel that is closed when the link is lost or closed.
	Done() <-chan struct{}

	// Err returns why the link was lost, nil while it lives.
	Err() error

	// Close ends the link. When it returns, receive is not running and is not
	// called again. It must not be called from receive.
	Close() error
}

// Message is what nodes send each other.
type Message struct {
	Channel string
	Data    []byte
}

// Topic is what a [Link] subscribes to: one channel, or every channel whose name
// begins with Name. A name that is a prefix ends with "#".
type Topic struct {
	Name   string
	Prefix bool
}
