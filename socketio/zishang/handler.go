package zishang

import (
	"bufio"
	"net"
	"net/http"
	"sync"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// Handler returns the handler of a server's endpoint, "/socket.io/" by default. It
// is that of the server's ServeHandler(nil), but a connection over a websocket
// takes 10 KB less, since the library keeps the response to its first request, and
// with that the buffers of net/http; and one system call less to open.
func Handler(io *socket.Server) http.Handler {
	library := io.ServeHandler(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			// A connection that is new begins with a packet of the server's.
			w = &response{w, !r.URL.Query().Has("sid")}
		}
		library.ServeHTTP(w, r)
	})
}

// response lets go of net/http's when that has given the connection away.
type response struct {
	http.ResponseWriter
	opens bool
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.ResponseWriter = hijacked{}
	if w.opens {
		conn = &opening{Conn: conn}
	}
	return conn, buffers, nil
}

// hijacked is a response that there is no more.
type hijacked struct{}

func (hijacked) Header() http.Header       { return make(http.Header) }
func (hijacked) Write([]byte) (int, error) { return 0, http.ErrHijacked }
func (hijacked) WriteHeader(int)           {}

// opening is a connection on which what is written first, the answer to the
// upgrade, goes out with what is written second.
type opening struct {
	net.Conn
	mu    sync.Mutex // held while writing, and guards the rest
	first []byte
	open  bool // the first has been written
}

func (c *opening) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open:
		return c.Conn.Write(b)
	case c.first == nil:
		c.first = append(c.first, b...)
		return len(b), nil
	}
	n, err := c.Conn.Write(append(c.first, b...))
	n = max(0, n-len(c.first))
	c.first, c.open = nil, true
	return n, err
}

// Close writes what was held back, if nothing came after it.
func (c *opening) Close() error {
	if c.mu.TryLock() { // otherwise something is being written
		if len(c.first) > 0 {
			_, _ = c.Conn.Write(c.first) // who closes does not mind
		}
		c.first, c.open = nil, true
		c.mu.Unlock()
	}
	return c.Conn.Close()
}
