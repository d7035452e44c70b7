package bindingtest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// memory is the smallest binding: without a network, with clients in the same process.
// Its fault, if any, is what TestFaults looks for.
type memory struct {
	app   *App
	auth  *socketio.Authorizer
	fault string

	mu       sync.Mutex // guards the rest, and the sockets and clients
	sockets  []*memorySocket
	admitted map[any]bool // tokens, for a fault
}

// memorySocket is a socket for the guard and, as memoryConn, for the application.
type memorySocket struct {
	server  *memory
	client  *memoryClient
	guard   *socketio.Guard
	ready   chan struct{} // closed when guard is set
	session *socketio.Session
	told    bool // that it is connected
	open    bool
	closed  bool
	busy    bool // whether a handler runs
	rooms   []string
	early   []func()      // what came before it was open, for faults
	last    chan struct{} // closed when the last event so far has been handled
}

func newMemory(t testing.TB, app *App, fault string) *memory {
	a, err := socketio.New(app.Auth, app.Options...)
	if err != nil {
		t.Fatal(err)
	}
	return &memory{app: app, auth: a, fault: fault, admitted: make(map[any]bool)}
}

// is reports whether the binding has a fault.
func (m *memory) is(fault string) bool { return m.fault == fault }

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
			if m.is("guests hear no broadcast") && s.session == nil {
				continue
			}
			s.emit(event, args...)
		}
	}
}

// emit is for the application. The caller holds mu.
func (s *memorySocket) emit(event string, args ...any) {
	m := s.server
	if m.is("broadcasts wait for authentication") && !s.open {
		s.early = append(s.early, func() { s.client.hear(event, args...) })
	}
	if s.open && !s.closed || m.is("emits before authentication") && !s.closed || m.is("emits after the end") ||
		m.is("a former stay emits") && s.client.socket != s {
		s.client.hear(event, args...)
	}
}

func (s *memorySocket) ID() string { return "id" }

func (s *memorySocket) Emit(event string, ack func(), args ...any) {
	m := s.server
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.closed {
		return
	}
	if m.is("other words") && event == socketio.EventUnauthorized {
		args = []any{"rejected"}
	}
	s.client.hear(event, args...)
	if ack != nil && m.is("no acknowledgement reaches the guard") {
		ack = func() {}
	}
	if ack == nil && m.is("any acknowledgement disconnects") {
		ack = func() { s.Close(nil, "") }
	}
	s.client.wants(event, ack, !m.is("asks only where the guard waits") || ack != nil)
}

func (s *memorySocket) Open(event string) {
	m := s.server
	m.mu.Lock()
	defer m.mu.Unlock()
	if !s.told {
		s.client.hear("connect")
	}
	if event != "" {
		s.client.hear(event)
	}
	s.told, s.open = true, true
	for _, f := range s.early {
		f()
	}
}

func (s *memorySocket) Authenticated(session *socketio.Session) error {
	<-s.ready
	m := s.server
	m.mu.Lock()
	if !m.is("a guest remains a guest") || session == nil {
		s.session = session
	}
	m.mu.Unlock()
	if m.is("a session begins twice") {
		_ = m.app.Authenticated(memoryConn{s}, session)
	}
	if m.is("a panic is swallowed") {
		defer func() { _ = recover() }()
	}
	err := m.app.Authenticated(memoryConn{s}, session)
	if m.is("an error is swallowed") {
		return nil
	}
	return err
}

func (s *memorySocket) Close(_ error, event string, args ...any) {
	m := s.server
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.closed {
		return
	}
	if event != "" && !m.is("the last event is lost") {
		s.client.hear(event, args...)
		s.client.wants(event, nil, !m.is("does not ask at the end"))
	}
	if m.is("the socket outlives its session") {
		return
	}
	s.client.hear("disconnect")
	if m.is("disconnects twice") {
		s.client.hear("disconnect")
	}
	if m.is("the session is lost with its end") {
		s.session = nil
	}
	s.closed = true
}

func (s *memorySocket) LeaveRoom(room string) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if !s.server.is("rooms are kept") {
		s.rooms = slices.DeleteFunc(s.rooms, func(r string) bool { return r == room })
	}
}

func (s *memorySocket) Alive(ctx context.Context) bool {
	m := s.server
	m.mu.Lock()
	there := !s.client.vanished
	switch {
	case m.is("nobody is dead"):
		there = true
	case m.is("everybody is dead"), m.is("a busy client is dead") && s.busy:
		there = false
	case m.is("the question is an event") && there:
		s.client.hear("are you there?")
	}
	m.mu.Unlock()
	if !there {
		<-ctx.Done()
	}
	return there
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
	m := c.s.server
	enter := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !c.s.closed {
			c.s.rooms = append(c.s.rooms, room)
		}
	}
	if m.is("no rules for rooms") {
		enter()
		return nil
	}
	err := c.s.guard.Join(context.Background(), room, "", enter)
	if err != nil && !m.is("a refused room is not told") {
		c.s.guard.JoinRefused(room, err)
	}
	return err
}

// handle has the application handle an event.
func (s *memorySocket) handle(event, arg string, wantsAck bool) {
	m := s.server
	acknowledge := func(answer any) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if wantsAck && (!s.closed || m.is("acknowledges after the end")) {
			s.client.hear("ack", answer)
		}
	}
	var refuse func(any)
	if wantsAck && m.is("a refused event has no acknowledgement") {
		refuse = func(any) {}
	} else if wantsAck {
		refuse = acknowledge
	}
	if !s.mayHandle(event) {
		if m.is("acknowledges what nobody handles") {
			acknowledge("")
		}
		return
	}
	if !m.is("no rules for events") && !s.guard.Permit(event, refuse) {
		return
	}
	m.mu.Lock()
	s.busy = true
	m.mu.Unlock()
	answer := m.app.Event(memoryConn{s}, event, arg)
	m.mu.Lock()
	s.busy = false
	m.mu.Unlock()
	if !m.is("a handler's result is lost") {
		acknowledge(answer)
	}
}

// mayHandle reports whether there is a session for the event, or it needs none.
func (s *memorySocket) mayHandle(event string) bool {
	m := s.server
	session := s.guard.Session()
	switch {
	case m.is("events before authentication"), m.is("events after the end"):
		return true
	case session == nil:
		return slices.Contains(m.app.GuestEvents, event) || m.is("guests are users")
	}
	return m.is("events before the handler") || session.Wait()
}

// admit decides about a handshake.
func (m *memory) admit(h *verifier.Handshake) (*socketio.Pass, error) {
	pass, err := m.auth.Admit(context.Background(), h)
	key, _ := json.Marshal(h.Auth)
	switch {
	case err == nil:
		m.admitted[string(key)] = true
	case m.is("everybody is admitted"), m.is("a token is checked once") && m.admitted[string(key)]:
		err = nil
	}
	return pass, err
}
