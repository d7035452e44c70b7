package socketio

import (
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// kick ends the socket, and tells the client and the callbacks why.
func (g *Guard) kick(err *verifier.UnauthorizedError) {
	g.kickIf(err, nil)
}

func (g *Guard) kickLater(err *verifier.UnauthorizedError) {
	g.async(func() { g.kick(err) })
}

// kickIf calls kick if the condition holds. It evaluates the condition with mu held, so
// that no renewal comes in between. It does not wait for callbacks.
func (g *Guard) kickIf(err *verifier.UnauthorizedError, condition func() bool) {
	err = complete(err)
	g.finish(err, condition, func() { g.report(err) })
}

// finish closes the socket with "unauthorized", unless it is closed already or the
// condition does not hold. It queues tell, which may be nil, with the notifications.
func (g *Guard) finish(err *verifier.UnauthorizedError, condition func() bool, tell func()) {
	if g.end(err, condition, tell) {
		g.leave(err, EventUnauthorized, newUnauthorized(err))
	}
}

// leave asks the binding to close the socket, and then delivers the notifications.
func (g *Guard) leave(cause error, event string, args ...any) {
	g.a.guarded("closing a socket", func() { g.socket.Close(cause, event, args...) })
	g.notifyLater()
}

// acknowledged disconnects a socket whose client has read its refusal, unless a later
// attempt succeeded.
func (g *Guard) acknowledged(err error) {
	if g.end(err, func() bool { return g.state == pending }, nil) {
		g.leave(err, "")
	}
}

// timeUp ends a session that has expired, or a socket that did not authenticate in time.
// It tells the client why, unless the client already knows from a failed attempt.
func (g *Guard) timeUp() {
	now := g.a.moment()
	g.mu.Lock()
	if g.state == closed || !g.over(now) {
		g.mu.Unlock()
		return
	}
	err, told := errExpired, false
	switch {
	case g.state != authenticated:
		err, told = errTimeout, g.failures > 0
	case g.aged:
		err = errSessionAge
	}
	g.endLocked(err, now, func() { g.report(err) })
	g.mu.Unlock()
	if told {
		g.leave(err, "")
	} else {
		g.leave(err, EventUnauthorized, newUnauthorized(err))
	}
}

// end moves to the state closed and reports true, unless the socket is closed already or
// the condition does not hold. It queues tell, which may be nil, with the notifications;
// notify delivers them.
func (g *Guard) end(cause error, condition func() bool, tell func()) bool {
	now := g.a.moment()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == closed || condition != nil && !condition() {
		return false
	}
	g.endLocked(cause, now, tell)
	return true
}

// endLocked moves to the state closed. The caller holds mu.
func (g *Guard) endLocked(cause error, now times, tell func()) {
	g.state = closed
	g.unschedule()
	g.a.waiting.remove(g.place)
	if g.cancel != nil {
		g.cancel(cause)
	}
	if s := g.session; s != nil {
		g.a.registry.remove(s)
		s.enter(ended, cause)
	}
	g.ended(cause, now, tell)
}

// report tells the log and the functions of OnFailure why the socket ended.
func (g *Guard) report(err *verifier.UnauthorizedError) {
	if s := g.current(); s != nil {
		g.a.failed(s.Handshake(), err)
	} else {
		g.a.refused(g.handshake, err)
	}
}

// notifications are the calls of callbacks about one socket. They run in order, one at a
// time.
type notifications struct {
	mu    sync.Mutex // guards the rest; never held while a callback runs
	queue []func()
	busy  bool // whether a goroutine is at the queue
}

// add queues a notification. It may be called under a guard's lock.
func (n *notifications) add(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, f)
}

// claim reports whether the caller must deliver what is queued.
func (n *notifications) claim() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy || len(n.queue) == 0 {
		return false
	}
	n.busy = true
	return true
}

func (n *notifications) next() func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue) == 0 {
		n.busy, n.queue = false, nil
		return nil
	}
	f := n.queue[0]
	n.queue = n.queue[1:]
	return f
}

// notify delivers what is queued, in the caller's goroutine, unless another goroutine is
// delivering. The caller holds no lock.
func (g *Guard) notify() {
	if g.notices.claim() {
		g.deliver()
	}
}

// notifyLater delivers in a separate goroutine, for callers that must not wait for
// callbacks.
func (g *Guard) notifyLater() {
	if g.notices.claim() {
		go g.deliver()
	}
}

func (g *Guard) deliver() {
	for f := g.notices.next(); f != nil; f = g.notices.next() {
		g.a.guarded("a callback", f)
	}
}

// sessionLater queues a log line about a session.
func (g *Guard) sessionLater(now times, what string, s *Session, more ...any) {
	if now.debug {
		t := s.Token()
		g.notices.add(func() { g.a.sessionLog(what, g.handshake, t, more...) })
	}
}

// began, renewed and ended queue the calls of the observers and the log. The caller
// holds mu, so that the calls are in order.
func (g *Guard) began(s *Session, now times) {
	g.sessionLater(now, "authenticated", s)
	t := s.Token()
	for _, o := range g.a.observers {
		if o.Began != nil {
			g.observed(func() { o.Began(s.Handshake(), t) })
		}
	}
}

func (g *Guard) renewed(s *Session, now times) {
	g.sessionLater(now, "renewed", s)
	t := s.Token()
	for _, o := range g.a.observers {
		if o.Renewed != nil {
			g.observed(func() { o.Renewed(s.Handshake(), t) })
		}
	}
}

func (g *Guard) ended(cause error, now times, tell func()) {
	if s := g.session; s != nil {
		if g.ruledRooms() || g.a.policy.roomTokens != nil {
			g.notices.add(s.rooms.stop)
		}
		g.sessionLater(now, "session ended", s, "cause", cause)
		t, lasted := s.Token(), s.age(now)
		for _, o := range g.a.observers {
			if o.Ended != nil {
				g.observed(func() { o.Ended(s.Handshake(), t, lasted, cause) })
			}
		}
	} else if err, ok := cause.(*verifier.UnauthorizedError); ok {
		for _, o := range g.a.observers {
			if o.Dropped != nil {
				g.observed(func() { o.Dropped(g.handshake, err) })
			}
		}
	}
	if tell != nil {
		g.notices.add(tell)
	}
}

// observed queues a call of an observer.
func (g *Guard) observed(f func()) {
	g.notices.add(func() { g.a.guarded("an Observer", f) })
}
