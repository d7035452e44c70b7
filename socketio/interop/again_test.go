package interop

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

// TestFaultsE1ConnectAgain: clients whose application connects again in its
// "disconnect" handler make one attempt in RefusalDelay, whether they are refused,
// by handshake or by event, or their session has expired.
func TestFaultsE1ConnectAgain(t *testing.T) {
	const delay, times = 300 * time.Millisecond, 5
	expired := mint(claims{"sub": "alice", "exp": 1})
	d := jsclient.Start(t)
	run := func(t *testing.T, serve func(*testing.T, policy, time.Duration) endpoint, version jsclient.Version) {
		for _, choice := range transportChoices {
			for name, options := range map[string]jsclient.Options{
				"by handshake": withQuery(expired),
				"by event":     atOnce(expired),
				"expires":      {},
			} {
				t.Run(choice.name+"/"+name, func(t *testing.T) {
					t.Parallel()
					if name == "expires" {
						options = withQuery(mint(claims{"sub": "alice", "exp": time.Now().Add(2 * time.Second).Unix()}))
					}
					p := byHandshake()
					if name == "by event" {
						p = byEvent(socketio.DisconnectNow())
					}
					s := serve(t, p, delay)
					var attempts atomic.Int64
					web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Query().Get("sid") == "" {
							attempts.Add(1)
						}
						s.ServeHTTP(w, r)
					}))
					t.Cleanup(func() {
						_ = s.Close()
						web.Close()
					})
					options.Version, options.URL, options.Transports, options.ConnectAgain = version, web.URL, choice.transports, true
					start := time.Now()
					c := d.Connect(t, options)
					time.Sleep(times * delay)
					c.Close(t)
					// The first comes at once, as does the first after a session that lasted.
					if n, d := attempts.Load(), time.Since(start); n > int64(d/delay)+2 {
						t.Errorf("%d attempts in %v", n, d)
					}
				})
			}
		}
	}
	for binding, serve := range map[string]func(*testing.T, policy, time.Duration) endpoint{
		"googollee": func(t *testing.T, p policy, delay time.Duration) endpoint {
			s, err := googollee.NewServer(&googollee.Options{RefusalDelay: delay})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Authorize("/", p.authenticator(t), p.options...); err != nil {
				t.Fatal(err)
			}
			return s
		},
		"zishang": func(t *testing.T, p policy, delay time.Duration) endpoint {
			o := socket.DefaultServerOptions()
			o.SetAllowEIO3(true)
			s := zishang.NewServer(o, zishang.RefusalDelay(delay))
			if _, err := s.Authorize("/", p.authenticator(t), p.options...); err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		for _, version := range []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V3, jsclient.V4} {
			t.Run(binding+"/"+string(version), func(t *testing.T) { run(t, serve, version) })
		}
	}
}

// endpoint is a server of either binding.
type endpoint interface {
	http.Handler
	Close() error
}
