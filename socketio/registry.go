package socketio

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/tasks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Registry knows the live sessions and the revoked tokens. Each [Authorizer] has its
// own, unless several share one ([WithRegistry]): those of several namespaces or
// servers. It is safe for concurrent use.
type Registry struct {
	store    RevocationStore
	failOpen bool
	logger   *slog.Logger
	stop     context.CancelFunc
	tasks    tasks.Group

	wake      chan struct{} // has pending revocations put
	presences presences

	mu       sync.Mutex                   // guards the rest
	index    [indexes]map[string]*Session // the longest-lived of each name's ring
	sessions int                          // how many
	users    map[user][]*group            // the sessions that limits count
	revocations
	following
}

// The names that sessions can be found by. Each session stands in one ring for
// each of its names, so that finding the sessions of a user costs as much as
// there are, and ends of others cost nothing.
const (
	byAll = iota
	byIssuer
	bySubject
	bySessionID
	byTokenID
	indexes
)

// listing is what the registry keeps with a session. Its mu guards it.
type listing struct {
	links   [indexes]link // its neighbours in the rings of its names
	group   *group        // its user's sessions, in the order in which they began
	peers   link          // its neighbours in the group
	present *present      // what other processes know of it, nil without a Presence
}

// link is a session's place in a ring of sessions that share a name, in the order in
// which they got it.
type link struct{ prev, next *Session }

// RegistryOptions sets up a [Registry]. The zero value keeps revocations in
// memory, for this process.
type RegistryOptions struct {
	// Store shares revocations with other processes.
	Store RevocationStore

	// FailOpen says what to do while the Store is out of reach, so that
	// somebody revoked elsewhere may not be known here: let sockets
	// authenticate and renew nevertheless. By default they are refused with
	// [ErrRevocationsUnavailable], which is retryable. Live sessions stay in
	// either case, and revocations made here hold here. Both changes are
	// logged, and [Registry.Err] tells.
	FailOpen bool

	// Presence shares with other processes which sessions there are, so that
	// [SessionLimit] holds over all of them, and sessions can be found, counted and
	// ended wherever they are.
	Presence Presence

	// PresenceFailOpen says what to do with sockets of users with a session limit
	// while the Presence is unreachable: accept them, with the limit of this process
	// only. By default they are refused with [ErrPresenceUnavailable], which is
	// retryable. Live sessions stay in either case.
	PresenceFailOpen bool

	// Logger is told when the Store or the Presence is lost and found:
	// [slog.Default] by default.
	Logger *slog.Logger
}

// NewRegistry makes a registry; nil options are the defaults. One with a Store
// follows it until it is closed.
func NewRegistry(o *RegistryOptions) *Registry {
	if o == nil {
		o = &RegistryOptions{}
	}
	r := &Registry{
		store: o.Store, failOpen: o.FailOpen, logger: o.Logger, wake: make(chan struct{}, 1), users: make(map[user][]*group),
		revocations: newRevocations(), following: following{changed: make(chan struct{})},
		presences: presences{
			shared: o.Presence, failOpen: o.PresenceFailOpen, wake: make(chan struct{}, 1),
			mine: make(map[string]*present), queue: make(map[string]bool),
		},
	}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	r.logger = safeLogger(r.logger)
	for i := range r.index {
		r.index[i] = make(map[string]*Session)
	}
	if r.store == nil && o.Presence == nil {
		return r
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	if r.store != nil {
		r.startStore(ctx)
	}
	if o.Presence != nil {
		r.startPresence(ctx)
	}
	return r
}

// Close stops following the Store and the Presence, which forgets the sessions of this
// process. It ends no session; from then on both count as out of reach. It returns an
// error if they have not returned after five seconds.
func (r *Registry) Close() error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if r.tasks.Wait(ctx) != nil {
		return errors.New("socketio: Close: the store or the presence ignores its context")
	}
	return nil
}

// Filter selects sessions: those whose names are all the given ones. An empty
// field selects any.
type Filter struct {
	Issuer    string // iss
	Subject   string // sub; unique within an issuer only
	SessionID string // sid, the issuer's session
	TokenID   string // jti
	Namespace string
}

func (f Filter) match(s *Session) bool {
	t := s.Token()
	return (f.Issuer == "" || f.Issuer == t.Issuer) && (f.Subject == "" || f.Subject == t.Subject) &&
		(f.SessionID == "" || f.SessionID == t.SessionID) && (f.TokenID == "" || f.TokenID == t.ID) &&
		(f.Namespace == "" || f.Namespace == s.Namespace())
}

// ring returns which ring to look at, the shortest there can be.
func (f Filter) ring() (by int, name string) {
	switch {
	case f.TokenID != "":
		return byTokenID, f.TokenID
	case f.SessionID != "":
		return bySessionID, f.SessionID
	case f.Subject != "":
		return bySubject, f.Subject
	case f.Issuer != "":
		return byIssuer, f.Issuer
	}
	return byAll, ""
}

// Sessions returns the live sessions that the filter selects, as they are when
// the iteration begins. It costs as much as there are sessions of the token id,
// sid, subject or issuer that is given, the first of these; without any of them
// as much as there are sessions.
func (r *Registry) Sessions(f Filter) iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		r.mu.Lock()
		found := r.find(f)
		r.mu.Unlock()
		for _, s := range found {
			if !yield(s) {
				return
			}
		}
	}
}

