package socketio

import (
	"context"
	"errors"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// ErrDisconnected is the cause of a session's end when the socket was
// disconnected, by the client, the network or the application, rather than by
// authorization.
var ErrDisconnected = errors.New("socketio: the socket was disconnected")

// Session is one authenticated socket in one namespace. It is safe for
// concurrent use.
type Session struct {
	socketID  string
	handshake *verifier.Handshake
	ctx       context.Context
	end       context.CancelCauseFunc
	ready     chan struct{}

	mu    sync.Mutex // guards what a renewal replaces
	token *verifier.Token
	user  any
}

func newSession(socketID string, h *verifier.Handshake, p *Pass) *Session {
	s := &Session{socketID: socketID, handshake: h, token: p.token, user: p.user, ready: make(chan struct{})}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	return s
}

// SocketID returns the server's name for the socket.
func (s *Session) SocketID() string { return s.socketID }

// Namespace returns the namespace the socket is authenticated in.
func (s *Session) Namespace() string { return s.handshake.Namespace }

// Handshake returns what the client presented when it connected. It must not be
// changed.
func (s *Session) Handshake() *verifier.Handshake { return s.handshake }

// Token returns the token the socket is authenticated by: the last one, where
// it was renewed.
func (s *Session) Token() *verifier.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// User returns what the function given to [User] made of the token, nil without
// one.
func (s *Session) User() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// Context returns a context that ends with the session. Its cause
// ([context.Cause]) says why: [ErrDisconnected], or the
// [*verifier.UnauthorizedError] that ended it.
func (s *Session) Context() context.Context { return s.ctx }

// Wait blocks until the functions of [OnSuccess] have run, and reports whether
// the session is still live. A binding calls it before it hands an event to the
// application, so that what those functions set up is there.
func (s *Session) Wait() bool {
	select {
	case <-s.ready:
		return s.ctx.Err() == nil
	case <-s.ctx.Done():
		return false
	}
}

func (s *Session) replace(p *Pass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.user = p.token, p.user
}
