package engine

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// maxHeld is how much a connection holds back.
const maxHeld = 16 << 10

// corked is a connection that can hold back what is written, so that several
// frames leave in one write: writing is most of what a frame costs. A new one
// holds back from the start, the answer to the upgrade among the rest.
type corked struct {
	net.Conn

	mu   sync.Mutex // held while writing, and guards what follows
	held []byte
	free bool // writes pass
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

// cork holds back what is written from now on.
func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = false
}

// uncork writes what was held back.
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
