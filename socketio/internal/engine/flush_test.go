package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// crowd is a server on the network of the operating system, with open websockets in the
// root. Writes to them can be tried without waiting, which those of a world cannot.
type crowd struct {
	server *Server
	web    *httptest.Server
	conns  []*websocket.Conn
	stays  []*Stay
	ended  chan string // why sessions ended

	packet  func(st *Stay, p *Packet)
	take    func(st *Stay, p *Packet) bool
	entered chan *Stay
}

func (c *crowd) Decide(context.Context, *Arrival) Verdict    { return Admit(Open, nil) }
func (c *crowd) Authenticate(*Stay, []json.RawMessage, bool) {}
func (c *crowd) Left(*Stay, string)                          {}
func (c *crowd) Done(*Stay, string)                          {}
func (c *crowd) Closed(_ *Session, reason string)            { c.ended <- reason }
func (c *crowd) Admitted(st *Stay)                           { st.Accept("", ""); c.entered <- st }
func (c *crowd) Packet(st *Stay, p *Packet) {
	if c.packet != nil {
		c.packet(st, p)
	}
}

func (c *crowd) Take(st *Stay, p *Packet) bool { return c.take != nil && c.take(st, p) }

func newCrowd(t testing.TB, n int, config Config) *crowd {
	t.Helper()
	return newCrowdOver(t, false, n, config)
}

// newCrowdOver is newCrowd with or without TLS, over which nothing is written directly.
func newCrowdOver(t testing.TB, secure bool, n int, config Config) *crowd {
	t.Helper()
	c := &crowd{ended: make(chan string, n+1), entered: make(chan *Stay, 1)}
	var err error
	config.PingInterval = time.Hour // no test waits for it
	if config.WriteTimeout == 0 {
		config.WriteTimeout = time.Minute // the machine may be busy
	}
	if c.server, err = New(config, c); err != nil {
		t.Fatal(err)
	}
	c.web = httptest.NewUnstartedServer(c.server)
	c.web.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			if over, ok := conn.(*tls.Conn); ok {
				conn = over.NetConn()
			}
			_ = conn.(*net.TCPConn).SetWriteBuffer(kernelBuffer)
		}
	}
	if secure {
		c.web.StartTLS()
	} else {
		c.web.Start()
	}
	t.Cleanup(c.close)
	dialer := websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(kernelBuffer)
		}
		return conn, err
	}, TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	if secure {
		dialer.TLSClientConfig.RootCAs.AddCert(c.web.Certificate())
	}
	for range n {
		conn, response, err := dialer.Dial(strings.Replace(c.web.URL, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		c.conns = append(c.conns, conn)
		if err := conn.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
			t.Fatal(err)
		}
		for _, begin := range []string{"0{", "40{"} { // OPEN and the answer to CONNECT
			if _, b, err := conn.ReadMessage(); err != nil || !bytes.HasPrefix(b, []byte(begin)) {
				t.Fatalf("got %q, %v: expected %s", b, err, begin)
			}
		}
		c.stays = append(c.stays, <-c.entered)
	}
	return c
}

// kernelBuffer is the size of the buffers at both ends, which are larger otherwise. The
// kernel takes more.
const kernelBuffer = 64 << 10

func (c *crowd) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
	_ = c.server.Shutdown(context.Background(), nil)
	c.web.Close()
}

// texts are what the tests send: of each length that a frame's header has a form for, and
// longer than what is written directly.
func texts() []string {
	var all []string
	for i, n := range []int{1, 60, 118, 119, 120, 121, 1000, 5000, 1, 70_000, 2} {
		all = append(all, fmt.Sprintf("%d%s", i, strings.Repeat("x", n)))
	}
	return all
}

func event(text string) *Event { return NewEvent(root, []byte(`["e","`+text+`"]`), nil) }

// TestFlush: everything arrives once, in order, whatever it is written with.
func TestFlush(t *testing.T) {
	for _, kind := range []struct {
		secure   bool
		compress int
	}{{false, 0}, {false, 500}, {true, 0}, {true, 500}} {
		c := newCrowdOver(t, kind.secure, 20, Config{CompressFrom: kind.compress})
		binary := NewEvent(root, []byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{[]byte("attached")})
		var readers sync.WaitGroup
		for _, conn := range c.conns {
			readers.Go(func() {
				for range 5 {
					readTexts(t, conn)
				}
			})
		}
		for range 5 {
			for _, text := range texts() {
				e := event(text)
				for _, st := range c.stays {
					st.Send(e, nil)
				}
			}
			for _, st := range c.stays {
				st.Send(binary, nil)
			}
		}
		readers.Wait()
	}
}

// readTexts reads the texts, and the attachment behind them.
func readTexts(t *testing.T, conn *websocket.Conn) {
	for _, text := range texts() {
		if kind, b, err := conn.ReadMessage(); err != nil || kind != websocket.TextMessage || string(b) != `42["e","`+text+`"]` {
			t.Errorf("got %.20q (%d bytes, type %d), %v: expected %.20q", b, len(b), kind, err, text)
			return
		}
	}
	_, text, _ := conn.ReadMessage()
	kind, b, err := conn.ReadMessage()
	if err != nil || kind != websocket.BinaryMessage || string(b) != "attached" || string(text) != `451-["e",{"_placeholder":true,"num":0}]` {
		t.Errorf("got %q, %q (type %d), %v: expected the attachment", text, b, kind, err)
	}
}

// TestFlushSlowClient: a client that stops reading delays no other, and gets everything
// when it goes on, answers to its pings included.
func TestFlushSlowClient(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { slowClient(t, newCrowdOver(t, secure, 2, Config{MaxOutbound: 64 << 20})) })
	}
}

