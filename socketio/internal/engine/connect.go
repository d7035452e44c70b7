package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

const (
	maxRefusals = 100  // refused CONNECTs of one session, before it ends
	maxUnproven = 16   // namespaces that an unauthenticated client may leave: with each it gets a new deadline
	maxAttempts = 8    // "authenticate" events that wait for the library at once
	maxOwnAcks  = 64   // acknowledgements that one session may owe before ours are not asked for
	maxAcks     = 4096 // the same for the application's
)

// connectLocked handles a CONNECT packet.
func (s *Session) connectLocked(p *packet, tooLarge bool) {
	if st := s.stay(p.nsp); st != nil {
		if !s.dialect.auth || st.state >= connected {
			return // it asks for nothing
		}
		// A client 4.x that gives up before its CONNECT is answered, and
		// connects again, sends no DISCONNECT in between.
		s.leaveLocked(st, reasonClientLeft, false)
		st.closeLocked()
	}
	if limit := s.server.config.MaxNamespaces; len(s.stays) >= limit || s.deciding >= limit {
		s.refuseLocked(p.nsp, Refuse(&Refusal{Error: "Too many namespaces"}))
		return
	}
	if s.unproven >= maxUnproven && !s.provenLocked() {
		s.endLocked(end{reason: "came and went too often", tell: true})
		return
	}
	st := &Stay{session: s, nsp: p.nsp, began: time.Now()}
	s.stays = append(s.stays, st)
	a := &Arrival{Namespace: st.nsp, Request: s.request, Session: s, TooLarge: tooLarge}
	// What does not parse is left out: the library sees a query as it would a
	// request's.
	a.Query, _ = url.ParseQuery(p.query)
	if p.data != nil {
		a.Auth = json.RawMessage(p.data)
	}
	s.decideLocked(st, a, 0)
}

// decideLocked has the library decide about a stay, in a separate goroutine.
// tries counts the decisions that were put off before.
func (s *Session) decideLocked(st *Stay, a *Arrival, tries int) {
	s.deciding++
	ctx, cancel := context.WithCancelCause(s.request.Context())
	st.cancel = cancel
	s.server.run(s, "Decide", func() {
		defer cancel(nil)
		s.decided(st, a, tries, s.server.decide(ctx, s, a))
	})
}

// decide asks the library.
func (e *Server) decide(ctx context.Context, s *Session, a *Arrival) (v Verdict) {
	e.guard(s, "Decide", func() { v = e.library.Decide(ctx, a) })
	return v
}

// decided acts on a decision, unless the client has left meanwhile.
func (s *Session) decided(st *Stay, a *Arrival, tries int, v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deciding--
	if s.late && s.state == connected {
		s.late = false
		s.tickNow() // the handshake's deadline waited for this
	}
	if st.state != deciding {
		return
	}
	switch {
	case v.admitted:
	case v.mayRetry() && len(s.stays) > 1:
		s.putOffLocked(st, a, tries, v.refusal)
		return
	default:
		s.unproven++
		st.closeLocked()
		s.refuseLocked(st.nsp, v)
		return
	}
	s.admitLocked(st, v)
	if !st.bare {
		s.establishedLocked()
	}
	s.post("Admitted", func() { s.enter(st) })
}

// mayRetry reports whether a refusal is for now only, and the client need not act.
func (v Verdict) mayRetry() bool {
	return v.refusal != nil && v.refusal.Retryable && !v.refusal.Tell
}

// maxPutOff is the longest time between two decisions about a stay.
const maxPutOff = 5 * time.Second

// putOffLocked decides about a stay once more, a second later and then less and
// less often. Clients try again by themselves when their transport closes; one that
// is in other namespaces would lose those with it.
func (s *Session) putOffLocked(st *Stay, a *Arrival, tries int, r *Refusal) {
	if tries == 0 && !s.dialect.auth && r.Error != nil {
		s.sendLocked(s.dialect.refuseMessage(st.nsp, r.Error)) // clients 1.x and 2.x hear why, and take CONNECT afterwards
	}
	wait := min(time.Second<<min(tries, 3), maxPutOff)
	st.timer = s.server.after(s, wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if st.state == deciding {
			s.decideLocked(st, a, tries+1)
		}
	})
}

// admitLocked takes a client into a namespace.
func (s *Session) admitLocked(st *Stay, v Verdict) {
	st.state, st.gate, st.value, st.bare = admitted, v.gate, v.value, v.bare
	st.id = s.id
	if s.dialect.auth {
		st.id = rand.Text()
	}
}

// enter tells the library of a stay, before any packet of it is delivered.
func (s *Session) enter(st *Stay) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		st.entered = true
		s.cond.Broadcast()
	}()
	s.server.library.Admitted(st)
}

// refuseLocked answers a CONNECT with a refusal. A client 3.x or 4.x does not come back
// after one: if the refusal is retryable its transport closes instead.
func (s *Session) refuseLocked(nsp string, v Verdict) {
	if s.refusals++; s.refusals > maxRefusals {
		s.endLocked(end{reason: "too many refused namespaces", tell: true})
		return
	}
	r := v.refusal
	if v.unknown {
		r = &Refusal{Error: "Invalid namespace"}
	} else if r == nil {
		r = &Refusal{Error: genericError()}
	}
	if r.Retryable && !r.Tell && s.dialect.auth {
		s.endLocked(end{reason: "a namespace is unavailable", tell: true, refusal: &Refusal{Retryable: true, Hold: true}, began: s.created})
		return
	}
	s.sendLocked(s.dialect.refuseMessage(nsp, r.Error))
	if s.dialect.entersRoot && !r.Retryable && len(s.refusedIn) < maxRefusedNamespaces && !slices.Contains(s.refusedIn, nsp) {
		s.refusedIn = append(s.refusedIn, nsp)
	}
}

// unauthorizedEvent always asks for an acknowledgement, since clients of socketio-jwt
// call the function that comes with it.
const unauthorizedEvent = "unauthorized"

func eventMessage(nsp, event string, args []any, id uint64) (message, error) {
	if id == 0 && event == unauthorizedEvent {
		id = unheardID
	}
	data, err := marshal(append([]any{event}, args...))
	if err != nil {
		return message{}, fmt.Errorf("engine: the arguments of %q cannot be sent as JSON: %w", event, err)
	}
	p := packet{kind: kindEvent, nsp: nsp, id: id, hasID: id != 0, data: data}
	return message{text: p.forClient()}, nil
}
