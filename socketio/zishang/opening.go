package zishang

import (
	"net"
	"sync/atomic"
)

// opening is a connection whose first write, the answer to a websocket's request,
// goes out with the second, the packet OPEN that follows at once: a system call less
// for the server, and one for the client to wake up for. It embeds a *net.TCPConn,
// not a net.Conn, so that [net.Buffers] still write themselves in one call; those pass
// by what is held, so the second write may not be made with them, and a packet as
// short as OPEN is not.
type opening struct {
	*net.TCPConn
	answered bool // the first write was made
	held     atomic.Pointer[[]byte]
}

// Write, like the one it wraps, is called by one goroutine at a time.
func (c *opening) Write(p []byte) (int, error) {
	if !c.answered {
		c.answered = true
		held := append(make([]byte, 0, 512), p...) // OPEN fits in behind it
		c.held.Store(&held)
		return len(p), nil
	}
	held := c.held.Swap(nil)
	if held == nil {
		return c.TCPConn.Write(p)
	}
	n, err := c.TCPConn.Write(append(*held, p...))
	return max(0, n-len(*held)), err
}

// Close sends what is held: nothing else was ever sent, so there is room for it. It
// may be called while another goroutine writes.
func (c *opening) Close() error {
	if held := c.held.Swap(nil); held != nil {
		_, _ = c.TCPConn.Write(*held)
	}
	return c.TCPConn.Close()
}
