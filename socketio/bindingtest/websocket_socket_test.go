package bindingtest_test

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// wsSocket is one stay of a client in the namespace.
type wsSocket struct {
	conn  *wsConn
	id    string
	ready chan struct{}   // closed when guard is set
	guard *socketio.Guard // nobody but Attach has the socket before it is set

	connected, open, closed bool
	session                 *socketio.Session
	rooms                   []string
	acks                    map[int]func()
	lastAck                 int
	queue                   []func() // events not yet handled
	working                 bool
}

var (
	_ socketio.Socket     = (*wsSocket)(nil)
	_ socketio.Liveness   = (*wsSocket)(nil)
	_ socketio.RoomLeaver = (*wsSocket)(nil)
)

func (s *wsSocket) ID() string { return s.id }

// connect tells the client that it is connected, once. The caller holds mu.
func (s *wsSocket) connect() {
	if !s.connected {
		s.connected = true
		s.conn.send(`40{"sid":"` + s.id + `"}`)
	}
}

// write sends an event. The caller holds mu.
func (s *wsSocket) write(event string, ack func(), args []any) {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return
	}
	id := ""
	if ack != nil || event == socketio.EventUnauthorized {
		s.lastAck++
		id = strconv.Itoa(s.lastAck)
		s.acks[s.lastAck] = ack
	}
	s.conn.send("42" + id + string(data))
}

// emit is for the application. The caller holds mu.
func (s *wsSocket) emit(event string, args []any) {
	if s.open && !s.closed {
		s.write(event, nil, args)
	}
}

func (s *wsSocket) Emit(event string, ack func(), args ...any) {
	s.conn.server.mu.Lock()
	defer s.conn.server.mu.Unlock()
	if !s.closed {
		s.write(event, ack, args)
	}
}

func (s *wsSocket) Open(event string) {
	s.conn.server.mu.Lock()
	defer s.conn.server.mu.Unlock()
	if s.closed {
		return
	}
	s.connect()
	if event != "" {
		s.write(event, nil, nil)
	}
	s.open = true
}

func (s *wsSocket) Authenticated(session *socketio.Session) error {
	<-s.ready
	s.conn.server.mu.Lock()
	s.session = session
	s.conn.server.mu.Unlock()
	return s.conn.server.app.Authenticated(wsApp{s}, session)
}

func (s *wsSocket) Close(cause error, event string, args ...any) {
	s.conn.server.mu.Lock()
	defer s.conn.server.mu.Unlock()
	switch {
	case s.closed:
		return
	case !s.connected: // the token was good when Admit decided, and is no longer
		s.conn.refuse(cause)
	default:
		if event != "" {
			s.write(event, nil, args)
		}
		s.conn.send("41")
	}
	s.end()
}

// end takes the socket out of the server. The caller holds mu.
func (s *wsSocket) end() {
	s.closed, s.rooms, s.queue = true, nil, nil
	if s.conn.socket == s {
		s.conn.socket = nil
	}
	server := s.conn.server
	server.sockets = slices.DeleteFunc(server.sockets, func(other *wsSocket) bool { return other == s })
}

func (s *wsSocket) Alive(ctx context.Context) bool {
	c := s.conn
	c.server.mu.Lock()
	if c.heard == nil {
		c.heard = make(chan struct{})
	}
	heard := c.heard
	c.send("2")
	c.server.mu.Unlock()
	select {
	case <-heard:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *wsSocket) LeaveRoom(room string) {
	s.conn.server.mu.Lock()
	defer s.conn.server.mu.Unlock()
	s.rooms = slices.DeleteFunc(s.rooms, func(r string) bool { return r == room })
}

// acknowledged handles the client's answer to an event.
func (s *wsSocket) acknowledged(p string) {
	id, err := strconv.Atoi(p[:max(0, strings.IndexByte(p, '['))])
	if err != nil {
		return
	}
	s.conn.server.mu.Lock()
	ack := s.acks[id]
	delete(s.acks, id)
	s.conn.server.mu.Unlock()
	if ack != nil {
		ack()
	}
}

// event handles an event of the client's, behind those before it, so that the connection
// reads on.
func (s *wsSocket) event(p string) {
	i := max(0, strings.IndexByte(p, '['))
	var args []any
	if json.Unmarshal([]byte(p[i:]), &args) != nil || len(args) == 0 {
		return
	}
	name, _ := args[0].(string)
	if name == socketio.EventAuthenticate {
		s.guard.Authenticate(append(args, nil)[1])
		return
	}
	s.conn.server.mu.Lock()
	defer s.conn.server.mu.Unlock()
	if !s.open || s.closed {
		return
	}
	s.queue = append(s.queue, func() { s.handle(name, args[1:], p[:i]) })
	if !s.working {
		s.working = true
		s.conn.server.serving.Go(s.work)
	}
}

func (s *wsSocket) work() {
	for {
		s.conn.server.mu.Lock()
		if len(s.queue) == 0 {
			s.working = false
			s.conn.server.mu.Unlock()
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.conn.server.mu.Unlock()
		f()
	}
}

// handle asks the guard, and runs the application's handler.
func (s *wsSocket) handle(event string, args []any, ackID string) {
	app := s.conn.server.app
	session, forGuests := s.guard.Session(), slices.Contains(app.GuestEvents, event)
	if session == nil && !forGuests || session != nil && !session.Wait() {
		return
	}
	var ack func(any)
	if ackID != "" {
		ack = func(answer any) {
			data, _ := json.Marshal([]any{answer})
			s.conn.server.mu.Lock()
			defer s.conn.server.mu.Unlock()
			if !s.closed {
				s.conn.send("43" + ackID + string(data))
			}
		}
	}
	if !s.guard.Permit(event, ack) {
		return
	}
	arg, _ := append(args, nil)[0].(string)
	if answer := app.Event(wsApp{s}, event, arg); ack != nil {
		ack(answer)
	}
}

// wsApp is a socket as the application has it.
type wsApp struct{ s *wsSocket }

func (a wsApp) Session() *socketio.Session {
	a.s.conn.server.mu.Lock()
	defer a.s.conn.server.mu.Unlock()
	return a.s.session
}

func (a wsApp) Emit(event string, args ...any) {
	a.s.conn.server.mu.Lock()
	defer a.s.conn.server.mu.Unlock()
	a.s.emit(event, args)
}

func (a wsApp) Join(room string) error {
	err := a.s.guard.Join(context.Background(), room, "", func() {
		a.s.conn.server.mu.Lock()
		defer a.s.conn.server.mu.Unlock()
		if !a.s.closed {
			a.s.rooms = append(a.s.rooms, room)
		}
	})
	if err != nil {
		a.s.guard.JoinRefused(room, err)
	}
	return err
}
