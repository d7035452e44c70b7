package socketio

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Presence shares between processes which sessions there are. An implementation must
// be safe for concurrent use. Package redisstore has one. An application calls Find,
// Count and End; a registry calls the rest.
type Presence interface {
	// Begin adds a session of this process unless its user (namespace, issuer and
	// subject) has limit sessions already, in one step. EvictOldest then ends the oldest
	// ones, wherever they are. RejectNewest has the processes of the others ask their
	// connections for a sign of life ([PresenceFollower.Doubted]), and returns false
	// when all have given one or ctx ends.
	Begin(ctx context.Context, s PresentSession, limit int, policy LimitPolicy) (began bool, err error)

	// Update adds sessions of this process, or replaces those with the same ID, and
	// removes others by their ID.
	Update(ctx context.Context, put []PresentSession, removed []string) error

	// Find returns the sessions that the filter selects, in all processes, in no
	// particular order.
	Find(ctx context.Context, f Filter) ([]PresentSession, error)

	// Count returns how many sessions Find would return.
	Count(ctx context.Context, f Filter) (int, error)

	// End ends sessions by their ID, wherever they are, and returns how many of them
	// there were.
	End(ctx context.Context, ids ...string) (int, error)

	// Follow keeps the sessions of this process from being forgotten, until ctx ends,
	// and then removes them. It returns an error when the others cannot be reached,
	// and is then called again.
	Follow(ctx context.Context, f *PresenceFollower) error
}

// PresentSession is a session of any process that shares a [Presence].
type PresentSession struct {
	ID        string    `json:"id"` // of the session, not of its socket
	Issuer    string    `json:"iss"`
	Subject   string    `json:"sub"`
	SessionID string    `json:"sid"` // the issuer's session
	TokenID   string    `json:"jti"`
	Namespace string    `json:"ns"`
	Began     time.Time `json:"began"`
}

// Selects reports whether the filter selects the session.
func (f Filter) Selects(s PresentSession) bool {
	return (f.Issuer == "" || f.Issuer == s.Issuer) && (f.Subject == "" || f.Subject == s.Subject) &&
		(f.SessionID == "" || f.SessionID == s.SessionID) && (f.TokenID == "" || f.TokenID == s.TokenID) &&
		(f.Namespace == "" || f.Namespace == s.Namespace)
}

// PresenceFollower is what a [Presence] tells a registry, and what it may ask. Its
// functions return without waiting for the application.
type PresenceFollower struct {
	// Reached says that the other processes can be reached.
	Reached func()

	// Restore says that sessions of this process may have been forgotten: they are
	// put again.
	Restore func()

	// Ended says that a session of this process was ended: by a newer one, or by
	// End.
	Ended func(id string, replaced bool)

	// Doubted says that the user of a session of this process wants to log in
	// elsewhere, and that no place is left. The registry then ends the session if its
	// connection is gone ([Liveness]), or otherwise calls Update with it.
	Doubted func(id string)

	// Count returns how many sessions this process has, and Unknown those of the IDs
	// that are none of its sessions.
	Count   func() int
	Unknown func(ids []string) []string
}

const (
	beginTimeout  = 2 * time.Second // for Begin, during a handshake
	updateTimeout = 5 * time.Second
	updateBatch   = 500
)

var errEndedElsewhere = &verifier.UnauthorizedError{
	Code: verifier.CodeUnknown, Message: "ended by the server", Reason: verifier.ErrRejected,
}

// present is what others are told of a session, or of a pass that may become one.
type present struct {
	PresentSession
	began   bool                        // whether others know of it, or are being told
	doubted bool                        // whether its connection is being asked for a sign of life
	session *Session                    // nil for a pass
	ended   *verifier.UnauthorizedError // why others ended it, perhaps before it was a session
	timer   *time.Timer                 // removes a pass that becomes no session
}

// presences is a registry's part of a [Presence].
type presences struct {
	shared   Presence // nil: this process only
	failOpen bool
	wake     chan struct{}
	updating sync.Mutex // held during an update; taken before mu

	mu    sync.Mutex          // guards the rest; taken after the registry's
	mine  map[string]*present // by ID
	queue map[string]bool     // what to tell the others: whether to put or remove
}