func slowClient(t *testing.T, c *crowd) {
	slow, other := c.stays[0], c.stays[1]
	big := event(strings.Repeat("x", 10_000))
	n := 0
	for ; !stuck(slow.session); n++ { // the buffers of both ends are smaller
		slow.Send(big, nil)
	}
	other.Send(event("hello"), nil)
	if _, b, err := c.conns[1].ReadMessage(); err != nil || string(b) != `42["e","hello"]` {
		t.Fatalf("the other client got %q, %v", b, err)
	}
	pong := make(chan string, 1)
	c.conns[0].SetPongHandler(func(data string) error { pong <- data; return nil })
	if err := c.conns[0].WriteControl(websocket.PingMessage, []byte("still there?"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	slow.Send(event("last"), nil)
	for range n {
		if _, b, err := c.conns[0].ReadMessage(); err != nil || len(b) != 10_010 {
			t.Fatalf("got %d bytes, %v", len(b), err)
		}
	}
	if _, b, err := c.conns[0].ReadMessage(); err != nil || string(b) != `42["e","last"]` {
		t.Fatalf("the slow client got %q, %v", b, err)
	}
	slow.Send(event("again"), nil) // past the deadline of the write that waited, directly
	if _, b, err := c.conns[0].ReadMessage(); err != nil || string(b) != `42["e","again"]` {
		t.Fatalf("the slow client got %q, %v", b, err)
	}
	if data := <-pong; data != "still there?" {
		t.Errorf("the ping was answered %q", data)
	}
}

// TestFlushDone: nothing is being written to a client that has read everything, so that it
// can be asked for a sign of life.
func TestFlushDone(t *testing.T) {
	c := newCrowd(t, 1, Config{})
	s, e := c.stays[0].session, event("hello")
	for range 5000 {
		c.stays[0].Send(e, nil)
		if _, _, err := c.conns[0].ReadMessage(); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		writing := s.writingLocked()
		s.mu.Unlock()
		if writing {
			t.Fatal("something is being written to a client that has read everything")
		}
	}
}

// TestFlushBusy: a write that waits for a client, such as an answer to its ping, delays no
// other client.
func TestFlushBusy(t *testing.T) {
	c := newCrowd(t, 2, Config{})
	out := c.stays[0].session.link.ws.out
	out.mu.Lock() // as a write that waits does
	e := event("hello")
	for _, st := range c.stays {
		st.Send(e, nil)
	}
	if _, b, err := c.conns[1].ReadMessage(); err != nil || string(b) != `42["e","hello"]` {
		t.Errorf("the other client got %q, %v", b, err)
	}
	out.mu.Unlock()
	c.stays[0].Send(event("last"), nil)
	for _, want := range []string{`42["e","hello"]`, `42["e","last"]`} {
		if _, b, err := c.conns[0].ReadMessage(); err != nil || string(b) != want {
			t.Errorf("got %q, %v: expected %s", b, err, want)
		}
	}
}

// stuck reports whether the client of a session has left much untaken.
func stuck(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.bytes > 2<<20
}

// TestFlushDeadline: a client that takes nothing loses its connection after WriteTimeout,
// one that was slow once does not.
func TestFlushDeadline(t *testing.T) {
	c := newCrowd(t, 1, Config{MaxOutbound: 64 << 20, WriteTimeout: 100 * time.Millisecond})
	big := event(strings.Repeat("x", 10_000))
	for !stuck(c.stays[0].session) {
		c.stays[0].Send(big, nil)
	}
	if reason := <-c.ended; reason != reasonTransport {
		t.Errorf("it ended for %q", reason)
	}
}

// TestFlushHeld: what is held while a write waits stays behind it, and a deadline that has
// passed fails no later write.
func TestFlushHeld(t *testing.T) {
	conn, client := tcpPair(t)
	c := &corked{Conn: conn, direct: newDirectWriter(conn), free: true}
	var want bytes.Buffer
	write := func(text string) bool {
		want.WriteString(text)
		result, err := c.try([]byte(text))
		if err != nil || result == busy {
			t.Fatal(result, err)
		}
		return result == written
	}
	for n := 0; write(fmt.Sprintln(n, strings.Repeat("x", 10_000))); n++ {
	}
	if write("held") {
		t.Error("a write went before what is held")
	}
	read := func() {
		t.Helper()
		b := make([]byte, want.Len())
		if _, err := io.ReadFull(client, b); err != nil || !bytes.Equal(b, want.Bytes()) {
			t.Fatalf("the client got something else: %v", err)
		}
		want.Reset()
	}
	done := make(chan error)
	soon := time.Now().Add(10 * time.Second)
	go func() { done <- c.uncork(soon) }()
	read()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(-time.Second)) // of a write that need not wait
	if !write("direct") {
		t.Error("a direct write was held")
	}
	read()
}

// tcpPair returns the two ends of a connection.
func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

// TestFlushBlockingSocket: a direct write does not wait either if the application has made
// the socket one that blocks.
func TestFlushBlockingSocket(t *testing.T) {
	conn, client := tcpPair(t)
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	f.Fd() // the socket blocks from now on
	f.Close()
	c := &corked{Conn: conn, direct: newDirectWriter(conn), free: true}
	full := make(chan error, 1)
	go func() {
		for b := make([]byte, 10_000); ; {
			if result, err := c.try(b); err != nil || result != written {
				full <- err
				return
			}
		}
	}()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case err := <-full:
		if err != nil {
			t.Error(err)
		}
	case <-timer.C:
		t.Error("a direct write waits for the client")
		client.Close() // which ends it
		<-full
	}
}
