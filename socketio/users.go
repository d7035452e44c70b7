package socketio

import (
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// LimitPolicy says which session ends when a user has too many.
type LimitPolicy int

// The policies of [SessionLimit].
const (
	// RejectNewest refuses the new session. Before, it asks the user's other connections
	// for a sign of life ([Liveness]), for up to 2 s, and those that give none make
	// room. With a [Presence] it asks those of other processes too.
	RejectNewest LimitPolicy = iota
	// EvictOldest ends the user's oldest session.
	EvictOldest
)

type sessionLimit struct {
	n      int // zero for no limit
	policy LimitPolicy
}

var (
	errSessionLimit = &verifier.UnauthorizedError{
		Code: string(ErrSessionLimit), Message: "too many sessions", Reason: ErrSessionLimit, Retryable: true,
	}
	// One that was replaced must not come back on its own, only to replace its
	// successor.
	errReplaced = &verifier.UnauthorizedError{
		Code: string(ErrSessionLimit), Message: "replaced by a newer session", Reason: ErrSessionLimit,
	}
)

// user is a user in a namespace, whose sessions a [SessionLimit] counts. [SameIdentity]
// may divide a user further, into groups.
type user struct{ namespace, issuer, subject string }

// group is the live sessions of one identity of a user, the oldest first. The registry
// guards its links.
type group struct {
	user  user
	token *verifier.Token // of the session that began it
	n     int
	first *Session // of the ring by Session.peers

	probing bool // whether its connections are asked for a sign of life
}

// place is the group that a session of a token belongs to. It is looked up without the
// registry's lock, since the lookup may call SameIdentity.
type place struct {
	user  user
	group *group   // nil: it begins one
	seen  []*group // what the user's groups were
	asked bool     // whether SameIdentity was asked about them
}

// stale reports whether the groups have changed since, so that the lookup must be
// repeated.
func (p place) stale(now []*group) bool { return p.asked && !slices.Equal(p.seen, now) }

// placeOf looks up the place of a token's session in a namespace. Tokens that are bound
// to different keys (cnf) share a place: otherwise a client that generates keys would
// have no limit. The slices in users are replaced, never changed.
func (r *Registry) placeOf(rules *sessionRules, t *verifier.Token, namespace string) place {
	p := place{user: user{namespace, t.Issuer, t.Subject}}
	if t.Subject == "" {
		return p
	}
	r.mu.Lock()
	p.seen = r.users[p.user]
	r.mu.Unlock()
	if rules.same == nil {
		if len(p.seen) > 0 {
			p.group = p.seen[0]
		}
		return p
	}
	p.asked = true
	for _, g := range p.seen {
		if rules.sameUser(g.token, t) {
			p.group = g
			break
		}
	}
	return p
}

// full reports whether the limit is reached at the place. The caller holds mu.
func (r *Registry) full(at place, limit sessionLimit) bool {
	return limit.n > 0 && at.group != nil && at.group.n >= limit.n
}

// oldest returns up to n sessions of a group, the oldest first. The caller holds mu.
func (g *group) oldest(n int) []*Session {
	var found []*Session
	for s := g.first; s != nil && len(found) < n; {
		found = append(found, s)
		if s = s.peers.next; s == g.first {
			break
		}
	}
	return found
}

// enter puts a session at its place. The caller holds mu.
func (r *Registry) enter(s *Session, at place) {
	if at.user.subject == "" {
		return
	}
	g := at.group
	if groups := r.users[at.user]; g == nil || g.n == 0 { // a new one, or one that all have left
		if !at.asked && len(groups) > 0 {
			g = groups[0]
		} else {
			g = &group{user: at.user, token: s.Token()}
			r.users[at.user] = append(slices.Clip(groups), g)
		}
	}
	s.group = g
	if g.n++; g.n == 1 {
		g.first, s.peers = s, link{s, s}
		return
	}
	last := g.first.peers.prev
	s.peers = link{last, g.first}
	last.peers.next, g.first.peers.prev = s, s
}

// leave takes a session out of its group. The caller holds mu.
func (r *Registry) leave(s *Session) {
	g := s.group
	if g == nil {
		return
	}
	s.group = nil
	if g.n--; g.n == 0 {
		g.first = nil
		groups := slices.DeleteFunc(slices.Clone(r.users[g.user]), func(other *group) bool { return other == g })
		if r.users[g.user] = groups; len(groups) == 0 {
			delete(r.users, g.user)
		}
		return
	}
	s.peers.prev.peers.next, s.peers.next.peers.prev = s.peers.next, s.peers.prev
	if g.first == s {
		g.first = s.peers.next
	}
	s.peers = link{}
}
