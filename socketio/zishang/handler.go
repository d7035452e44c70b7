package zishang

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/servers/socket/v3"
)

// Handler returns the handler of a server's endpoint, "/socket.io/" by default. It
// is that of the server's ServeHandler(nil) with three differences: a connection over
// a websocket takes 10 KB less, since the library keeps the response to its first
// request, and with that the buffers of net/http; what it answers to a websocket's
// request goes out together with the first packet; and no request outlives its
// connection.
func Handler(io *socket.Server) http.Handler {
	library := io.ServeHandler(nil)
	clients := io.Engine().Clients()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sids := r.URL.Query()["sid"]
		if r.Header.Get("Upgrade") != "" {
			library.ServeHTTP(&response{ResponseWriter: w, opens: len(sids) == 0}, r)
			return
		}
		if len(sids) > 0 {
			if conn, ok := clients.Load(sids[len(sids)-1]); ok { // the one that the library takes
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				unanswered := requestsOf(conn)
				unanswered.add(r, cancel)
				defer unanswered.done(r)
				r = r.WithContext(ctx)
			}
		}
		library.ServeHTTP(w, r)
	})
}

// requests are those of a connection that have yet to be answered.
//
// The library forgets a poll that comes while the client says goodbye in another
// request (transports/polling.go, OnClose and onPollRequest), drops an answer that it
// gives to its queue as that is closed (pkg/queue, Enqueue), and gives a poll that
// comes as its client has changed to a websocket to a method that does nothing
// (server.go:91, transports/transport.go:157): it would wait as long as the client
// holds its TCP connection.
type requests struct {
	mu      sync.Mutex
	cancels map[*http.Request]func()
	closed  bool
}

// lastAnswer is how long the library may take to answer the requests of a connection
// that is closed.
const lastAnswer = time.Second

// requestsOf returns the requests of a connection. There is one listener for all:
// RemoveListener of the library's cannot tell two closures of one function apart.
func requestsOf(conn engine.Socket) *requests {
	if r := attached[requests](conn); r != nil {
		return r
	}
	r := &requests{cancels: make(map[*http.Request]func())}
	attach(conn, r)
	if first := attached[requests](conn); first != r {
		return first // of a client that sends two requests at once
	}
	_ = conn.Once("close", r.close)
	if conn.ReadyState() == "closed" { // before there was a listener
		r.close()
	}
	return r
}

// add has cancel called when the connection has been closed for lastAnswer, unless
// the request is done before.
func (r *requests) add(request *http.Request, cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels[request] = cancel
	if r.closed {
		time.AfterFunc(lastAnswer, cancel)
	}
}

// done takes note that a request was answered.
func (r *requests) done(request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cancels, request)
}

// close is called when the connection is closed.
func (r *requests) close(...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, cancel := range r.cancels {
		time.AfterFunc(lastAnswer, cancel)
	}
}

// response lets go of net/http's when that has given the connection away.
type response struct {
	http.ResponseWriter
	opens bool // the request opens a connection, so a packet follows the answer
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.ResponseWriter = hijacked{}
	}
	if tcp, ok := conn.(*net.TCPConn); ok && w.opens {
		conn = &opening{TCPConn: tcp}
	}
	return conn, buffers, err
}

// hijacked is a response that there is no more.
type hijacked struct{}

func (hijacked) Header() http.Header       { return make(http.Header) }
func (hijacked) Write([]byte) (int, error) { return 0, http.ErrHijacked }
func (hijacked) WriteHeader(int)           {}
