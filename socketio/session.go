package socketio

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// ErrDisconnected is the cause of a session's end when the socket was
// disconnected, by the client, the network or the application, rather than by
// authorization.
var ErrDisconnected = errors.New("socketio: the socket was disconnected")

// Session is one authenticated socket in one namespace. It is safe for
// concurrent use.
type Session struct {
	guard   *Guard
	pass    atomic.Pointer[Pass] // a renewal replaces it
	began   time.Time            // by the wall clock
	start   time.Time            // the same by the monotonic clock
	first   string               // the raw token that came with the connection, if one did
	shown   atomic.Pointer[shown]
	links   [indexes]link // its neighbours in the registry, which guards them
	group   *group        // its user's sessions, in the order in which they began;
	peers   link          // guarded by the registry
	present *present      // what other processes know of it, nil without a Presence; guarded by the registry
	rooms   rooms         // those that rules or tokens allow it

	mu     sync.Mutex // guards the rest
	phase  phase
	cause  error         // why it ended
	change chan struct{} // closed when the phase changes; nil unless somebody waits
	ctx    context.Context
	cancel context.CancelCauseFunc // of ctx; both are nil unless somebody asked
}

// phase is how far a session has come.
type phase uint8

const (
	beginning phase = iota // the functions of OnSuccess are running
	ready
	ended
)

func newSession(g *Guard, p *Pass, now times) *Session {
	s := &Session{guard: g, began: now.wall.Round(0), start: now.mono}
	if p.handshake == nil {
		s.first = p.token.Raw()
	}
	s.pass.Store(p)
	return s
}

// age is how long the session has been there, whatever wall clocks say.
func (s *Session) age(now times) time.Duration { return now.mono.Sub(s.start) }

// SocketID returns the server's name for the socket.
func (s *Session) SocketID() string { return s.guard.socket.ID() }

// Namespace returns the namespace the socket is authenticated in.
func (s *Session) Namespace() string { return s.guard.handshake.Namespace }

// shown is what Handshake returned for a pass.
type shown struct {
	pass      *Pass
	handshake *verifier.Handshake
}

// Handshake returns what the client presented with the token in force, without its
// credentials ([verifier.Handshake.WithoutToken]): the handshake of the connection, and
// as its Auth the argument of the last successful "authenticate" event, if there was
// one. [Session.Token] has the token. It must not be changed.
func (s *Session) Handshake() *verifier.Handshake {
	p := s.pass.Load()
	if known := s.shown.Load(); known != nil && known.pass == p {
		return known.handshake
	}
	h := s.presented(p).WithoutToken(p.token.Raw(), s.first)
	if m, ok := h.Auth.(map[string]any); ok && len(m) == 0 {
		h.Auth = nil
	}
	s.shown.Store(&shown{p, h})
	return h
}

// presented is the handshake that a pass came with, credentials and all: for what
// looks at the token again.
func (s *Session) presented(p *Pass) *verifier.Handshake {
	if p.handshake != nil {
		return p.handshake
	}
	return s.guard.handshake
}

// Token returns the token the socket is authenticated by: the last one, where
// it was renewed.
func (s *Session) Token() *verifier.Token { return s.pass.Load().token }

// User returns what the function given to [User] made of the token, nil without
// one.
func (s *Session) User() any { return s.pass.Load().user }

// EndsAt returns when the session ends unless it is renewed: zero if nothing
// ends it but a disconnect. See [ExpiryGrace] and [MaxSessionAge].
func (s *Session) EndsAt() time.Time {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	return s.guard.ends
}

// End ends the session: nothing more passes in either direction, the client is
// told why by "unauthorized", and disconnected. An [*verifier.UnauthorizedError]
// is shown to it, of any other error it learns only that the server rejected it.
func (s *Session) End(err error) {
	if err == nil {
		err = errors.New("ended by the application")
	}
	s.guard.kick(refusalOf(err))
}

// Context returns a context that ends with the session. Its cause
// ([context.Cause]) says why: [ErrDisconnected], or the
// [*verifier.UnauthorizedError] that ended it.
func (s *Session) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil { // most sessions are never asked, and a context is not small
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.phase == ended {
			s.cancel(s.cause)
		}
	}
	return s.ctx
}

// Wait blocks until the functions of [OnSuccess] have run, and reports whether
// the session is still live. A binding calls it before it hands an event to the
// application, so that what those functions set up is there. Those functions must not
// call it themselves: a session whose events have waited for 30 s ends ([ErrServer]).
func (s *Session) Wait() bool {
	s.mu.Lock()
	waits := s.phase == beginning
	if waits && s.change == nil {
		s.change = make(chan struct{})
	}
	change := s.change
	s.mu.Unlock()
	if waits {
		enough := time.NewTimer(setupPatience)
		defer enough.Stop()
		select {
		case <-change:
		case <-enough.C:
			s.guard.kick(errSetup)
		}
	}
	return s.guard.Session() == s
}

// enter moves the session to a later phase, and reports whether it was in an
// earlier one.
func (s *Session) enter(p phase, cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= p {
		return false
	}
	s.phase, s.cause = p, cause
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
	if p == ended && s.cancel != nil {
		s.cancel(cause)
	}
	return true
}

func (s *Session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == ended
}