// tell queues a message to the others. The caller holds mu.
func (p *presences) tell(id string, put bool) {
	p.queue[id] = put
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func presentOf(t *verifier.Token, namespace string) PresentSession {
	return PresentSession{
		ID: rand.Text(), Issuer: t.Issuer, Subject: t.Subject, SessionID: t.SessionID, TokenID: t.ID,
		Namespace: namespace, Began: time.Now().UTC().Round(0),
	}
}

// appear tells others of a session, which takes the room of its pass if that has some.
// The caller holds the registry's mu.
func (r *Registry) appear(s *Session) {
	l := &r.presences
	if l.shared == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	in := s.pass.Load().present
	if in == nil || l.mine[in.ID] != in {
		in = &present{PresentSession: presentOf(s.Token(), s.Namespace()), began: true}
		l.mine[in.ID] = in
		l.tell(in.ID, true)
	} else {
		in.timer.Stop()
	}
	in.session, s.present = s, in
	if in.ended != nil {
		s.owner.kickLater(in.ended)
	}
}

// change tells others of a session's new token. The caller holds the registry's mu.
func (r *Registry) change(s *Session) {
	if s.present == nil {
		return
	}
	r.presences.mu.Lock()
	defer r.presences.mu.Unlock()
	t, in := s.Token(), &s.present.PresentSession
	in.Issuer, in.Subject, in.SessionID, in.TokenID = t.Issuer, t.Subject, t.SessionID, t.ID
	r.presences.tell(in.ID, true)
}

// disappear tells others that a session is gone. The caller holds the registry's mu.
func (r *Registry) disappear(s *Session) {
	if s.present == nil {
		return
	}
	r.presences.mu.Lock()
	defer r.presences.mu.Unlock()
	delete(r.presences.mine, s.present.ID)
	r.presences.tell(s.present.ID, false)
}

// followPresence keeps what others know of this process, until ctx ends.
func (r *Registry) followPresence(ctx context.Context) {
	r.retry(ctx, &r.absent, func(ctx context.Context) (err error) {
		defer r.recovered("the presence's Follow", &err)
		return r.presences.shared.Follow(ctx, &PresenceFollower{
			Reached: func() { r.found(&r.absent) }, Restore: r.restorePresence, Ended: r.endedElsewhere, Doubted: r.doubted,
			Count: r.presences.count, Unknown: r.presences.unknown,
		})
	})
}

func (p *presences) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, in := range p.mine {
		if in.began {
			n++
		}
	}
	return n
}

func (p *presences) unknown(ids []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return p.mine[id] != nil })
}

func (r *Registry) restorePresence() {
	r.presences.mu.Lock()
	defer r.presences.mu.Unlock()
	for id, in := range r.presences.mine {
		if in.began {
			r.presences.tell(id, true)
		}
	}
}

func (r *Registry) endedElsewhere(id string, replaced bool) {
	why := errEndedElsewhere
	if replaced {
		why = errReplaced
	}
	r.presences.mu.Lock()
	in := r.presences.mine[id]
	var s *Session
	if in != nil {
		s, in.ended = in.session, why
	}
	r.presences.mu.Unlock()
	if s != nil {
		s.owner.kickLater(why)
	}
}

// tellPresence tells others what is queued, until ctx ends.
func (r *Registry) tellPresence(ctx context.Context) {
	pause := minRetry
	for ctx.Err() == nil {
		switch n := r.updatePresence(ctx); {
		case n > 0:
			pause = minRetry
		case n == 0:
			select {
			case <-r.presences.wake:
			case <-ctx.Done():
			}
		default:
			wait(ctx, pause)
			pause = min(2*pause, maxRetry)
		}
	}
}

// updatePresence tells others a part of what is queued. It returns how many sessions
// that was, and -1 if others could not be told.
func (r *Registry) updatePresence(ctx context.Context) (n int) {
	l := &r.presences
	l.updating.Lock()
	defer l.updating.Unlock()
	var put []PresentSession
	var removed []string
	l.mu.Lock()
	for id, there := range l.queue {
		if n++; n > updateBatch {
			n--
			break
		}
		delete(l.queue, id)
		if in := l.mine[id]; there && in != nil && in.ended == nil {
			put = append(put, in.PresentSession)
		} else {
			removed = append(removed, id)
		}
	}
	l.mu.Unlock()
	if n == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	err := r.update(ctx, put, removed)
	if err == nil {
		return n
	}
	r.logger.Debug("socketio: the presence was not updated, and will be", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range put {
		if _, ok := l.queue[s.ID]; !ok {
			l.queue[s.ID] = true
		}
	}
	for _, id := range removed {
		if _, ok := l.queue[id]; !ok {
			l.queue[id] = false
		}
	}
	return -1
}

func (r *Registry) update(ctx context.Context, put []PresentSession, removed []string) (err error) {
	defer r.recovered("the presence's Update", &err)
	return r.presences.shared.Update(ctx, put, removed)
}

var errNoPresence = errors.New("socketio: the presence has not yet answered")

// startPresence shares the sessions, until ctx ends.
func (r *Registry) startPresence(ctx context.Context) {
	r.absent = outage{
		why: errNoPresence, name: "the presence of other processes",
		policy: "sockets of users with a session limit are refused until it is back",
	}
	if r.presences.failOpen {
		r.absent.policy = "session limits hold only within each process"
	}
	r.tasks.Go(func() { r.followPresence(ctx) })
	r.tasks.Go(func() { r.tellPresence(ctx) })
}

// presenceErr says why the presence is out of reach. The caller holds mu.
func (r *Registry) presenceErr() error {
	if r.absent.why == nil {
		return nil
	}
	return fmt.Errorf("socketio: presence: %w", r.absent.why)
}
