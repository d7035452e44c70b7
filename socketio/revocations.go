package socketio

import (
	"iter"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// revocations is the list of what was revoked. The registry's mu guards it.
type revocations struct {
	revoked map[indexed][]entry     // by what they name
	entries int                     // in revoked
	prune   int                     // at how many entries the expired ones are dropped
	round   uint                    // counts how often the store's list was read from its start
	pending map[Revocation]struct{} // to be put, since the store does not have them
	made    map[Revocation]struct{} // made here, while others may have changed the list unknown to this process
	failure error                   // of the last Put that failed
	skew    time.Duration           // the store's clock minus this process's
}

// entry is a revocation, and when the store last had it.
type entry struct {
	Revocation
	seen uint // the round in which the store had it; zero for never
}

// minPrune is how many revocations are kept before the expired ones are dropped.
const minPrune = 1024

func newRevocations() revocations {
	return revocations{
		revoked: make(map[indexed][]entry), prune: minPrune,
		pending: make(map[Revocation]struct{}), made: make(map[Revocation]struct{}),
	}
}

// now is the time that the expiry of revocations is judged by: the earlier of the
// store's clock and this process's. A fast clock forgets none too early.
func (l *revocations) now() time.Time { return time.Now().Add(min(0, l.skew)) }

// outlast returns the revocation with an expiry that no withdrawal covers, so that
// anyone who is revoked again is.
func (l *revocations) outlast(v Revocation) Revocation {
	for _, old := range l.revoked[v.key()] {
		if old.Withdrawn && old.filter() == v.filter() && !v.Expires.After(old.Expires) {
			v.Expires = old.Expires.Add(1)
		}
	}
	return v
}

// supersedes reports whether old is superfluous once r is known.
func (r Revocation) supersedes(old Revocation) bool {
	switch {
	case r.Withdrawn:
		return r.filter() == old.filter() && !old.Expires.After(r.Expires)
	case old.Withdrawn:
		return false
	}
	return r.covers(old)
}

// remember adds a revocation to the list, unless another one makes it superfluous.
func (l *revocations) remember(v Revocation, now time.Time) {
	key := v.key()
	list := l.revoked[key]
	for _, old := range list {
		if old.supersedes(v) {
			return
		}
	}
	kept := list[:0]
	for _, old := range list {
		if !v.supersedes(old.Revocation) {
			kept = append(kept, old)
		}
	}
	l.entries += len(kept) + 1 - len(list)
	l.revoked[key] = append(kept, entry{Revocation: v})
	if l.entries < l.prune {
		return
	}
	// Expired entries cost only memory. They are dropped when there may be as many
	// as live ones.
	l.entries = 0
	for key, list := range l.revoked {
		kept := list[:0]
		for _, old := range list {
			if old.Expires.After(now) {
				kept = append(kept, old)
			}
		}
		if l.revoked[key] = kept; len(kept) == 0 {
			delete(l.revoked, key)
		}
		l.entries += len(kept)
	}
	l.prune = max(minPrune, 2*l.entries)
}

// sawStored notes that the store has a revocation.
func (l *revocations) sawStored(v Revocation) {
	list := l.revoked[v.key()]
	for i := range list {
		if list[i].Revocation == v {
			list[i].seen = l.round
		}
	}
}

// revive returns the revocations made here that a withdrawal from elsewhere would
// undo although they were made without knowing of it.
func (l *revocations) revive(withdrawal Revocation) []Revocation {
	var again []Revocation
	for v := range l.made {
		if withdrawal.supersedes(v) {
			delete(l.made, v)
			delete(l.pending, v)
			v.Expires = withdrawal.Expires.Add(1)
			l.made[v] = struct{}{}
			again = append(again, v)
		}
	}
	return again
}

// issuersNow is what a token's iat is compared with: the store's clock, if there is one.
func (l *revocations) issuersNow() time.Time { return time.Now().Add(l.skew) }

// coverage tells whether a token is revoked: see [Revocation.match]. The caller holds mu.
func (l *revocations) coverage(t *verifier.Token, here time.Time) coverage {
	if l.entries == 0 {
		return spared
	}
	found, now, issued := spared, l.now(), l.issuersNow()
	for by, name := range names(t) {
		if name == "" {
			continue
		}
		for _, v := range l.revoked[indexed{by, name}] {
			if v.Withdrawn || !v.Expires.After(now) {
				continue
			}
			switch c := v.match(t, issued, here); c {
			case covered:
				return covered
			case ahead, longSince:
				found = c
			}
		}
	}
	return found
}

// apply adds a revocation to the list and ends the sessions it is about.
func (r *Registry) apply(v Revocation) {
	endAll(r.learn(v, false))
}

// learn adds a revocation to the list and returns functions that end the sessions
// it is about. stored says that it comes from the
// store.
func (r *Registry) learn(v Revocation, stored bool) (ends []func()) {
	v = v.stored()
	found, again, more := r.note(v, stored)
	if len(again) > 0 {
		r.postpone(errWithdrawnElsewhere, again...)
	}
	if r.store != nil {
		r.postpone(errAhead, more...)
	}
	if found == nil {
		return nil
	}
	r.logger.Debug("socketio: revoked", "by", v.named(), "sessions", len(found))
	r.mu.Lock()
	issued := r.issuersNow()
	r.mu.Unlock()
	for _, s := range found {
		// A renewal may just have replaced the token.
		ends = append(ends, func() {
			s.owner.kickIf(errRevoked, func() bool { p := s.pass.Load(); return v.match(p.token, issued, p.received) != spared })
		})
	}
	return ends
}

// note is the part of learn that holds mu. It returns the sessions to end, not nil if there may
// be any, the revocations to put again, and more that keep out tokens of those sessions.
func (r *Registry) note(v Revocation, stored bool) (found []*Session, again, more []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if v.key().by == byAll || !v.Expires.After(now) {
		return nil, nil, nil
	}
	if stored && v.Withdrawn {
		again = r.revive(v)
	}
	r.remember(v, now)
	for _, a := range again {
		r.remember(a, now)
	}
	if stored {
		r.sawStored(v)
	}
	if v.Withdrawn {
		return nil, again, nil
	}
	found = []*Session{}
	for _, s := range r.find(v.filter()) {
		p := s.pass.Load()
		c := v.match(p.token, r.issuersNow(), p.received)
		if c == spared || r.coverage(p.token, p.received) == spared { // it was withdrawn
			continue
		}
		found = append(found, s)
		if c != covered {
			more = append(more, v.keepOut(p.token))
		}
	}
	for _, m := range more {
		r.remember(m, now)
	}
	return found, again, more
}

// missing iterates over the revocations that the store has not had since its list
// was last read from its start.
func (r *Registry) missing() iter.Seq[Revocation] {
	return func(yield func(Revocation) bool) {
		r.mu.Lock()
		var keys []indexed
		for key := range r.revoked {
			keys = append(keys, key)
		}
		r.mu.Unlock()
		for _, key := range keys {
			r.mu.Lock()
			var unseen []Revocation
			now := r.now()
			for _, e := range r.revoked[key] {
				if e.seen != r.round && e.Expires.After(now) {
					unseen = append(unseen, e.Revocation)
				}
			}
			r.mu.Unlock()
			for _, v := range unseen {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Revocations returns how many revocations are kept: those that have not expired,
// and some that have.
func (r *Registry) Revocations() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries
}
