package interop

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestZishangEndIsHeard: a client 2.x that talks without a pause, and is slow to
// listen, hears that its session has ended. A connection that is closed while it
// talks is reset, and what it has yet to read is lost.
func TestZishangEndIsHeard(t *testing.T) {
	heard := make(chan *socketio.Session, 1) // from a session, for the first time
	url := serveZishang(t, func(s *zishang.Server) {
		n, err := s.Authorize("/", policy{}.authenticator(t))
		if err != nil {
			t.Fatal(err)
		}
		zishang.OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
			var once sync.Once
			return s.On("say", func(...any) { once.Do(func() { heard <- session }) })
		})
	})
	for range 20 {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=3&transport=websocket&token="+alice, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(jsclient.Deadline))
		for _, prefix := range []string{"0", "40"} { // before the latter it has nothing to say
			if _, b, err := c.ReadMessage(); err != nil || !strings.HasPrefix(string(b), prefix) {
				t.Fatalf("got %s, %v, want %s", b, err, prefix)
			}
		}
		var talking sync.WaitGroup
		talking.Go(func() {
			for c.WriteMessage(websocket.TextMessage, []byte(`42["say"]`)) == nil {
			}
			_ = c.Close() // as Node does when it cannot write, whatever there is to read
		})
		var session *socketio.Session
		select {
		case session = <-heard:
		case <-time.After(jsclient.Deadline):
			t.Fatal("nothing of it is heard")
		}
		session.End(&verifier.UnauthorizedError{Code: "over", Message: "it is over", Reason: "over"})
		time.Sleep(5 * time.Millisecond) // the slowness
		var all []string
		for len(all) == 0 || all[len(all)-1] != "41" {
			_, b, err := c.ReadMessage()
			if err != nil {
				t.Fatalf("%v, after %s", err, all)
			}
			all = append(all, strings.TrimSpace(string(b)))
		}
		if told := all[len(all)-2]; !strings.HasPrefix(told, `421073741824["unauthorized",{"message":"it is over"`) {
			t.Errorf("the client is told %s", all)
		}
		_ = c.Close()
		talking.Wait()
	}
}

// TestZishangForgets: of connections that are gone nothing is kept. The library by
// itself keeps their ids, while one that came before them stays.
func TestZishangForgets(t *testing.T) {
	url := zishangStormServer(t)
	stays, err := rawConnect(url, authPayload(alice))
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	refused := func(n int) int64 {
		for range n {
			c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(jsclient.Deadline))
			_ = c.WriteMessage(websocket.TextMessage, []byte(`40{"token":"a.b"}`))
			for {
				_, text, err := c.ReadMessage()
				if err != nil || strings.HasPrefix(string(text), "40") {
					t.Fatalf("got %s, %v, want a refusal", text, err)
				}
				if strings.HasPrefix(string(text), "44") {
					break
				}
			}
			_ = c.Close()
		}
		return inUse()
	}
	// What is kept grows each time; what the process happens to hold does not.
	const n = 2000
	var grown int64
	before := refused(500)
	for range 4 {
		now := refused(n)
		if grown = now - before; grown <= 40*n {
			return
		}
		before = now
	}
	t.Errorf("%d bytes are kept of each", grown/n)
}
