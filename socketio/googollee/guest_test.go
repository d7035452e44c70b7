package googollee_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// TestGuestSentBefore: what a client sent as a guest is handled as a guest's, also if
// the client has authenticated before the server comes to it.
func TestGuestSentBefore(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	s := serve(t, nil, func(s *server) {
		s.OnGuestEvent("hold", func(*googollee.Conn) {
			close(busy)
			<-release
		})
		s.OnGuestEvent("hello", func(c *googollee.Conn) string { return subject(c) })
	}, socketio.Optional())
	ws := dial(t, s.client())
	ws.read("40")
	ws.write(`42["hold"]`, `421["say","too early"]`, `422["hello"]`)
	<-busy
	ws.write(`42["authenticate",{"token":"good.alice"}]`)
	ws.read(`42["authenticated"]`)
	s.want("hello alice")
	close(release)
	ws.read(`432["alice"]`)
	ws.write(`423["say","now"]`)
	ws.read(`433["heard"]`)
	s.want("alice says now")
}

// TestConnectsBeforeItsHandlerFails: a client 3.x or 4.x whose OnAuthenticated fails at
// once connects first and is then disconnected, as one whose handler takes its time.
func TestConnectsBeforeItsHandlerFails(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(*googollee.Conn, *socketio.Session) error { panic("at once") })
		s.OnDisconnect(func(*googollee.Conn, string) {})
	}, socketio.ByHandshake())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				ws := dial(t, &rawclient.Session{URL: s.URL, EIO: "4"})
				ws.write(`40{"token":"good.alice"}`)
				if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, `40{"sid":`) {
					t.Errorf("got %s, %v, expected that the client connects", p, err)
				}
				ws.Websocket.Close()
			}
		})
	}
	wg.Wait()
}
