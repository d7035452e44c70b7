package socketio

import (
	"context"
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// work verifies the queued attempts until none is left.
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
	// Only this goroutine begins sessions, so s cannot become stale.
	s := g.current()
	done, err := g.try(ctx, &h, s)
	switch {
	case err != nil:
		// socketio-jwt's words for an "authenticate" without a token.
		if errors.Is(err, verifier.ErrTokenMissing) && err.Code == verifier.CodeCredentialsRequired {
			err = &verifier.UnauthorizedError{
				Code: verifier.CodeInvalidToken, Message: "invalid token datatype", Reason: verifier.ErrTokenMissing, Err: err,
			}
		}
		g.fail(&h, err)
	case !done: // the socket is gone
	case s != nil:
		g.recheckRooms(s)
		for _, f := range g.a.onRenewed {
			g.a.guarded("OnRenewed", func() { f(s) })
		}
		g.socket.Emit(EventAuthenticated, nil)
	default:
		g.socket.Open(EventAuthenticated)
		g.succeed()
	}
}

// try verifies the token of an attempt. If the token is good, it begins a session or
// renews the existing one. done reports whether there is a session now.
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
		p.handshake = h
		done, err = g.renew(s, p)
	default:
		p.handshake = h
		for range 2 { // another session may take the place before this one begins
			if err = g.a.registry.findPlace(ctx, p, h.Namespace); err != nil {
				break
			}
			if done, err = g.authenticate(p); err != errSessionLimit {
				break
			}
		}
	}
	g.notify()
	decided(p, err)
	return done, err
}

// authenticate begins a session with a pass. It reports whether there is one now: there
// is none if the registry refuses it, or if the socket is closed.
func (g *Guard) authenticate(p *Pass) (bool, *verifier.UnauthorizedError) {
	now := g.a.moment()
	s := newSession(g, g.handshake, p, now)
	for {
		place := g.a.registry.placeOf(p.rules, p.token, g.handshake.Namespace)
		done, again, err := g.begin(s, place, now)
		if again {
			continue
		}
		if !done {
			g.a.registry.release(p.present)
		}
		return done, err
	}
}

// begin begins a session at a place in the registry. again says that somebody took the
// place meanwhile.
func (g *Guard) begin(s *Session, at place, now times) (done, again bool, err *verifier.UnauthorizedError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed {
		return false, false, nil
	}
	evicted, again, err := g.a.registry.add(s, at)
	if again || err != nil {
		return false, again, err
	}
	for _, old := range evicted {
		old.owner.kickLater(errReplaced)
	}
	g.a.waiting.remove(g.place)
	g.state, g.session, g.failures = authenticated, s, 0
	g.setLifetime(now)
	g.began(s, now)
	for _, w := range g.a.sweepers {
		w.start(g.a)
	}
	return true, false, nil
}

// renew replaces the session's token by another one of the same identity, and reports
// whether it did. It does nothing for a session that is ending. It does not run the
// functions of [OnSuccess] again.
func (g *Guard) renew(s *Session, p *Pass) (bool, *verifier.UnauthorizedError) {
	if !g.a.sameIdentity(s.Token(), p.token) {
		return false, errIdentityMismatch
	}
	now := g.a.moment()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed || g.over(now) {
		if g.timer != nil {
			g.timer.Reset(0)
		}
		return false, nil
	}
	if err := g.a.registry.replace(s, p); err != nil {
		return false, err
	}
	g.failures = 0
	g.setLifetime(now)
	g.renewed(s, now)
	return true, nil
}

// succeed runs the binding's Authenticated and the functions of OnSuccess, and then lets
// events pass. If one of them fails, the session ends.
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
		g.kick(refusalOf(err))
		return
	}
	s.enter(ready, nil)
}

// fail tells the client that an attempt failed. A session goes on, until its renewals
// have failed too often, or once with EndOnFailedRenewal. A renewal that failed for a
// retryable reason does not count.
func (g *Guard) fail(h *verifier.Handshake, err *verifier.UnauthorizedError) {
	live, last, gone := g.failed(err)
	if gone {
		return
	}
	refused := func() { g.a.refused(h, err) }
	if last {
		g.finish(err, nil, refused)
		return
	}
	// Callbacks are queued before the client knows, since it may leave at once: whatever
	// waits for the callbacks of this socket waits for these, too.
	g.notices.add(refused)
	if live {
		g.socket.Emit(EventUnauthorized, nil, newUnauthorized(err))
	} else {
		g.socket.Emit(EventUnauthorized, func() { g.acknowledged(err) }, newUnauthorized(err))
	}
	g.notify()
}

// failed counts a failed attempt. It reports whether the socket has a session, whether
// the socket has to end now, and whether it has ended already.
func (g *Guard) failed(err *verifier.UnauthorizedError) (live, last, gone bool) {
	now := g.a.times()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.state {
	case closed:
		return false, false, true
	case authenticated:
		if err.Retryable {
			return true, false, false
		}
		g.failures++
		return true, g.failures >= g.a.maxAttempts || g.a.endOnFailedRenewal, false
	}
	g.failures++
	last = g.failures >= g.a.maxAttempts || g.a.close == closeNow
	if !last && g.a.close == closeAfter && (g.ends.IsZero() || g.remaining(now) > g.a.closeDelay) {
		g.lifetime = deadline(g.a.closeDelay)
		g.schedule(now)
	}
	return false, last, false
}
