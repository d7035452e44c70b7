package engine

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// maxHeld is the size of the buffer in bytes.
const maxHeld = 16 << 10

// corked is a connection that can buffer what is written, so that several frames leave
// in one system call, which is most of a frame's cost. A new one buffers from the start,
// including the answer to the upgrade.
type corked struct {
	net.Conn

	mu   sync.Mutex // held while writing, and guards what follows
	held []byte
	free bool // nothing is buffered
}

func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free {
		return c.Conn.Write(b)
	}
	c.held = append(c.held, b...)
	if len(c.held) > maxHeld {
		return len(b), c.flushLocked()
	}
	return len(b), nil
}

// cork starts to buffer.
func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = false
}

// uncork writes the buffer, and stops to buffer.
func (c *corked) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = true
	return c.flushLocked()
}

func (c *corked) flushLocked() error {
	held := c.held
	c.held = nil
	if len(held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(held)
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
	w.conn = &corked{Conn: conn}
	return w.conn, buffers, nil
}
