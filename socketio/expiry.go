package socketio

import (
	"math"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// DefaultExpiryNotice is how long before its end a session is told of it.
const DefaultExpiryNotice = time.Minute

// clockCheck is how often a session looks at the wall clock. Timers run by the
// monotonic clock, which knows nothing of a clock that is set or a machine that
// slept: the session's end does. It also keeps every timer short of overflow.
const clockCheck = 30 * time.Second

var (
	errExpired = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt expired", Reason: verifier.ErrTokenExpired,
	}
	errSessionAge = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "session expired", Reason: ErrSessionExpired, Retryable: true,
	}
)

// expiring is the argument of the heads-up event.
type expiring struct {
	ExpiresIn int64 `json:"expires_in"` // seconds
}

// lifetime tells when a session that began then ends by this token, zero for
// never, and when the client is to be told so, zero for not at all.
func (a *Authorizer) lifetime(t *verifier.Token, began, now time.Time) (ends, notice time.Time) {
	if valid := t.ValidUntil(); !valid.IsZero() && !a.ignoreExpiry {
		ends = valid.Add(a.grace)
		if a.noticeEvent != "" {
			// A token shorter than the notice would be announced at once, and
			// its successor again: a client that renews would never stop.
			notice = ends.Add(-min(a.noticeLead, ends.Sub(now)/2))
		}
	}
	if a.maxAge > 0 {
		if last := began.Add(a.maxAge); ends.IsZero() || last.Before(ends) {
			// No notice, for a renewal would not help.
			ends, notice = last, time.Time{}
		}
	}
	return ends, notice
}

// setLifetime has the session end when its token and its age say so. The caller
// holds mu.
func (g *Guard) setLifetime() {
	g.ends, g.notice = g.a.lifetime(g.session.Token(), g.session.began, g.a.now())
	g.schedule()
}

// overdue reports whether the socket's time is up. The caller holds mu.
func (g *Guard) overdue() bool { return !g.ends.IsZero() && !g.now().Before(g.ends) }

// now is the clock that the socket's time is measured by: how long it may be
// pending is a matter between us and the client, and no clock that is set
// changes it; when a token expires is a date. The caller holds mu.
func (g *Guard) now() time.Time {
	if g.state == authenticated {
		return g.a.now()
	}
	return time.Now()
}

// schedule sets the socket's only timer to what is due next. The caller holds mu.
func (g *Guard) schedule() {
	if g.ends.IsZero() {
		g.unschedule()
		return
	}
	next := g.ends
	if !g.notice.IsZero() {
		next = g.notice
	}
	d := next.Sub(g.now())
	if g.state == authenticated {
		d = min(d, clockCheck)
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(d, g.tick)
	} else {
		g.timer.Reset(d)
	}
}

// unschedule stops the timer. The caller holds mu.
func (g *Guard) unschedule() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// tick is what the timer calls. It looks at what is due by now: a timer that was
// set anew and fires all the same finds nothing.
func (g *Guard) tick() {
	g.mu.Lock()
	now := g.now()
	switch {
	case g.state == closed || g.ends.IsZero():
		g.mu.Unlock()
	case g.overdue():
		g.mu.Unlock()
		g.timeUp()
	case !g.notice.IsZero() && !now.Before(g.notice):
		left := g.ends.Sub(now)
		g.notice = time.Time{}
		g.schedule()
		g.mu.Unlock()
		g.a.sessionLog("session expires soon", g.current(), "in", left)
		g.socket.Emit(g.a.noticeEvent, nil, expiring{int64(math.Round(left.Seconds()))})
	default:
		g.schedule()
		g.mu.Unlock()
	}
}

// timeUp ends a socket whose time is up: a session, or one that did not
// authenticate in time. Of the latter one that was told of a failed attempt
// knows why; one that was told nothing yet is told now.
func (g *Guard) timeUp() {
	g.mu.Lock()
	if g.state == closed || !g.overdue() {
		g.mu.Unlock()
		return
	}
	err, told := errExpired, false
	switch {
	case g.state != authenticated:
		err, told = errTimeout, g.failures > 0
	case g.a.maxAge > 0 && g.ends.Equal(g.session.began.Add(g.a.maxAge)):
		err = errSessionAge
	}
	g.shutLocked(err)
	g.mu.Unlock()
	g.a.refused(g.handshake, g.current(), err)
	if told {
		g.socket.Close(err, "")
	} else {
		g.socket.Close(err, EventUnauthorized, newUnauthorized(err))
	}
}
