package bindingtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/bindingtest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// This is a binding to a library that knows websockets and nothing else, for authors of
// bindings to read: its server and connections here, its sockets in
// websocket_socket_test.go. It lacks what protects a server: timeouts, pings, and limits
// of what a client sends and does not read.

// TestWebsocket: the binding keeps the contract.
func TestWebsocket(t *testing.T) {
	bindingtest.Run(t, bindingtest.Binding{Start: func(t testing.TB, app *bindingtest.App) bindingtest.Server {
		auth, err := socketio.New(app.Auth, app.Options...)
		if err != nil {
			t.Fatal(err)
		}
		s := &wsServer{t: t, app: app, auth: auth}
		web := httptest.NewServer(s)
		s.url = web.URL
		t.Cleanup(func() {
			web.Close()
			s.serving.Wait()
		})
		return s
	}})
}

// wsServer is a server of one namespace.
type wsServer struct {
	t       testing.TB
	url     string
	app     *bindingtest.App
	auth    *socketio.Authorizer
	serving sync.WaitGroup

	mu      sync.Mutex // guards the rest, and connections and sockets
	sockets []*wsSocket
	count   int
}

func (s *wsServer) Connect(token string) bindingtest.Client {
	return bindingtest.Dial(s.t, s.url, token)
}

func (s *wsServer) Broadcast(room, event string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, socket := range s.sockets {
		if room == "" || slices.Contains(socket.rooms, room) {
			socket.emit(event, args)
		}
	}
}

// wsConn is a connection.
type wsConn struct {
	server  *wsServer
	request *http.Request
	out     chan string
	heard   chan struct{} // closed at the next packet, if Alive waits for one
	over    bool
	socket  *wsSocket // of the present stay, nil between two
}

func (s *wsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serving.Add(1)
	defer s.serving.Done()
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &wsConn{server: s, request: r, out: make(chan string, 999)}
	go func() {
		for p := range c.out {
			_ = ws.WriteMessage(websocket.TextMessage, []byte(p))
		}
		_ = ws.Close()
	}()
	s.mu.Lock()
	c.send(`0{"sid":"1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
	s.mu.Unlock()
	for {
		_, p, err := ws.ReadMessage()
		if err != nil {
			break
		}
		c.packet(string(p))
	}
	c.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	c.over = true
	close(c.out)
}

// send sends a packet. It does not wait: the methods of a Socket must not. The caller holds
// mu, as in every function of which this is said, so that the packets keep their order.
func (c *wsConn) send(packet string) {
	if !c.over {
		c.out <- packet // a real server ends a connection that does not keep up
	}
}

// packet handles what the client has sent.
func (c *wsConn) packet(p string) {
	s := c.server
	s.mu.Lock()
	if c.heard != nil {
		close(c.heard)
		c.heard = nil
	}
	socket := c.socket
	if strings.HasPrefix(p, "40/") {
		nsp, _, _ := strings.Cut(p[2:], ",")
		c.send("44" + nsp + `,{"message":"Invalid namespace"}`)
	}
	s.mu.Unlock()
	switch {
	case strings.HasPrefix(p, "40/"):
	case strings.HasPrefix(p, "40") && socket == nil:
		c.enter(p[2:])
	case socket == nil:
	case p == "41":
		c.leave()
	case strings.HasPrefix(p, "42"):
		socket.event(p[2:])
	case strings.HasPrefix(p, "43"):
		socket.acknowledged(p[2:])
	}
}

// enter begins a stay of the client in the namespace.
func (c *wsConn) enter(payload string) {
	s := c.server
	h := verifier.HandshakeFromRequest(c.request)
	if payload != "" && json.Unmarshal([]byte(payload), &h.Auth) != nil {
		h.Auth = &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "jwt malformed", Reason: verifier.ErrTokenMalformed}
	}
	pass, err := s.auth.Admit(c.request.Context(), h)
	s.mu.Lock()
	if err != nil {
		c.refuse(err)
		s.mu.Unlock()
		return
	}
	s.count++
	socket := &wsSocket{conn: c, id: fmt.Sprint("socket-", s.count), ready: make(chan struct{}), acks: make(map[int]func())}
	c.socket = socket
	s.sockets = append(s.sockets, socket)
	if pass == nil { // a guest, or by event: it connects and then authenticates
		socket.connect()
	}
	s.mu.Unlock()
	socket.guard = s.auth.Attach(socket, h, pass) // calls Open if there is a pass, or for a guest
	close(socket.ready)
}

// refuse answers a CONNECT packet. The caller holds mu.
func (c *wsConn) refuse(err error) {
	u := verifier.AsUnauthorized(err)
	data, _ := json.Marshal(map[string]any{"message": u.Message, "data": u})
	c.send("44" + string(data))
}

// leave ends the stay because the client has left, or its connection is gone.
func (c *wsConn) leave() {
	c.server.mu.Lock()
	socket := c.socket
	if socket != nil {
		socket.end()
	}
	c.server.mu.Unlock()
	if socket != nil {
		socket.guard.Closed()
	}
}
