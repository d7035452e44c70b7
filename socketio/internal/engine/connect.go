package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

const (
	maxRefusals = 100  // refused CONNECTs of one session, before it ends
	maxUnproven = 16   // namespaces that a client who is let in nowhere may leave: with each it gets a new deadline
	maxAttempts = 8    // "authenticate" events that wait for the library at once
	maxOwnAcks  = 64   // acknowledgements that one session may owe before ours are not asked for
	maxAcks     = 4096 // the same for the application's
)

// connectLocked takes a CONNECT packet.
func (s *Session) connectLocked(p *packet, tooLarge bool) {
	if st := s.stay(p.nsp); st != nil {
		if !s.dialect.auth || st.state >= connected {
			return // it asks for nothing
		}
		// A client 4.x that gave up before its CONNECT was answered, and
		// connects again, says no DISCONNECT between.
		s.leaveLocked(st, reasonClientLeft, false)
		st.closeLocked()
	}
	if limit := s.server.config.MaxNamespaces; len(s.stays) >= limit || s.deciding >= limit {
		s.refuseLocked(p.nsp, Refuse(&Refusal{Error: "Too many namespaces"}))
		return
	}
	if s.unproven >= maxUnproven && !s.provenLocked() {
		s.endLocked(end{reason: "came and went too often", goodbye: true})
		return
	}
	st := &Stay{session: s, nsp: p.nsp, began: time.Now()}
	s.stays = append(s.stays, st)
	s.deciding++
	a := &Arrival{Namespace: st.nsp, Request: s.request, Session: s, TooLarge: tooLarge}
	// What does not parse is left out: the library sees a query as it would a
	// request's.
	a.Query, _ = url.ParseQuery(p.query)
	if p.data != nil {
		a.Auth = json.RawMessage(p.data)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	st.cancel = cancel
	s.server.run(s, "Decide", func() {
		defer cancel(nil)
		s.decided(st, s.server.decide(ctx, s, a))
	})
}

// decide asks the library.
func (e *Server) decide(ctx context.Context, s *Session, a *Arrival) (v Verdict) {
	e.guard(s, "Decide", func() { v = e.library.Decide(ctx, a) })
	return v
}

// decided carries out a decision, unless the client has left meanwhile.
func (s *Session) decided(st *Stay, v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deciding--
	if s.timer != nil && s.state == connected && len(s.stays) <= 1 {
		s.timer.Reset(0) // the handshake's deadline waited for this
	}
	if s.state >= closing || st.state != deciding {
		return
	}
	if !v.admitted {
		s.unproven++
		st.closeLocked()
		s.refuseLocked(st.nsp, v)
		return
	}
	s.admitLocked(st, v)
	s.post("Admitted", func() { s.enter(st) })
}

// admitLocked takes a client into a namespace.
func (s *Session) admitLocked(st *Stay, v Verdict) {
	st.state, st.gate, st.value = admitted, v.gate, v.value
	st.id = s.id
	if s.dialect.auth {
		st.id = rand.Text()
	}
	if !s.dialect.entersRoot {
		s.establishedLocked()
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

// refuseLocked answers a CONNECT with a refusal. A client 3.x or 4.x that hears
// one stays away for good: where it may come back, its transport closes instead.
func (s *Session) refuseLocked(nsp string, v Verdict) {
	if s.refusals++; s.refusals > maxRefusals {
		s.endLocked(end{reason: "too many refused namespaces", goodbye: true})
		return
	}
	r := v.refusal
	if v.unknown {
		r = &Refusal{Error: "Invalid namespace"}
	} else if r == nil {
		r = &Refusal{Error: genericError()}
	}
	if r.Retryable && s.dialect.auth {
		s.endLocked(end{reason: "a namespace is unavailable", goodbye: true, refusal: &Refusal{Retryable: true, Hold: true}, began: s.created})
		return
	}
	s.sendLocked(s.dialect.refuseMessage(nsp, r.Error))
}

func eventMessage(nsp, event string, args []any, id uint64) (message, error) {
	data, err := marshal(append([]any{event}, args...))
	if err != nil {
		return message{}, fmt.Errorf("engine: the arguments of %q cannot be sent as JSON: %w", event, err)
	}
	p := packet{kind: kindEvent, nsp: nsp, id: id, hasID: id != 0, data: data}
	return message{text: p.forClient()}, nil
}
