package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of what waits to be sent, and of what is sent at once.
const (
	maxWaiting      = 10_000
	maxWaitingBytes = 64 << 20
	maxBatch        = 256
	closeTimeout    = time.Second
)

// outbox sends messages in the order in which they were put into it, without their
// senders waiting for the broker.
type outbox struct {
	broker Broker
	logger *slog.Logger
	failed rate.Sometimes
	wake   chan struct{} // has a token when messages wait
	ended  chan struct{} // closed when run has returned
	cancel context.CancelFunc
	ctx    context.Context

	mu     sync.Mutex // guards the rest
	queue  []outgoing
	bytes  int
	closed bool
}

type outgoing struct {
	message Message
	failed  func(error) // called if it was not sent; may be nil
}

func newOutbox(b Broker, logger *slog.Logger) *outbox {
	o := &outbox{
		broker: b, logger: logger, failed: rate.Sometimes{First: 1, Interval: 10 * time.Second},
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	go o.run()
	return o
}

// put queues a message. failed is called, from another goroutine, if the message
// could not be sent; it may be nil.
func (o *outbox) put(m Message, failed func(error)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return ErrClosed
	case len(o.queue) >= maxWaiting || o.bytes+len(m.Data) > maxWaitingBytes && len(o.queue) > 0:
		return ErrOverloaded
	}
	o.queue = append(o.queue, outgoing{m, failed})
	o.bytes += len(m.Data)
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// run sends until the outbox is closed and empty.
func (o *outbox) run() {
	defer close(o.ended)
	for range o.wake {
		for batch, last := o.take(); ; batch, last = o.take() {
			if len(batch) > 0 {
				o.send(batch)
			} else if last {
				return
			} else {
				break
			}
		}
	}
}

// take takes some messages out of the queue, and reports whether none will follow
// them.
func (o *outbox) take() (batch []outgoing, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.queue), maxBatch)
	batch = append(batch, o.queue[:n]...)
	clear(o.queue[:n])
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
	for _, m := range batch {
		o.bytes -= len(m.message.Data)
	}
	return batch, o.closed && len(o.queue) == 0
}

func (o *outbox) send(batch []outgoing) {
	messages := make([]Message, len(batch))
	for i, m := range batch {
		messages[i] = m.message
	}
	ctx, cancel := context.WithTimeout(o.ctx, brokerTimeout)
	defer cancel()
	err := o.publish(ctx, messages)
	if err == nil {
		return
	}
	o.failed.Do(func() {
		o.logger.Warn("cluster: messages did not reach other nodes", "messages", len(messages), "error", err)
	})
	for _, m := range batch {
		if m.failed != nil {
			m.failed(fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
	}
}

func (o *outbox) publish(ctx context.Context, messages []Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			o.logger.Error("cluster: the broker panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("cluster: the broker panicked: %v", r)
		}
	}()
	return o.broker.Publish(ctx, messages...)
}

// close sends what waits, for a while, and returns when nothing runs any more.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	select {
	case <-o.ended:
	case <-time.After(closeTimeout):
	}
	o.cancel()
	<-o.ended
}
