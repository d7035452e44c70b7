package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Stay is one client's presence in one namespace, from its CONNECT to its end. It
// has its own identity: a client that leaves a namespace and comes back is
// another Stay. On a stay that is over every method does nothing, forever. The
// methods may be called from any goroutine, and wait for neither the client nor
// the library.
type Stay struct {
	session *Session
	nsp     string
	value   any // set before Library.Admitted
	began   time.Time

	// The session's mutex guards the rest.
	id, pid  string
	state    state
	bare     bool // a root that the library did not declare
	gate     Gate
	entered  bool                    // Library.Admitted has returned
	cancel   context.CancelCauseFunc // of Library.Decide
	held     []message               // what was sent before the client was answered
	heldSize int
	timer    *time.Timer // of a stay that is closing, or about to be decided again
}

// Session returns the connection that the stay is part of.
func (st *Stay) Session() *Session { return st.session }

// Namespace returns the name of the namespace, "/" for the root.
func (st *Stay) Namespace() string { return st.nsp }

// Value returns what the library gave to [Admit].
func (st *Stay) Value() any { return st.value }

// Request returns the request of the Engine.IO handshake, without its body.
func (st *Stay) Request() *http.Request { return st.session.request }

// ID is what the client calls the stay. For clients 1.x and 2.x that is the
// session's ID, in every namespace; for clients 3.x and 4.x it is the stay's own.
func (st *Stay) ID() string {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return st.id
}

// Over reports whether the stay is over.
func (st *Stay) Over() bool {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return st.overLocked()
}

func (st *Stay) overLocked() bool { return st.state >= closing || st.session.state >= closing }

// Passes reports whether the gate lets the client's packets pass. Library.Packet asks
// after it has waited. Packets that a client sent before it left pass; those that wait when
// the server ends the stay do not.
func (st *Stay) Passes() bool {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	return st.gate != Pending
}

// Accept answers the client's CONNECT, and reports whether the stay is connected
// now. id, if not empty, becomes the ID of a stay in Engine.IO 4; it must be
// hard to guess. pid, if not empty, is what the client may recover its state with.
func (st *Stay) Accept(id, pid string) bool {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if st.state != admitted || st.session.state >= closing {
		return false
	}
	if id != "" && st.session.dialect.auth {
		st.id = id
	}
	st.pid = pid
	st.acceptLocked()
	return true
}

// acceptLocked sends the answer to CONNECT, with what waited for it.
func (st *Stay) acceptLocked() {
	st.state = connected
	s := st.session
	s.sendLocked(s.dialect.connectMessage(st.nsp, st.id, st.pid))
	for _, m := range st.held {
		s.sendLocked(m)
	}
	st.held, st.heldSize = nil, 0
}

// Refuse ends a stay whose CONNECT was not answered, with a refusal in place of
// the answer, and reports whether it did. reason is for Library.Left.
func (st *Stay) Refuse(reason string, r *Refusal) bool {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.state != admitted || s.state >= closing {
		return false
	}
	st.held, st.heldSize = nil, 0
	if s.dialect.entersRoot && st.nsp == root {
		s.endLocked(end{reason: reason, tell: true, refusal: r, began: st.began})
		return true
	}
	s.leaveLocked(st, reason, true)
	st.closeLocked()
	s.refuseLocked(st.nsp, Refuse(r))
	return true
}

// SetGate changes what passes. Closing a gate also holds back packets that have
// passed it and were not delivered yet.
func (st *Stay) SetGate(gate Gate) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if !st.overLocked() {
		st.gate = gate
	}
}

// Emit sends the binding's own event, whatever the gate. ack, if not nil, is
// called at most once, with the client's acknowledgement. When the client owes 64
// acknowledgements ack is not called, and only "unauthorized" asks for one: that event
// always does, here and in [Stay.EmitAndLeave]. The error is of marshalling the
// arguments.
func (st *Stay) Emit(event string, ack func(args []json.RawMessage), args ...any) error {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.overLocked() {
		return nil
	}
	var id uint64
	if ack != nil && len(s.acks) < maxOwnAcks {
		id = s.expectLocked(ownAck{stay: st, call: ack})
	}
	m, err := eventMessage(st.nsp, event, args, id)
	if err != nil {
		delete(s.acks, id)
		return err
	}
	st.emitLocked(m)
	return nil
}

