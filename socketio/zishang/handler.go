package zishang

import (
	"bufio"
	"context"
	"net"
	"net/http"
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
		sid := r.URL.Query().Get("sid")
		if r.Header.Get("Upgrade") != "" {
			library.ServeHTTP(&response{ResponseWriter: w, opens: sid == ""}, r)
			return
		}
		if conn, ok := clients.Load(sid); ok {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer outlive(conn, cancel)()
			r = r.WithContext(ctx)
		}
		library.ServeHTTP(w, r)
	})
}

// lastAnswer is how long the library may take to answer a poll of a connection that
// is closed.
const lastAnswer = time.Second

// outlive calls cancel when the connection has been closed for that long. The
// function that it returns ends that.
//
// The library forgets a poll that comes while the client says goodbye in another
// request (transports/polling.go, OnClose and onPollRequest), drops an answer that it
// gives to its queue as that is closed (pkg/queue, Enqueue), and gives a poll that
// comes as its client has changed to a websocket to a method that does nothing
// (server.go:91, transports/transport.go:157): it would wait as long as the client
// holds its connection.
func outlive(conn engine.Socket, cancel func()) (stop func()) {
	closed := func(...any) { time.AfterFunc(lastAnswer, cancel) }
	_ = conn.Once("close", closed)
	if conn.ReadyState() == "closed" { // before there was a listener
		closed()
	}
	return func() { conn.RemoveListener("close", closed) }
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
