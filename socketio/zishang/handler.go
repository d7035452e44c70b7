package zishang

import (
	"bufio"
	"net"
	"net/http"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// Handler returns the handler of a server's endpoint, "/socket.io/" by default. It
// is that of the server's ServeHandler(nil), but a connection over a websocket
// takes 10 KB less: the library keeps the response to its first request, and with
// that the buffers of net/http.
func Handler(io *socket.Server) http.Handler {
	library := io.ServeHandler(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w = &response{ResponseWriter: w}
		}
		library.ServeHTTP(w, r)
	})
}

// response lets go of net/http's when that has given the connection away.
type response struct{ http.ResponseWriter }

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.ResponseWriter = hijacked{}
	}
	return conn, buffers, err
}

// hijacked is a response that there is no more.
type hijacked struct{}

func (hijacked) Header() http.Header       { return make(http.Header) }
func (hijacked) Write([]byte) (int, error) { return 0, http.ErrHijacked }
func (hijacked) WriteHeader(int)           {}
