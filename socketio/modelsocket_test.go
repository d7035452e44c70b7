package socketio_test

import (
	"fmt"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The model-based test drives a few sockets through random sequences of events
// and holds what must be true of them at any time, by its own reckoning: it knows
// each token's exp, what was revoked, and what the clock says.

// modelSocket is a server's socket with a gate, as bindings have it.
type modelSocket struct {
	m     *model
	guest bool
	h     *verifier.Handshake
	guard *socketio.Guard

	mu      sync.Mutex // guards what follows
	open    bool
	closed  bool
	ending  int // "unauthorized" as the last event
	notices int
	handled int // Authenticated
	acks    []func()
	session *socketio.Session
}

func (s *modelSocket) ID() string { return fmt.Sprintf("%p", s) }

func (s *modelSocket) Emit(event string, ack func(), _ ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if event == socketio.EventTokenExpiring {
		s.notices++
	}
	if ack != nil {
		s.acks = append(s.acks, ack)
	}
}

func (s *modelSocket) Open(string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = !s.closed
}

func (s *modelSocket) Authenticated(sess *socketio.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled++
	s.session = sess
	return nil
}

func (s *modelSocket) Close(cause error, event string, _ ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return // gone already: the guard cannot know
	}
	if cause == nil {
		s.m.t.Error("closed without a cause")
	}
	if event != "" {
		s.ending++
	}
	s.open, s.closed = false, true
}

// gone is what the binding does when the connection breaks.
func (s *modelSocket) gone() {
	s.mu.Lock()
	s.open, s.closed = false, true
	s.mu.Unlock()
	s.guard.Closed()
}
