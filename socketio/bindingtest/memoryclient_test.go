package bindingtest

import (
	"encoding/json"
	"errors"
	"io"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// memoryClient is a client of a memory binding.
type memoryClient struct {
	server   *memory
	socket   *memorySocket
	heard    []Event
	acks     []func()
	vanished bool
}

// hear has the client hear an event. The caller holds mu.
func (c *memoryClient) hear(name string, args ...any) {
	e := Event{Name: name}
	for _, a := range args {
		data, _ := json.Marshal(a)
		e.Args = append(e.Args, data)
	}
	if !c.vanished {
		c.heard = append(c.heard, e)
	}
}

// wants notes that the event heard last asks for an acknowledgement, if it is
// "unauthorized". The caller holds mu.
func (c *memoryClient) wants(event string, ack func(), asks bool) {
	if n := len(c.heard); event != socketio.EventUnauthorized || !asks || n == 0 {
		return
	} else {
		c.heard[n-1].WantsAck = true
	}
	c.acks = append(c.acks, ack)
}

func (c *memoryClient) Enter(token string) {
	h := &verifier.Handshake{Namespace: "/"}
	if token != "" {
		h.Auth = map[string]any{"token": token}
	}
	m := c.server
	pass, err := m.admit(h)
	s := &memorySocket{server: m, client: c, ready: make(chan struct{})}
	m.mu.Lock()
	if err != nil {
		u := verifier.AsUnauthorized(err)
		told := map[string]any{"message": u.Message, "data": u}
		if m.is("a refusal has no data") {
			delete(told, "data")
		}
		c.hear("connect_error", told)
		m.mu.Unlock()
		return
	}
	if pass == nil {
		s.told, s.open = true, m.is("everybody is admitted")
		c.hear("connect")
	}
	if m.is("rooms of a former stay") && c.socket != nil {
		s.rooms = c.socket.rooms
	}
	c.socket = s
	m.sockets = append(m.sockets, s)
	m.mu.Unlock()
	s.guard = m.auth.Attach(s, h, pass)
	close(s.ready)
}

func (c *memoryClient) Leave() {
	s := c.socket
	c.server.mu.Lock()
	s.closed = true
	c.server.mu.Unlock()
	if !c.server.is("the guard is not told") {
		s.guard.Closed()
	}
}

func (c *memoryClient) Vanish() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.vanished = true
}

func (c *memoryClient) Emit(ack bool, event string, args ...any) error {
	s, m := c.socket, c.server
	switch {
	case ack && m.is("the client cannot ask"):
		return errors.ErrUnsupported
	case s == nil || c.vanished:
	case event == socketio.EventAuthenticate:
		c.authenticate(args[0])
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		handle := func() { s.inTurn(func() { s.handle(event, args[0].(string), ack) }) }
		switch {
		case m.is("acknowledges what nobody handles"), m.is("acknowledges after the end") && s.open, m.is("events after the end") && s.open, m.is("events before authentication"):
			handle()
		case !s.open && m.is("events wait for authentication"):
			s.early = append(s.early, handle)
		case s.open && !s.closed:
			handle()
		}
	}
	return nil
}

func (c *memoryClient) authenticate(data any) {
	s, m := c.socket, c.server
	m.mu.Lock()
	session, refused := s.session, len(c.acks) > 0
	m.mu.Unlock()
	switch {
	case m.is("a renewal is dropped") && session != nil:
		return
	case m.is("one attempt is all") && refused:
		return
	case m.is("a renewal begins a session") && session != nil:
		defer func() { _ = m.app.Authenticated(memoryConn{s}, session) }()
	}
	s.guard.Authenticate(data)
}

// inTurn calls a function behind those before it. The caller holds mu.
func (s *memorySocket) inTurn(f func()) {
	before, done := s.last, make(chan struct{})
	s.last = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		f()
	}()
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
		time.Sleep(10 * time.Millisecond)
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
