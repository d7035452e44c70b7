package socketio

import (
	"math"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var (
	errExpired = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt expired", Reason: verifier.ErrTokenExpired,
	}
	errSessionAge = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "session expired", Reason: ErrSessionExpired, Retryable: true,
	}
)

// expiring is the argument of the expiry notice.
type expiring struct {
	ExpiresIn int64 `json:"expires_in"` // seconds
}

// lifetimeOf returns when a session ends, by its token and its age.
func (a *Authorizer) lifetimeOf(s *Session, now times) lifetime {
	l := lifetime{since: now.mono}
	if valid := s.Token().ValidUntil(); !valid.IsZero() && !a.ignoreExpiry {
		l.ends = valid.Add(a.grace)
		l.left = l.ends.Sub(now.wall)
		if a.noticeEvent != "" {
			// If a token lives for less than the notice, the server would announce its
			// end at once, and that of its successor: the client would renew without end.
			lead := min(a.noticeLead, l.left/2)
			l.notice, l.noticeLeft = l.ends.Add(-lead), l.left-lead
		}
	}
	if a.maxAge > 0 {
		if left := a.maxAge - max(s.age(now), now.wall.Sub(s.began)); l.ends.IsZero() || left < l.left {
			// Without a notice, since a renewal would not help.
			l = lifetime{ends: s.began.Add(a.maxAge), since: now.mono, left: left, aged: true}
		}
	}
	return l
}

// setLifetime sets the session's end by its token and its age. The caller holds mu.
func (g *Guard) setLifetime(now times) {
	g.lifetime = g.a.lifetimeOf(g.session, now)
	g.schedule(now)
}

// over reports whether the socket's time is up. The caller holds mu.
func (g *Guard) over(now times) bool { return !g.ends.IsZero() && g.remaining(now) <= 0 }

// remaining returns the time until the socket's end. The caller holds mu.
func (g *Guard) remaining(now times) time.Duration {
	left := g.left - now.mono.Sub(g.since)
	if g.state == authenticated {
		left = min(left, g.ends.Sub(now.wall))
	}
	return left
}

// untilNotice returns the time until the expiry notice. The caller holds mu.
func (g *Guard) untilNotice(now times) time.Duration {
	return min(g.noticeLeft-now.mono.Sub(g.since), g.notice.Sub(now.wall))
}

// schedule sets the socket's only timer to the next notice or end. The caller holds mu.
func (g *Guard) schedule(now times) {
	if g.ends.IsZero() {
		g.unschedule()
		return
	}
	d := g.remaining(now)
	if !g.notice.IsZero() {
		d = min(d, g.untilNotice(now))
	}
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

// tick runs when the timer fires. It checks what is due: the timer may have been reset
// just before it fired.
func (g *Guard) tick() {
	defer g.rescue()
	now := g.a.moment()
	g.mu.Lock()
	switch {
	case g.state == closed || g.ends.IsZero():
		g.mu.Unlock()
	case g.over(now):
		g.mu.Unlock()
		g.timeUp()
	case !g.notice.IsZero() && g.untilNotice(now) <= 0:
		left := g.remaining(now)
		g.notice = time.Time{}
		g.schedule(now)
		g.sessionLater(now, "session expires soon", g.session, "in", left)
		g.mu.Unlock()
		g.socket.Emit(g.a.noticeEvent, nil, expiring{int64(math.Round(left.Seconds()))})
		g.notify()
	default:
		g.schedule(now)
		g.mu.Unlock()
	}
}