// Count returns how many sessions the filter selects.
func (r *Registry) Count(f Filter) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f == (Filter{}) {
		return r.sessions
	}
	n := 0
	r.each(f, func(*Session) { n++ })
	return n
}

// find returns the sessions that the filter selects. The caller holds mu.
func (r *Registry) find(f Filter) []*Session {
	var found []*Session
	r.each(f, func(s *Session) { found = append(found, s) })
	return found
}

func (r *Registry) each(f Filter, do func(*Session)) {
	by, name := f.ring()
	first := r.index[by][name]
	for s := first; s != nil; {
		if f.match(s) {
			do(s)
		}
		if s = s.links[by].next; s == first {
			return
		}
	}
}

// names returns what a session of the token can be found by, in the order of the
// indexes. An empty name finds nothing, except for the one that all have.
func names(t *verifier.Token) [indexes]string {
	return [indexes]string{byIssuer: t.Issuer, bySubject: t.Subject, bySessionID: t.SessionID, byTokenID: t.ID}
}

// insert and extract put a session into a ring, and take it out. The caller
// holds mu.
func (r *Registry) insert(s *Session, by int, name string) {
	if name == "" && by != byAll {
		return
	}
	first := r.index[by][name]
	if first == nil {
		r.index[by][name] = s
		s.links[by] = link{s, s}
		return
	}
	last := first.links[by].prev
	s.links[by] = link{last, first}
	last.links[by].next, first.links[by].prev = s, s
}

func (r *Registry) extract(s *Session, by int, name string) {
	l := s.links[by]
	if l.next == nil {
		return
	}
	s.links[by] = link{}
	if l.next == s {
		delete(r.index[by], name)
		return
	}
	l.prev.links[by].next, l.next.links[by].prev = l.next, l.prev
	if r.index[by][name] == s {
		r.index[by][name] = l.next
	}
}

// check tells why a token may not have a session, nil if it may. The caller holds
// mu.
func (r *Registry) check(t *verifier.Token) *verifier.UnauthorizedError {
	switch r.coverage(t, time.Time{}) {
	case covered:
		return errRevoked
	case ahead:
		return errRevokedAhead
	}
	if r.behind.why != nil && !r.failOpen {
		return unavailable(r.behind.why)
	}
	return nil
}

// refuses is check.
func (r *Registry) refuses(t *verifier.Token) *verifier.UnauthorizedError {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.check(t)
}

// Check returns an error if the token may not be used now, for callers that
// authorize something other than a socket, such as an HTTP request: an
// [*verifier.UnauthorizedError] with the reason [ErrTokenRevoked], or
// [ErrRevocationsUnavailable] (retryable) while the Store is out of reach and
// FailOpen is not set. It does not verify the token.
func (r *Registry) Check(t *verifier.Token) error {
	if err := r.refuses(t); err != nil {
		return err
	}
	return nil
}

// mayBegin tells why a new session of the token in the namespace would be refused, nil
// if it would not be.
func (r *Registry) mayBegin(rules *sessionRules, t *verifier.Token, namespace string) *verifier.UnauthorizedError {
	at := r.placeOf(rules, t, namespace)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(t); err != nil {
		return err
	}
	if r.full(at, rules.limit) && rules.limit.policy == RejectNewest {
		return errSessionLimit
	}
	return nil
}

// add registers a session, if its token is still good and its user may have one
// more. It returns those that have to end for it; or again, if the place has to be
// looked for once more.
func (r *Registry) add(s *Session, at place) (evicted []*Session, again bool, err *verifier.UnauthorizedError) {
	p := s.pass.Load()
	t, limit := p.token, p.rules.limit
	r.mu.Lock()
	defer r.mu.Unlock()
	// The check and the entry are one step: anyone who revokes the token later
	// finds the session.
	if err := r.check(t); err != nil {
		return nil, false, err
	}
	if at.stale(r.users[at.user]) {
		return nil, true, nil
	}
	reserved, err := r.reserved(p)
	if err != nil {
		return nil, false, err
	}
	if !reserved && r.full(at, limit) { // or all processes have decided
		if limit.policy == RejectNewest {
			return nil, false, errSessionLimit
		}
		evicted = at.group.oldest(at.group.n - limit.n + 1)
	}
	r.enter(s, at)
	for by, name := range names(t) {
		r.insert(s, by, name)
	}
	r.sessions++
	r.appear(s)
	return evicted, false, nil
}

// replace gives a registered session another token, if that is good.
func (r *Registry) replace(s *Session, p *Pass) *verifier.UnauthorizedError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(p.token); err != nil {
		return err
	}
	old, renewed := names(s.Token()), names(p.token)
	for by := range renewed {
		if old[by] != renewed[by] {
			r.extract(s, by, old[by])
			r.insert(s, by, renewed[by])
		}
	}
	s.pass.Store(p)
	if old != renewed {
		r.change(s)
	}
	return nil
}

// remove forgets a session.
func (r *Registry) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.links[byAll].next == nil {
		return
	}
	for by, name := range names(s.Token()) {
		r.extract(s, by, name)
	}
	r.leave(s)
	r.disappear(s)
	r.sessions--
}
