package socketio

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// state is where a guarded socket stands. It only ever moves forward.
type state int

const (
	pending       state = iota // may authenticate; nothing else passes, unless it is a guest
	authenticated              // has a session
	closed
)

// Guard is the state machine of one socket in one namespace. A binding makes it
// with [Authorizer.Attach] and tells it what happens to the socket.
type Guard struct {
	a         *Authorizer
	socket    Socket
	handshake *verifier.Handshake
	ctx       context.Context // ends when the guard closes
	end       context.CancelCauseFunc

	mu       sync.Mutex // guards the rest; never held while calling out
	state    state
	session  *Session
	failures int         // in a row
	queue    []any       // arguments of "authenticate" not yet looked at
	working  bool        // whether a goroutine is at the queue
	timer    *time.Timer // ends the socket; nil when nothing is due
	deadline time.Time   // when timer fires
	due      int         // counts timers: one that was replaced and fires all the same is told by it
}

// Attach begins to guard a socket that now exists, in the namespace of its
// handshake, with what [Authorizer.Admit] returned for it. A socket with a pass
// is authenticated at once; a guest is opened; any other is pending and its
// deadline runs. The functions of [OnSuccess] run in a goroutine of their own.
func (a *Authorizer) Attach(socket Socket, h *verifier.Handshake, p *Pass) *Guard {
	g := &Guard{a: a, socket: socket, handshake: h}
	g.ctx, g.end = context.WithCancelCause(context.Background())
	switch {
	case p != nil:
		g.state = authenticated
		g.session = newSession(socket.ID(), h, p)
		socket.Open("")
		go g.succeed()
	case a.optional:
		socket.Open("")
	default:
		g.mu.Lock()
		g.schedule(a.timeout)
		g.mu.Unlock()
	}
	return g
}

// Session returns the socket's session, nil while it has none.
func (g *Guard) Session() *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != authenticated {
		return nil
	}
	return g.session
}

// Authenticate takes the argument of an "authenticate" event, as encoding/json
// decodes it into an any. It does not block: the answer is emitted later.
// Attempts are looked at one by one, in order; who sends more at once than
// [MaxAttempts] is disconnected.
func (g *Guard) Authenticate(data any) {
	g.mu.Lock()
	if g.state == closed {
		g.mu.Unlock()
		return
	}
	if len(g.queue) >= g.a.maxAttempts {
		g.mu.Unlock()
		g.kick(&verifier.UnauthorizedError{
			Code: verifier.CodeInvalidToken, Message: "too many attempts", Reason: ErrTooManyAttempts,
		})
		return
	}
	if data == nil {
		data = map[string]any{} // an empty attempt, not a handshake without a payload
	}
	g.queue = append(g.queue, data)
	start := !g.working
	g.working = true
	g.mu.Unlock()
	if start {
		go g.work()
	}
}

// work looks at the queued attempts until there are none.
func (g *Guard) work() {
	for {
		g.mu.Lock()
		if g.state == closed || len(g.queue) == 0 {
			g.working, g.queue = false, nil
			g.mu.Unlock()
			return
		}
		data := g.queue[0]
		g.queue = g.queue[1:]
		g.mu.Unlock()
		g.attempt(data)
	}
}

// attempt verifies one token and acts on the result.
func (g *Guard) attempt(data any) {
	h := *g.handshake
	h.Auth, h.InBand = data, true
	ctx, cancel := context.WithTimeout(g.ctx, g.a.timeout)
	defer cancel()
	p, err := g.a.check(ctx, &h)
	if err != nil {
		// The original's word for an "authenticate" with no token in it.
		if errors.Is(err, verifier.ErrTokenMissing) && err.Code == verifier.CodeCredentialsRequired {
			err = &verifier.UnauthorizedError{
				Code: verifier.CodeInvalidToken, Message: "invalid token datatype", Reason: verifier.ErrTokenMissing, Err: err,
			}
		}
		g.fail(&h, err)
		return
	}

	g.mu.Lock()
	switch g.state {
	case closed:
		g.mu.Unlock()
	case authenticated:
		s := g.session
		g.mu.Unlock()
		g.renew(s, &h, p)
	default:
		g.state, g.failures = authenticated, 0
		g.session = newSession(g.socket.ID(), g.handshake, p)
		g.unschedule()
		g.mu.Unlock()
		g.socket.Open(EventAuthenticated)
		g.succeed()
	}
}

