package clustertest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// apart opens brokers whose names all begin with a word that only this test uses: a
// message system with several nodes may deliver a message after its test has ended.
func apart(open func(*testing.T) cluster.Broker) func(*testing.T) cluster.Broker {
	word := rand.Text()
	return func(t *testing.T) cluster.Broker {
		t.Helper()
		return &renamed{open(t), word}
	}
}

// renamed is a broker that adds a word to each name, and takes it from what is delivered.
type renamed struct {
	cluster.Broker
	word string
}

func (b *renamed) Publish(ctx context.Context, messages ...cluster.Message) error {
	all := make([]cluster.Message, len(messages))
	for i, m := range messages {
		all[i] = cluster.Message{Channel: b.word + m.Channel, Data: m.Data}
	}
	return b.Broker.Publish(ctx, all...)
}

func (b *renamed) Subscribers(ctx context.Context, channel string) (int, error) {
	return b.Broker.Subscribers(ctx, b.word+channel)
}

func (b *renamed) Open(ctx context.Context, receive func(cluster.Topic, cluster.Message)) (cluster.Link, error) {
	link, err := b.Broker.Open(ctx, func(t cluster.Topic, m cluster.Message) {
		t.Name, m.Channel = strings.TrimPrefix(t.Name, b.word), strings.TrimPrefix(m.Channel, b.word)
		receive(t, m)
	})
	if err != nil {
		return nil, err
	}
	return &renamedLink{link, b.word}, nil
}

type renamedLink struct {
	cluster.Link
	word string
}

func (l *renamedLink) Subscribe(ctx context.Context, topics ...cluster.Topic) error {
	return l.Link.Subscribe(ctx, l.with(topics)...)
}

func (l *renamedLink) Unsubscribe(ctx context.Context, topics ...cluster.Topic) error {
	return l.Link.Unsubscribe(ctx, l.with(topics)...)
}

func (l *renamedLink) with(topics []cluster.Topic) []cluster.Topic {
	all := make([]cluster.Topic, len(topics))
	for i, t := range topics {
		all[i] = cluster.Topic{Name: l.word + t.Name, Prefix: t.Prefix}
	}
	return all
}
