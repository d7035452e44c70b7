package main

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// channel is a connection on a trunk. It keeps in memory what was received and not read.
// Its writes have no deadline.
type channel struct {
	trunk *trunk
	id    uint32

	mu    sync.Mutex
	news  sync.Cond
	in    []byte
	err   error // of reads, when in is empty
	due   time.Time
	timer *time.Timer
}

// receive adds n bytes to the unread ones.
func (c *channel) receive(r io.Reader, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	had := len(c.in)
	c.in = append(c.in, make([]byte, n)...)
	_, err := io.ReadFull(r, c.in[had:])
	c.news.Broadcast()
	return err
}

// end lets reads fail after what was received. The first error stays, but for this side's
// own close.
func (c *channel) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil || errors.Is(err, net.ErrClosed) {
		c.err = err
	}
	c.news.Broadcast()
}

func (c *channel) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case errors.Is(c.err, net.ErrClosed):
			return 0, c.err
		case !c.due.IsZero() && !time.Now().Before(c.due):
			return 0, os.ErrDeadlineExceeded
		case len(c.in) > 0:
			n := copy(p, c.in)
			if c.in = c.in[n:]; len(c.in) == 0 {
				c.in = nil
			}
			return n, nil
		case c.err != nil:
			return 0, c.err
		}
		c.news.Wait()
	}
}

func (c *channel) Write(p []byte) (int, error) {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err == nil && len(p) > 0 {
		err = c.trunk.write(c.id, uint32(len(p)), p)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *channel) Close() error {
	c.trunk.mu.Lock()
	open := c.trunk.channels[c.id] == c
	delete(c.trunk.channels, c.id)
	c.trunk.mu.Unlock()
	if !open {
		return net.ErrClosed
	}
	_ = c.SetReadDeadline(time.Time{})
	c.end(net.ErrClosed)
	return c.trunk.write(c.id, trunkCloses, nil)
}

func (c *channel) SetReadDeadline(due time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = due
	// A timer in the past would have the runtime look at all timers; a socket sets none.
	switch later := due.After(time.Now()); {
	case !later && c.timer != nil:
		c.timer.Stop()
	case !later:
	case c.timer == nil:
		c.timer = time.AfterFunc(time.Until(due), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.news.Broadcast()
		})
	default:
		c.timer.Reset(time.Until(due))
	}
	c.news.Broadcast()
	return nil
}

func (c *channel) SetDeadline(due time.Time) error { return c.SetReadDeadline(due) }

func (c *channel) SetWriteDeadline(time.Time) error { return nil }

func (c *channel) LocalAddr() net.Addr { return c.trunk.conn.LocalAddr() }

// RemoteAddr is another address for each two thousand channels, as with dialFrom.
func (c *channel) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 1, 0, byte(c.id/perAddress)), Port: int(1024 + c.id%perAddress)}
}
