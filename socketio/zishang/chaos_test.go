package zishang

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestChaos: clients without manners on websockets, while the server broadcasts
// and ends sessions. Nothing passes between the application and clients that have not
// authenticated, and every socket that began ends once.
func TestChaos(t *testing.T) {
	const connections = 400
	var begun, ended, uninvited atomic.Int64
	registry := socketio.NewRegistry(nil)
	var server *socket.Server
	web := serve(t, nil, func(io *Server) {
		server = io.IO()
		for _, name := range []string{"/", "/admin"} {
			n := guard(t, io, name, byName(), socketio.ByEvent(), socketio.WithRegistry(registry))
			OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
				begun.Add(1)
				_ = s.Once("disconnect", func(...any) { ended.Add(1) })
				s.Join("room")
				_ = s.Emit("secret", "hello")
				_ = s.On("message", func(...any) {
					if SessionOf(s) != session {
						uninvited.Add(1)
					}
				})
				if rand.N(8) != 0 {
					return nil
				}
				return errBadToken
			})
			_ = n.On("connection", func(args ...any) {
				if SessionOf(args[0].(*socket.Socket)) == nil {
					uninvited.Add(1)
				}
			})
		}
	})
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() { shout(server, registry, stop) })
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	var clients sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range connections {
		slots <- struct{}{}
		clients.Go(func() {
			defer func() { <-slots }()
			misbehave(t, url, i)
		})
	}
	clients.Wait()
	close(stop)
	noise.Wait()
	// A session may end before the application hears of it, and a handler begin late.
	eventually(t, func() (bool, string) {
		left := registry.Count(socketio.Filter{})
		return left == 0 && begun.Load() == ended.Load(),
			fmt.Sprintf("%d sessions are left, and %d of %d sockets have ended", left, ended.Load(), begun.Load())
	})
	if n := uninvited.Load(); n != 0 {
		t.Errorf("%d times a handler ran for a client without a session", n)
	}
	if begun.Load() == 0 {
		t.Error("nobody got in")
	}
}

// shout broadcasts, and ends some sessions.
func shout(server *socket.Server, registry *socketio.Registry, stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		_ = server.Emit("secret", i)
		_ = server.Of("/admin", nil).To("room").Emit("secret", []byte("attachment"))
		for s := range registry.Sessions(socketio.Filter{}) {
			if rand.N(10) == 0 {
				s.End(errBadToken)
			}
		}
	}
}

// misbehave is one client, which sends packets at random.
func misbehave(t *testing.T, url string, i int) {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		listens(t, conn, i)
	}()
	for range 12 {
		nsp := []string{"", "/admin,"}[r.IntN(2)]
		authenticate := "42" + nsp + fmt.Sprintf(`["authenticate",{"token":"user%d"}]`, i)
		packet := []string{
			"40" + nsp, "40" + nsp, "41" + nsp,
			"42" + nsp + `["message",1]`, "42" + nsp + `7["message"]`,
			"42" + nsp + `["authenticate",{"token":"bad"}]`, authenticate, authenticate,
			"43" + nsp + "0[]", "451-" + nsp + `["message",{"_placeholder":true,"num":0}]`,
			"3", "2probe",
		}[r.IntN(12)]
		if conn.WriteMessage(websocket.TextMessage, []byte(packet)) != nil {
			break
		}
		if strings.HasPrefix(packet, "451-") && conn.WriteMessage(websocket.BinaryMessage, []byte{1}) != nil {
			break
		}
		if r.IntN(3) == 0 {
			<-time.After(time.Duration(r.IntN(3)) * time.Millisecond)
		}
	}
	if r.IntN(2) == 0 { // otherwise at once
		<-time.After(5 * time.Millisecond)
	}
	conn.Close()
	<-reading
}

// listens checks what the client is told, until its connection ends.
func listens(t *testing.T, conn *websocket.Conn, i int) {
	authenticated, attachments := map[string]bool{}, 0
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.BinaryMessage {
			if attachments--; attachments < 0 {
				t.Errorf("connection %d was sent an attachment of nothing", i)
			}
			continue
		}
		packet, name := string(data), ""
		if attachments > 0 {
			t.Errorf("connection %d was sent %s before an attachment", i, packet)
		}
		if strings.HasPrefix(packet, "451-") {
			attachments = 1
		}
		if strings.Contains(packet, "/admin") {
			name = "/admin"
		}
		switch {
		case strings.Contains(packet, `["authenticated"]`):
			authenticated[name] = true
		case strings.HasPrefix(packet, "41"):
			authenticated[name] = false
		case strings.Contains(packet, `"secret"`) && !authenticated[name]:
			t.Errorf("connection %d was told %s", i, packet)
		}
	}
}
