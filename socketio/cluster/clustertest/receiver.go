package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// receiver collects what a link delivers.
type receiver struct {
	t    *testing.T
	link cluster.Link

	mu      sync.Mutex // guards the rest
	got     []received
	changed chan struct{}
}

type received struct {
	topic   cluster.Topic
	message cluster.Message
}

func context30(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func listen(t *testing.T, b cluster.Broker, topics ...cluster.Topic) *receiver {
	t.Helper()
	r := &receiver{t: t, changed: make(chan struct{})}
	link, err := b.Open(context30(t), r.receive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := link.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	r.link = link
	if len(topics) > 0 {
		if err := link.Subscribe(context30(t), topics...); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *receiver) receive(t cluster.Topic, m cluster.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, received{t, cluster.Message{Channel: m.Channel, Data: bytes.Clone(m.Data)}})
	close(r.changed)
	r.changed = make(chan struct{})
}

// until waits for a message on the channel and returns all before it.
func (r *receiver) until(channel string) []received {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		got, changed := slices.Clone(r.got), r.changed
		r.mu.Unlock()
		if i := slices.IndexFunc(got, func(m received) bool { return m.message.Channel == channel }); i >= 0 {
			return got[:i]
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatalf("no message on %s in %v; there were %d others", channel, patience, len(got))
		}
	}
}

func publish(t *testing.T, b cluster.Broker, messages ...cluster.Message) {
	t.Helper()
	if err := b.Publish(context30(t), messages...); err != nil {
		t.Fatal(err)
	}
}

func message(channel, data string) cluster.Message {
	return cluster.Message{Channel: channel, Data: []byte(data)}
}

var (
	channel = cluster.Topic{Name: "conformance-request#/#"}
	prefix  = cluster.Topic{Name: "conformance#/#", Prefix: true}
	end     = cluster.Topic{Name: "conformance-end#"}
)

// expect compares what was delivered before the end with what should have been.
func (r *receiver) expect(want ...received) {
	r.t.Helper()
	got := r.until(end.Name)
	same := slices.EqualFunc(got, want, func(a, b received) bool {
		return a.topic == b.topic && a.message.Channel == b.message.Channel && bytes.Equal(a.message.Data, b.message.Data)
	})
	if !same {
		r.t.Errorf("got %s\nwant %s", show(got), show(want))
	}
}

func show(list []received) string {
	var b bytes.Buffer
	for i, m := range list {
		if i == 10 {
			fmt.Fprintf(&b, " ... %d in all", len(list))
			break
		}
		fmt.Fprintf(&b, " %v %q=%.40q", m.topic, m.message.Channel, m.message.Data)
	}
	return b.String()
}
