package googollee_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestTransports: a transport that the server does not offer is refused in the
// protocol's words, in both protocols.
func TestTransports(t *testing.T) {
	for want, transports := range map[string][]string{
		"Transports is empty":           {},
		`Transports has "webtransport"`: {"webtransport", "polling"},
	} {
		if _, err := googollee.NewServer(&googollee.Options{Transports: transports}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %s", err, want)
		}
	}
	const unknown = `{"code":0,"message":"Transport unknown"}`
	for _, eio := range []string{"3", "4"} {
		t.Run("EIO "+eio, func(t *testing.T) {
			websocketOnly := serve(t, &googollee.Options{Transports: []string{"websocket"}}, nil)
			c := &rawclient.Session{URL: websocketOnly.URL, HTTP: websocketOnly.web, EIO: eio}
			r := request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
			if r.Status != http.StatusBadRequest || r.Body != unknown {
				t.Errorf("polling was answered %d %s", r.Status, r.Body)
			}
			if dial(t, c); c.SID == "" {
				t.Error("no session by websocket")
			}
			r = request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
			if r.Status != http.StatusBadRequest || r.Body != unknown {
				t.Errorf("polling within a session was answered %d %s", r.Status, r.Body)
			}

			pollingOnly := serve(t, &googollee.Options{Transports: []string{"polling"}}, nil)
			c = &rawclient.Session{URL: pollingOnly.URL, HTTP: pollingOnly.web, EIO: eio}
			r = request(t, func() (rawclient.Reply, error) { return c.Get(t.Context()) })
			if !strings.Contains(r.Body, `"upgrades":[]`) {
				t.Errorf("OPEN was %s", r.Body)
			}
			for _, c := range []*rawclient.Session{c, {URL: pollingOnly.URL, EIO: eio}} {
				if ws, res, err := c.Dial(t.Context()); err == nil || res.StatusCode != http.StatusBadRequest {
					t.Errorf("a websocket was answered %v", res)
					if err == nil {
						ws.Close()
					}
				}
			}
			_, _ = c.Post(t.Context(), "1")
		})
	}
}
