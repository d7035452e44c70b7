package engine

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHeld is the size of the buffer in bytes.
const maxHeld = 16 << 10

// corked is a connection that can buffer what is written, so that several frames leave
// in one system call, which is most of a frame's cost. A new one buffers from the start,
// including the answer to the upgrade.
type corked struct {
	net.Conn
	direct directWriter // zero where a write cannot be tried without waiting

	mu       sync.Mutex // held while writing, and guards what follows
	held     []byte
	free     bool      // nothing is buffered
	deadline time.Time // of a write that has to wait
}

// SetWriteDeadline sets the deadline of writes that have to wait for the client. The
// connection's own is set only then: that costs as much as everything else about a write but
// the system call.
func (c *corked) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free {
		return c.writeLocked(b)
	}
	c.held = append(c.held, b...)
	if len(c.held) > maxHeld {
		return len(b), c.flushLocked()
	}
	return len(b), nil
}

// writeLocked writes, and waits until the client has taken everything.
func (c *corked) writeLocked(b []byte) (int, error) {
	n, err := c.direct.write(b)
	if err != nil || n == len(b) {
		return n, err
	}
	if err := c.Conn.SetWriteDeadline(c.deadline); err != nil {
		return n, err
	}
	more, err := c.Conn.Write(b[n:])
	if err == nil && c.direct.able() {
		err = c.Conn.SetWriteDeadline(time.Time{}) // it would end a later direct write
	}
	return n + more, err
}

// tried is the outcome of an attempt to write.
type tried uint8

const (
	written tried = iota // all of it
	held                 // the rest is in the buffer
	busy                 // none of it: another write waits for the client
)

// try writes as much as the client takes at once, and begins to buffer if that is not
// everything. It never waits.
func (c *corked) try(b []byte) (tried, error) {
	if !c.mu.TryLock() {
		return busy, nil
	}
	defer c.mu.Unlock()
	n := 0
	if c.free {
		var err error
		if n, err = c.direct.write(b); err != nil || n == len(b) {
			return written, err
		}
	}
	c.free = false
	c.held = append(c.held, b[n:]...)
	return held, nil
}

// cork starts to buffer.
func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = false
}

// uncork writes the buffer until a deadline, and stops to buffer.
func (c *corked) uncork(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free, c.deadline = true, deadline
	return c.flushLocked()
}

func (c *corked) flushLocked() error {
	held := c.held
	c.held = nil
	if len(held) == 0 {
		return nil
	}
	_, err := c.writeLocked(held)
	return err
}

// corkedWriter is a ResponseWriter whose connection, once hijacked, is corked.
type corkedWriter struct {
	http.ResponseWriter
	conn *corked
}

func (w *corkedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.conn = &corked{Conn: conn, direct: newDirectWriter(conn)}
	return w.conn, buffers, nil
}
