package bindingtest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// memory is the smallest binding: without a network, with clients in the same process.
// Its fault, if any, is what the tests of the tests break.
type memory struct {
	app   *App
	auth  *socketio.Authorizer
	fault string

	mu      sync.Mutex // guards the rest, and the sockets and clients
	sockets []*memorySocket
}

// memorySocket is a socket for the guard and, as memoryConn, for the application.
type memorySocket struct {
	server  *memory
	client  *memoryClient
	guard   *socketio.Guard
	ready   chan struct{} // closed when guard is set
	session *socketio.Session
	open    bool
	closed  bool
	rooms   []string
	last    chan struct{} // closed when the last event so far has been handled
}

type memoryClient struct {
	server *memory
	socket *memorySocket
	heard  []Event
	acks   []func()
}

func newMemory(t testing.TB, app *App, fault string) *memory {
	options := app.Options
	a, err := socketio.New(app.Auth, options...)
	if err != nil {
		t.Fatal(err)
	}
	return &memory{app: app, auth: a, fault: fault}
}

func (m *memory) Connect(token string) Client {
	c := &memoryClient{server: m}
	c.Enter(token)
	return c
}

func (m *memory) Broadcast(room, event string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sockets {
		if room == "" || slices.Contains(s.rooms, room) {
			s.emit(event, args...)
		}
	}
}

// hear has the client hear an event. The caller holds mu.
func (c *memoryClient) hear(name string, args ...any) {
	e := Event{Name: name}
	for _, a := range args {
		data, _ := json.Marshal(a)
		e.Args = append(e.Args, data)
	}
	c.heard = append(c.heard, e)
}

// emit is for the application. The caller holds mu.
func (s *memorySocket) emit(event string, args ...any) {
	f := s.server.fault
	if s.open && !s.closed || f == "emits before authentication" && !s.closed || f == "emits after the end" || f == "a former stay emits" && s.client.socket != s {
		s.client.hear(event, args...)
	}
}

func (s *memorySocket) ID() string { return "id" }

func (s *memorySocket) Emit(event string, ack func(), args ...any) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.closed {
		return
	}
	if s.server.fault == "other words" && event == socketio.EventUnauthorized {
		args = []any{"rejected"}
	}
	s.client.hear(event, args...)
	if ack != nil && s.server.fault != "no acknowledgement" {
		s.client.acks = append(s.client.acks, ack)
	}
}

func (s *memorySocket) Open(event string) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if !s.open && event == "" {
		s.client.hear("connect")
	} else if event != "" {
		s.client.hear(event)
	}
	s.open = true
}

func (s *memorySocket) Authenticated(session *socketio.Session) error {
	<-s.ready
	s.server.mu.Lock()
	s.session = session
	s.server.mu.Unlock()
	return s.server.app.Authenticated(memoryConn{s}, session)
}

func (s *memorySocket) Close(_ error, event string, args ...any) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.closed {
		return
	}
	if event != "" {
		s.client.hear(event, args...)
	}
	s.client.hear("disconnect")
	if s.server.fault == "disconnects twice" {
		s.client.hear("disconnect")
	}
	s.closed = true
}

func (s *memorySocket) LeaveRoom(room string) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.fault != "rooms are kept" {
		s.rooms = slices.DeleteFunc(s.rooms, func(r string) bool { return r == room })
	}
}

type memoryConn struct{ s *memorySocket }

func (c memoryConn) Session() *socketio.Session {
	c.s.server.mu.Lock()
	defer c.s.server.mu.Unlock()
	return c.s.session
}

func (c memoryConn) Emit(event string, args ...any) {
	c.s.server.mu.Lock()
	defer c.s.server.mu.Unlock()
	c.s.emit(event, args...)
}

func (c memoryConn) Join(room string) error {
	enter := func() {
		c.s.server.mu.Lock()
		defer c.s.server.mu.Unlock()
		if !c.s.closed {
			c.s.rooms = append(c.s.rooms, room)
		}
	}
	if c.s.server.fault == "no rules for rooms" {
		enter()
		return nil
	}
	err := c.s.guard.Join(context.Background(), room, "", enter)
	if err != nil {
		c.s.guard.JoinRefused(room, err)
	}
	return err
}

func (c *memoryClient) Enter(token string) {
	h := &verifier.Handshake{Namespace: "/"}
	if token != "" {
		h.Auth = map[string]any{"token": token}
	}
	m := c.server
	pass, err := m.auth.Admit(context.Background(), h)
	s := &memorySocket{server: m, client: c, ready: make(chan struct{})}
	m.mu.Lock()
	if err != nil && m.fault != "everybody is admitted" {
		u := verifier.AsUnauthorized(err)
		c.hear("connect_error", map[string]any{"message": u.Message, "data": u})
		m.mu.Unlock()
		return
	}
	if pass == nil {
		s.open = m.fault == "everybody is admitted"
		c.hear("connect")
	}
	c.socket = s
	m.sockets = append(m.sockets, s)
	m.mu.Unlock()
	s.guard = m.auth.Attach(greeted{s, pass == nil}, h, pass)
	close(s.ready)
}

// greeted does not tell a guest twice that it is connected.
type greeted struct {
	*memorySocket
	connected bool
}

func (s greeted) Open(event string) {
	if event != "" || !s.connected {
		s.memorySocket.Open(event)
		return
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.open = true
}

func (c *memoryClient) Leave() {
	s := c.socket
	c.server.mu.Lock()
	s.closed = true
	c.server.mu.Unlock()
	if c.server.fault != "the guard is not told" {
		s.guard.Closed()
	}
}

func (c *memoryClient) Emit(ack bool, event string, args ...any) error {
	s := c.socket
	switch {
	case ack:
		return errors.ErrUnsupported
	case s == nil:
	case event == socketio.EventAuthenticate:
		s.guard.Authenticate(args[0])
	default:
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		if s.closed && c.server.fault != "events after the end" || !s.open && c.server.fault != "events before authentication" {
			return nil
		}
		before, done := s.last, make(chan struct{})
		s.last = done
		go func() {
			defer close(done)
			if before != nil {
				<-before
			}
			s.handle(event, args[0].(string))
		}()
	}
	return nil
}

// handle has the application handle an event.
func (s *memorySocket) handle(event, arg string) {
	f := s.server.fault
	session := s.guard.Session()
	guest := slices.Contains(s.server.app.GuestEvents, event) || f == "guests are users"
	switch {
	case f == "events before authentication", f == "events after the end":
	case session == nil && !guest, session != nil && f != "events before the handler" && !session.Wait():
		return
	case f != "no rules for events" && !s.guard.Permit(event, nil):
		return
	}
	s.server.app.Event(memoryConn{s}, event, arg)
}

func (c *memoryClient) Acknowledge() {
	synctest.Wait()
	c.server.mu.Lock()
	var ack func()
	if len(c.acks) > 0 {
		ack, c.acks = c.acks[0], c.acks[1:]
	}
	c.server.mu.Unlock()
	if ack != nil {
		ack()
	}
}

func (c *memoryClient) Next() (Event, error) {
	for range 1000 {
		synctest.Wait()
		c.server.mu.Lock()
		if len(c.heard) > 0 {
			e := c.heard[0]
			c.heard = c.heard[1:]
			c.server.mu.Unlock()
			return e, nil
		}
		c.server.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	return Event{}, io.EOF
}

func (c *memoryClient) Rest() []Event {
	synctest.Wait()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	rest := c.heard
	c.heard = nil
	return rest
}