// EmitAndSetGate sends an event as Emit does and changes the gate in one step:
// nothing of the application's goes out before the event, and whatever the client
// sends in answer to it meets the new gate.
func (st *Stay) EmitAndSetGate(gate Gate, event string, args ...any) error {
	m, err := eventMessage(st.nsp, event, args, 0)
	if err != nil {
		return err
	}
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if !st.overLocked() {
		st.emitLocked(m)
		st.gate = gate
	}
	return nil
}

// Leave ends the stay, behind what was sent before: the client is disconnected
// from the namespace. Clients 1.x and 2.x in the root, and a client for which r
// is retryable, lose the whole connection. A nil r is a [Refusal] without Error.
func (st *Stay) Leave(reason string, r *Refusal) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	st.endLocked(reason, r)
}

// EmitAndLeave sends an event as Emit does and ends the stay as Leave does, in
// one step: nothing of the application's comes between, in either direction.
// When it returns an error, which is of marshalling the arguments, it has done
// nothing.
func (st *Stay) EmitAndLeave(reason string, r *Refusal, event string, args ...any) error {
	m, err := eventMessage(st.nsp, event, args, 0)
	if err != nil {
		return err
	}
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if !st.overLocked() {
		st.emitLocked(m)
		st.endLocked(reason, r)
	}
	return nil
}

// emitLocked sends a message, behind the answer to CONNECT.
func (st *Stay) emitLocked(m message) {
	s := st.session
	if st.state == connected {
		s.sendLocked(m)
		return
	}
	st.held = append(st.held, m)
	if st.heldSize += m.size(); st.heldSize > s.server.config.MaxOutbound {
		s.endLocked(end{reason: "more was sent than a namespace that is connecting may hold", keep: true})
	}
}

// endLocked ends the stay on behalf of the server.
func (st *Stay) endLocked(reason string, r *Refusal) {
	s := st.session
	if st.overLocked() || st.state == deciding {
		return
	}
	if r == nil {
		r = &Refusal{}
	}
	if st.state == admitted && (len(st.held) > 0 || s.dialect.auth && !r.Retryable) {
		st.acceptLocked() // clients ignore events and DISCONNECT before it
	}
	if r.Retryable || s.dialect.entersRoot && st.nsp == root {
		s.endLocked(end{reason: reason, tell: true, refusal: r, began: st.began})
		return
	}
	if r.Error != nil {
		s.sendLocked(s.dialect.refuseMessage(st.nsp, r.Error))
	}
	s.leaveLocked(st, reason, true)
	if wait := time.Until(st.began.Add(s.server.holdFor(r))); r.Hold && wait > 0 {
		st.disconnectAfterLocked(wait)
		return
	}
	st.disconnectLocked()
}

// disconnectAfterLocked disconnects the client of a stay that is closing after a while.
// Until then the client assumes that it is connected, and does not come back.
func (st *Stay) disconnectAfterLocked(wait time.Duration) {
	s := st.session
	st.timer = s.server.after(s, wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if st.state == closing {
			st.disconnectLocked()
		}
	})
}

// disconnectLocked tells the client of a stay that is closing that it is over.
func (st *Stay) disconnectLocked() {
	st.session.sendLocked(disconnectMessage(st.nsp))
	st.closeLocked()
}

// closeLocked forgets a stay.
func (st *Stay) closeLocked() {
	st.state = closed
	if st.timer != nil {
		st.timer.Stop()
		st.timer = nil
	}
	st.session.drop(st)
}

// leaveLocked ends a stay for the library, and for those that wait for acknowledgements.
// cut drops the packets that were not delivered yet. Afterwards the stay is closing, or
// closed if the library never had it.
func (s *Session) leaveLocked(st *Stay, reason string, cut bool) {
	switch st.state {
	case deciding:
		st.cancel(context.Canceled)
		s.unproven++
		st.closeLocked()
		return
	case closing, closed:
		return
	}
	st.state = closing
	st.held, st.heldSize = nil, 0
	if st.gate == Pending {
		s.unproven++
	}
	if cut {
		st.gate = Pending // see deliver
	}
	for id, a := range s.acks {
		if a.stay != st {
			continue
		}
		delete(s.acks, id)
		if c, ok := a.app.(Answer); ok {
			close(c)
		}
	}
	library := s.server.library
	s.post("Left", func() { library.Left(st, reason) })
	s.pushLocked(delivery{stay: st, done: func() {
		s.post("Done", func() { library.Done(st, reason) })
	}})
}
