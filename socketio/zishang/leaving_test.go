package zishang

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestLeaving: every request that comes while a client closes its connection is answered,
// also a poll, which would otherwise stay as long as the client does.
func TestLeaving(t *testing.T) {
	web := serve(t, nil, func(io *Server) { guard(t, io, "/", byName(), socketio.ByEvent()) })
	transport := web.Client().Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost = 100
	for range 25 {
		var clients sync.WaitGroup
		for i := range 24 {
			c := dial(t, web)
			answered := func(request func() (*http.Response, error)) {
				clients.Go(func() {
					if response, err := request(); err == nil {
						_, _ = io.Copy(io.Discard, response.Body)
						_ = response.Body.Close()
					}
				})
			}
			get := func() (*http.Response, error) { return c.http.Get(c.url) }
			post := func(packets string) func() (*http.Response, error) {
				return func() (*http.Response, error) {
					return c.http.Post(c.url, "text/plain", strings.NewReader(packets))
				}
			}
			if i%2 == 0 {
				c.send("40")
				c.connected("/")
			}
			answered(get)
			answered(post([]string{"1", "41\x1e1", "41", "40\x1e1"}[i/2%4]))
			if i%3 == 0 {
				answered(get)
			}
			if i/2%4 == 2 {
				answered(post("1"))
			}
		}
		clients.Wait()
	}
}
