package socketio

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// setupPatience is how long an event may wait for the functions that set up a session.
const setupPatience = 30 * time.Second

var errSetup = serverError(errors.New("the functions that set up the session did not return in time"))

// ErrDisconnected is the cause of a session's end if the client, the network or the
// application disconnected the socket, rather than authorization.
var ErrDisconnected = errors.New("socketio: the socket was disconnected")

// Session is one authenticated socket in one namespace. It is safe for concurrent use.
type Session struct {
	owner   owner
	opened  *verifier.Handshake  // of the connection; never nil
	pass    atomic.Pointer[Pass] // a renewal replaces it
	began   time.Time            // by the wall clock
	start   time.Time            // the same by the monotonic clock
	first   string               // the raw token that came with the connection, if one did
	shown   atomic.Pointer[shown]
	listing       // guarded by the registry
	rooms   rooms // those that rules or tokens allow it

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

// owner is what a session needs of the socket that it belongs to. A [Guard] is one.
type owner interface {
	id() string
	endsAt() time.Time
	// live reports whether s is the socket's session and its time is not up.
	live(s *Session) bool
	// silent asks the connection for a sign of life, and reports whether none came.
	silent(ctx context.Context) bool
	// kickIf ends the socket and tells the client why, unless it has ended or the
	// condition, if there is one, does not hold. kickLater does so in a separate goroutine.
	kickIf(err *verifier.UnauthorizedError, condition func() bool)
	kickLater(err *verifier.UnauthorizedError)
}

func newSession(o owner, opened *verifier.Handshake, p *Pass, now times) *Session {
	s := &Session{owner: o, opened: opened, began: now.wall.Round(0), start: now.mono}
	if p.handshake == nil {
		s.first = p.token.Raw()
	}
	s.pass.Store(p)
	return s
}

// age is how long the session has existed, by the monotonic clock.
func (s *Session) age(now times) time.Duration { return now.mono.Sub(s.start) }

// SocketID returns the server's ID of the socket.
func (s *Session) SocketID() string { return s.owner.id() }

// Namespace returns the namespace in which the socket is authenticated.
func (s *Session) Namespace() string { return s.opened.Namespace }

// shown is what Handshake returned for a pass.
type shown struct {
	pass      *Pass
	handshake *verifier.Handshake
}

// Handshake returns what the client presented with the token in force, without its
// credentials ([verifier.Handshake.WithoutToken]): the handshake of the connection. Its
// Auth is the argument of the last successful "authenticate" event, if there was one.
// [Session.Token] returns the token. Do not change the handshake.
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

// presented returns the handshake of a pass with its credentials, for a second look at
// the token.
func (s *Session) presented(p *Pass) *verifier.Handshake {
	if p.handshake != nil {
		return p.handshake
	}
	return s.opened
}

// Token returns the token that authenticates the socket. After a renewal it is the new
// one.
func (s *Session) Token() *verifier.Token { return s.pass.Load().token }

// User returns what the function of [User] returned for the token, or nil without one.
func (s *Session) User() any { return s.pass.Load().user }

// EndsAt returns when the session ends unless the client renews it. Zero means that only
// a disconnect ends it. See [ExpiryGrace] and [MaxSessionAge].
func (s *Session) EndsAt() time.Time { return s.owner.endsAt() }

// End ends the session and disconnects the socket. No event passes any more, in either
// direction. The client gets "unauthorized" with the code, message and reason of an
// [*verifier.UnauthorizedError]. If the error is another one, it learns only that the
// server refused it.
func (s *Session) End(err error) {
	if err == nil {
		err = errors.New("ended by the application")
	}
	s.owner.kickIf(refusalOf(err), nil)
}

// Context returns a context that ends with the session. Its cause ([context.Cause]) is
// [ErrDisconnected], or the [*verifier.UnauthorizedError] that ended the session.
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

// Wait blocks until the functions of [OnSuccess] have returned, and reports whether the
// session is still live. A binding calls it before it passes an event to the
// application, so that the handlers find what those functions set up. Those functions
// must not call it: a session whose events have waited for 30 s ends ([ErrServer]).
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
			s.owner.kickIf(errSetup, nil)
		}
	}
	return s.owner.live(s)
}

// enter moves the session to a later phase, unless it is already there or beyond.
func (s *Session) enter(p phase, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= p {
		return
	}
	s.phase, s.cause = p, cause
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
	if p == ended && s.cancel != nil {
		s.cancel(cause)
	}
}

func (s *Session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == ended
}
