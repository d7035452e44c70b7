package socketio

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// state is where a guarded socket stands. It only ever moves forward.
type state uint8

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

	mu       sync.Mutex // guards the rest; never held while calling out, but for the registry
	state    state
	working  bool // whether a goroutine is at the queue
	failures int  // in a row
	session  *Session
	queue    []any                   // arguments of "authenticate" not yet looked at
	cancel   context.CancelCauseFunc // of the verification under way, if any
	place    *list.Element           // among those that wait to authenticate; guarded by the list
	timer    *time.Timer             // the only one; nil when nothing is due
	ends     time.Time               // when the socket's time is up, zero for never
	notice   time.Time               // when the client is told of that, zero for not at all
}

// Attach begins to guard a socket that now exists, in the namespace of its
// handshake, with what [Authorizer.Admit] returned for it. A socket with a pass
// is authenticated at once; a guest is opened; any other is pending and its
// deadline runs. The functions of [OnSuccess] run in a goroutine of their own.
func (a *Authorizer) Attach(socket Socket, h *verifier.Handshake, p *Pass) *Guard {
	g := &Guard{a: a, socket: socket, handshake: h}
	switch {
	case p != nil:
		// What was good when it was admitted may not be any more.
		if ok, err := g.authenticate(p); err != nil {
			go g.kick(err)
		} else if ok {
			a.sessionLog("authenticated", g.current())
			socket.Open("")
			go g.succeed()
		}
	case a.optional:
		socket.Open("")
	default:
		g.mu.Lock()
		g.ends = time.Now().Add(a.timeout)
		g.schedule()
		g.mu.Unlock()
		if longest := a.waiting.add(g, a.maxPending); longest != nil {
			go longest.kick(errTooManyPending)
		}
	}
	return g
}

// Session returns the socket's session, nil while it has none and from the
// moment of its end.
func (g *Guard) Session() *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != authenticated {
		return nil
	}
	if g.overdue() { // the timer is late, or the clock was set
		g.timer.Reset(0)
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
		ctx, cancel := context.WithCancelCause(context.Background())
		g.cancel = cancel
		g.mu.Unlock()

		g.attempt(ctx, data)

		cancel(nil)
		g.mu.Lock()
		g.cancel = nil
		g.mu.Unlock()
	}
}

// attempt verifies one token and acts on the result.
func (g *Guard) attempt(ctx context.Context, data any) {
	h := *g.handshake
	h.Auth, h.InBand = data, true
	// Only this goroutine authenticates, so that the answer stays true.
	s := g.current()
	done, err := g.try(ctx, &h, s)
	switch {
	case err != nil:
		// The original's word for an "authenticate" with no token in it.
		if errors.Is(err, verifier.ErrTokenMissing) && err.Code == verifier.CodeCredentialsRequired {
			err = &verifier.UnauthorizedError{
				Code: verifier.CodeInvalidToken, Message: "invalid token datatype", Reason: verifier.ErrTokenMissing, Err: err,
			}
		}
		g.fail(&h, err)
	case !done: // the socket is gone
	case s != nil:
		g.a.sessionLog("renewed", s)
		for _, f := range g.a.onRenewed {
			g.a.guarded("OnRenewed", func() { f(s) })
		}
		g.socket.Emit(EventAuthenticated, nil)
	default:
		g.a.sessionLog("authenticated", g.current())
		g.socket.Open(EventAuthenticated)
		g.succeed()
	}
}

// try verifies the token of an attempt and, if it is good, makes a session of it
// or renews the one there is. done says that there is such a session now.
func (g *Guard) try(ctx context.Context, h *verifier.Handshake, s *Session) (done bool, err *verifier.UnauthorizedError) {
	var old *verifier.Token
	if s != nil {
		old = s.Token()
	}
	ctx, cancel := context.WithTimeout(ctx, g.a.timeout)
	defer cancel()
	ctx, decided := g.a.verifying(ctx, h, old)
	p, err := g.a.check(ctx, h)
	switch {
	case err != nil:
	case s != nil:
		done, err = g.renew(s, p)
	default:
		done, err = g.authenticate(p)
	}
	decided(p, err)
	return done, err
}

// current returns the session, whether or not its time is up.
func (g *Guard) current() *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.session
}

