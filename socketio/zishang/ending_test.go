package zishang

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestEndAmidEvents: when a session ends while its client is sending, the client
// is told, and keeps its other namespaces. The library by itself closes the
// connection if it meets an event of a socket that has just been disconnected.
func TestEndAmidEvents(t *testing.T) {
	heard := make(chan *socketio.Session, 1) // from a session, for the first time
	web := serve(t, nil, func(io *socket.Server) {
		io.Use(authorize(t))
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("still there?", func(...any) { _ = s.Emit("yes") })
		})
		admin := io.Of("/admin", nil)
		admin.Use(authorize(t))
		OnAuthenticated(admin, func(s *socket.Socket, session *socketio.Session) error {
			var once sync.Once
			return s.On("say", func(...any) { once.Do(func() { heard <- session }) })
		})
	})
	const auth = `{"token":"alice"}`
	for name, event := range map[string][]string{
		"text":       {`42/admin,["say"]`},
		"attachment": {`451-/admin,["say",{"_placeholder":true,"num":0}]`, "bAAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			events := slices.Repeat(event, 300)
			for range 100 {
				c := dial(t, web)
				c.send("40" + auth)
				c.connected("/")
				c.send("40/admin," + auth)
				c.connected("/admin")
				var sending sync.WaitGroup
				sending.Go(func() { c.send(events...) })
				(<-heard).End(errBadToken)
				if got := c.next(); !strings.HasPrefix(got, `42/admin,["unauthorized"`) {
					t.Fatalf("got %s", got)
				}
				c.expect("41/admin,")
				sending.Wait()
				c.send(`42["still there?"]`)
				c.expect(`42["yes"]`)
				c.send("1")
			}
		})
	}
}