// renew replaces the session's token by another of the same identity. The
// functions of [OnSuccess] do not run again.
func (g *Guard) renew(s *Session, h *verifier.Handshake, p *Pass) {
	old := s.Token()
	if p.token.Subject == "" || p.token.Subject != old.Subject || p.token.Issuer != old.Issuer {
		g.fail(h, &verifier.UnauthorizedError{
			Code: verifier.CodeInvalidToken, Message: "the token is not the same user's", Reason: ErrIdentityMismatch,
		})
		return
	}
	s.replace(p)
	g.mu.Lock()
	g.failures = 0
	g.mu.Unlock()
	g.socket.Emit(EventAuthenticated, nil)
}

// succeed tells the binding and the functions of OnSuccess, and then lets events
// through. A session that the application cannot set up ends.
func (g *Guard) succeed() {
	s := g.session // set once, before this runs
	var err error
	if p := g.a.guarded("a handler of authenticated sockets", func() { err = g.socket.Authenticated(s) }); p != nil {
		err = p
	}
	for _, f := range g.a.onSuccess {
		if err != nil {
			break
		}
		if p := g.a.guarded("OnSuccess", func() { f(s) }); p != nil {
			err = p
		}
	}
	if err != nil {
		g.kick(verifier.AsUnauthorized(err))
		return
	}
	close(s.ready)
}

// fail tells the client that an attempt failed, and sees to it that the socket
// ends. An authenticated socket stays as it was, until it has failed too often.
func (g *Guard) fail(h *verifier.Handshake, err *verifier.UnauthorizedError) {
	g.mu.Lock()
	if g.state == closed {
		g.mu.Unlock()
		return
	}
	g.failures++
	last := g.failures >= g.a.maxAttempts
	live := g.state == authenticated
	if !live && !last && g.a.farewell == farewellAfter {
		g.schedule(g.a.linger)
	}
	g.mu.Unlock()

	g.a.refused(h, err)
	switch {
	case last || !live && g.a.farewell == farewellNow:
		g.close(err)
	case live:
		g.socket.Emit(EventUnauthorized, nil, newUnauthorized(err))
	default:
		g.socket.Emit(EventUnauthorized, func() { g.acknowledged(err) }, newUnauthorized(err))
	}
}

// acknowledged disconnects a socket that has taken note of its refusal, unless
// a later attempt succeeded.
func (g *Guard) acknowledged(err error) {
	g.mu.Lock()
	unauthenticated := g.state == pending
	g.mu.Unlock()
	if unauthenticated && g.shut(err) {
		g.socket.Close(err, "")
	}
}

// kick reports why the socket ends, and ends it.
func (g *Guard) kick(err *verifier.UnauthorizedError) {
	if g.shut(err) {
		g.a.refused(g.handshake, err)
		g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
	}
}

// close tells the client why its socket ends, and ends it.
func (g *Guard) close(err *verifier.UnauthorizedError) {
	if g.shut(err) {
		g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
	}
}

// Closed tells the guard that the socket is gone, for whatever reason. It may
// be called more than once.
func (g *Guard) Closed() { g.shut(ErrDisconnected) }

// shut moves to the state closed and reports whether it was another before.
func (g *Guard) shut(cause error) bool {
	g.mu.Lock()
	if g.state == closed {
		g.mu.Unlock()
		return false
	}
	g.state = closed
	g.unschedule()
	s := g.session
	g.mu.Unlock()
	g.end(cause)
	if s != nil {
		s.end(cause)
	}
	return true
}

// schedule has the socket's time run out after d, or earlier if it would have
// anyway. The caller holds mu.
func (g *Guard) schedule(d time.Duration) {
	deadline := time.Now().Add(d)
	if g.timer != nil && g.deadline.Before(deadline) {
		return
	}
	g.unschedule()
	g.deadline = deadline
	due := g.due
	g.timer = time.AfterFunc(d, func() { g.timeUp(due) })
}

// unschedule stops the timer. The caller holds mu.
func (g *Guard) unschedule() {
	g.due++
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// timeUp ends a socket that did not authenticate in time. One that was told of a
// failed attempt knows why; one that was told nothing yet is told now.
func (g *Guard) timeUp(due int) {
	g.mu.Lock()
	if g.state != pending || g.due != due {
		g.mu.Unlock()
		return
	}
	told := g.failures > 0
	g.mu.Unlock()
	err := &verifier.UnauthorizedError{
		Code: verifier.CodeCredentialsRequired, Message: "no token provided in time", Reason: ErrTimeout,
	}
	if !told {
		g.kick(err)
	} else if g.shut(err) {
		g.a.refused(g.handshake, err)
		g.socket.Close(err, "")
	}
}