// authenticate makes a session of a pass. It reports whether there is one now:
// there is none if the registry says why not, or if the socket is closed.
func (g *Guard) authenticate(p *Pass) (bool, *verifier.UnauthorizedError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed {
		return false, nil
	}
	s := newSession(g, p)
	evicted, err := g.a.registry.add(s)
	if err != nil {
		return false, err
	}
	for _, old := range evicted {
		go old.guard.kick(errReplaced)
	}
	g.a.waiting.remove(g)
	g.state, g.session, g.failures = authenticated, s, 0
	g.setLifetime()
	g.began()
	g.a.sweeper.start(g.a)
	return true, nil
}

// renew replaces the session's token by another of the same identity, and reports
// whether it did: a session that ends does so as if nothing had come. The
// functions of [OnSuccess] do not run again.
func (g *Guard) renew(s *Session, p *Pass) (bool, *verifier.UnauthorizedError) {
	if !g.a.sameIdentity(s.Token(), p.token) {
		return false, errIdentityMismatch
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed || g.overdue() {
		if g.timer != nil {
			g.timer.Reset(0)
		}
		return false, nil
	}
	if err := g.a.registry.replace(s, p); err != nil {
		return false, err
	}
	g.failures = 0
	g.setLifetime()
	g.renewed()
	return true, nil
}

// succeed tells the binding and the functions of OnSuccess, and then lets events
// through. A session that the application cannot set up ends.
func (g *Guard) succeed() {
	s := g.current() // set before this runs
	var err error
	if p := g.a.guarded("a handler of authenticated sockets", func() { err = g.socket.Authenticated(s) }); p != nil {
		err = p
	}
	for _, f := range g.a.onSuccess {
		if err != nil || s.hasEnded() {
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
	s.enter(ready, nil)
}

// fail tells the client that an attempt failed, and sees to it that the socket
// ends. An authenticated socket stays as it was, until it has failed too often
// or if it was asked not to. That the keys could not be had is not its fault.
func (g *Guard) fail(h *verifier.Handshake, err *verifier.UnauthorizedError) {
	g.mu.Lock()
	if g.state == closed {
		g.mu.Unlock()
		return
	}
	live := g.state == authenticated
	if !live || !err.Retryable {
		g.failures++
	}
	last := g.failures >= g.a.maxAttempts || live && g.a.endOnFailedRenewal && !err.Retryable
	if !live && !last && g.a.farewell == farewellAfter {
		if at := time.Now().Add(g.a.linger); g.ends.IsZero() || at.Before(g.ends) {
			g.ends = at
			g.schedule()
		}
	}
	g.mu.Unlock()

	g.a.refused(h, nil, err)
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
	if unauthenticated {
		g.shutLocked(err)
	}
	g.mu.Unlock()
	if unauthenticated {
		g.socket.Close(err, "")
	}
}

// kick reports why the socket ends, and ends it.
func (g *Guard) kick(err *verifier.UnauthorizedError) {
	if g.shut(err) {
		g.a.refused(g.handshake, g.current(), err)
		g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
	}
}

// kickIf is kick if the condition holds, which is asked under mu: no renewal
// comes in between.
func (g *Guard) kickIf(err *verifier.UnauthorizedError, condition func() bool) {
	g.mu.Lock()
	if g.state == closed || !condition() {
		g.mu.Unlock()
		return
	}
	g.shutLocked(err)
	g.mu.Unlock()
	g.a.refused(g.handshake, g.current(), err)
	g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
}

// close tells the client why its socket ends, and ends it.
func (g *Guard) close(err *verifier.UnauthorizedError) {
	if g.shut(err) {
		if s := g.current(); s != nil {
			g.a.sessionEnded(s, err)
		}
		g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
	}
}

// Closed tells the guard that the socket is gone, for whatever reason. It may
// be called more than once.
func (g *Guard) Closed() {
	if !g.shut(ErrDisconnected) {
		return
	}
	if s := g.current(); s != nil {
		g.a.sessionEnded(s, ErrDisconnected)
	}
}

// shut moves to the state closed and reports whether it was another before.
func (g *Guard) shut(cause error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed {
		return false
	}
	g.shutLocked(cause)
	return true
}

// shutLocked moves to the state closed. The caller holds mu.
func (g *Guard) shutLocked(cause error) {
	g.state = closed
	g.unschedule()
	g.a.waiting.remove(g)
	if g.cancel != nil {
		g.cancel(cause)
	}
	if s := g.session; s != nil {
		g.a.registry.remove(s)
		s.enter(ended, cause)
	}
	g.over(cause)
}
