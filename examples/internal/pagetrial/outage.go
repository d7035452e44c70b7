package pagetrial

import (
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
)

// outage stops the server while somebody chats, and starts it again.
func outage(t *testing.T, p *browser.Page, s Site) {
	server := &machine{handler: s.Handler, address: "127.0.0.1:0", open: make(map[net.Conn]bool)}
	server.start(t)
	t.Cleanup(server.stop)
	q := p.Another(t, "http://"+server.address)
	login(t, q, "Ida")

	server.stop()
	status(t, q, "connection lost, coming back")
	logs(t, q, "The connection is lost. The page reconnects by itself.")
	if got := q.Eval(t, `String([$('login-card').hidden, $('token-card').hidden, $('text').disabled])`); got != "true,false,true" {
		t.Errorf("the login and the token are hidden, the chat is disabled: %s, want true,false,true", got)
	}
	server.start(t)
	status(t, q, "authenticated as Ida")
	logs(t, q, "You are back.")
	q.Wait(t, `!$('text').disabled`)

	server.stop()
	status(t, q, "connection lost, coming back")
	q.Eval(t, `$('logout').click()`)
	status(t, q, "not connected")
}

// machine is a server that can be stopped, and started again at its address.
type machine struct {
	handler http.Handler
	address string
	server  *http.Server
	serving sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool // which the server gave away: websockets
}

func (m *machine) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", m.address)
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	m.server = &http.Server{Handler: m.handler, ConnState: func(c net.Conn, state http.ConnState) {
		if state == http.StateHijacked {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.open[c] = true
		}
	}}
	server := m.server
	m.serving.Go(func() { _ = server.Serve(listener) }) // until it is stopped
}

func (m *machine) stop() {
	_ = m.server.Close()
	m.mu.Lock()
	for c := range m.open {
		_ = c.Close()
	}
	clear(m.open)
	m.mu.Unlock()
	m.serving.Wait()
}
