package sockettest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Server is a server of one guarded namespace, in memory. Register its handlers
// before a client connects.
type Server struct {
	authorizer      *socketio.Authorizer
	onAuthenticated func(*Conn, *socketio.Session) error
	onDisconnect    func(*Conn, string)
	events          map[string]handler

	mu    sync.Mutex // guards the rest
	conns []*Conn    // those that have not ended
	count int
}

// NewServer makes a server that accepts the clients that the authenticator accepts. It panics
// where an option is invalid. Without one sockets authenticate by event
// ([socketio.ByEvent]).
func NewServer(auth socketio.Authenticator, options ...socketio.Option) *Server {
	a, err := socketio.New(auth, options...)
	if err != nil {
		panic(fmt.Sprintf("sockettest: NewServer: %v", err))
	}
	return &Server{authorizer: a, events: make(map[string]handler)}
}

// OnAuthenticated sets the handler of sockets that have authenticated. It runs
// once for each, before any of its events is handled. An error ends the session.
func (s *Server) OnAuthenticated(f func(c *Conn, s *socketio.Session) error) { s.onAuthenticated = f }

// OnDisconnect sets the handler of sockets that are gone. It runs once for each socket that
// OnAuthenticated ran for, after it. The reason is "client namespace disconnect", "server
// disconnect", or the [verifier.Reason] of the refusal that ended the session.
func (s *Server) OnDisconnect(f func(c *Conn, reason string)) { s.onDisconnect = f }

// OnEvent sets the handler of an event of authenticated sockets: a function whose first
// parameter is *[Conn] or an interface that it implements. The other parameters are what
// the client sent, decoded from JSON, and the results acknowledge the event. A variadic
// function takes any number of arguments. OnEvent panics if f is not such a function.
func (s *Server) OnEvent(event string, f any) { s.events[event] = newHandler(event, f, false) }

// OnGuestEvent is OnEvent for an event that guests ([socketio.Optional]) may send
// too: [Conn.Session] is nil for them.
func (s *Server) OnGuestEvent(event string, f any) { s.events[event] = newHandler(event, f, true) }

// Registry returns the registry of the sessions: to count, end and revoke them.
func (s *Server) Registry() *socketio.Registry { return s.authorizer.Registry() }

// Connect connects a client that presents the handshake. Nil presents nothing; an
// empty Namespace is "/", an empty RemoteAddr 192.0.2.1:1234. The
// first event that the client receives is the outcome: connect or connect_error.
func (s *Server) Connect(h *verifier.Handshake) *Client {
	full := verifier.Handshake{}
	if h != nil {
		full = *h
	}
	if full.Namespace == "" {
		full.Namespace = "/"
	}
	if full.RemoteAddr == "" {
		full.RemoteAddr = "192.0.2.1:1234"
	}
	s.mu.Lock()
	s.count++
	c := &Conn{
		server: s, id: fmt.Sprintf("socket-%d", s.count), handshake: &full,
		attached: make(chan struct{}), gone: make(chan struct{}),
	}
	c.enter(c.id)
	s.conns = append(s.conns, c)
	s.mu.Unlock()

	pass, err := s.authorizer.Admit(context.Background(), &full)
	if err != nil {
		(*socket)(c).Close(err, "")
		return &Client{c}
	}
	if pass == nil { // it is connected, so that it may authenticate
		c.mu.Lock()
		c.receive(newEvent("connect", nil), nil)
		c.mu.Unlock()
	}
	c.guard = s.authorizer.Attach((*socket)(c), &full, pass)
	close(c.attached)
	synctest.Wait()
	return &Client{c}
}

// all returns the sockets that have not ended.
func (s *Server) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(other *Conn) bool { return other == c })
}
