package engine

import (
	"errors"
	"slices"
	"time"
)

const (
	reasonClientLeft = "client namespace disconnect"
	reasonTransport  = "transport close"
)

// end says how a session ends.
type end struct {
	reason  string
	goodbye bool      // say it with packets, not only by closing
	refusal *Refusal  // what to say
	keep    bool      // let the library have what came before
	began   time.Time // from when a refusal is held
}

// End ends the session. What was sent before arrives before; what the client
// sent and the library has not been given is discarded. With a refusal the client
// gets its Error, and is told to stop unless it is Retryable; without one the
// connection only closes, and the client comes back on its own. A session that is
// closing is not ended again, but without a refusal it is not held any longer.
func (s *Session) End(reason string, r *Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(end{reason: reason, goodbye: r != nil, refusal: r, began: s.created})
	if r == nil && s.state == closing {
		s.finishLocked() // no refusal is held any longer
	}
}

func (s *Session) endLocked(e end) {
	if s.state >= closing {
		return
	}
	hold := time.Duration(0)
	if e.goodbye {
		first, last := s.farewellMessagesLocked(e.refusal)
		for _, m := range first {
			s.queueLocked(m)
		}
		s.last = last
		if r := e.refusal; r != nil && r.Hold {
			hold = time.Until(e.began.Add(s.server.holdFor(r)))
		}
	}
	s.in.partial, s.in.attachments = nil, nil
	for _, st := range slices.Backward(slices.Clone(s.stays)) { // the root, usually the first, last
		s.leaveLocked(st, e.reason, !e.keep)
		if st.state != closed {
			st.closeLocked()
		}
	}
	if !e.keep {
		s.discardLocked()
	}
	s.state, s.reason = closing, e.reason
	s.answerAliveLocked()
	if !e.goodbye && e.reason != reasonTransport {
		s.server.config.Logger.Debug("engine: a connection ends", "reason", e.reason, "remote", s.request.RemoteAddr)
	}
	library := s.server.library
	s.post("Closed", func() { library.Closed(s, e.reason) })
	if s.cancel != nil {
		s.cancel(errors.New(e.reason))
	}
	s.establishedLocked()
	s.cond.Broadcast()
	if hold > 0 && s.timer != nil {
		s.timer.Reset(hold) // see tick
		s.wakeLocked()
		return
	}
	s.finishLocked()
}

// finishLocked says the last words of a session that is closing. Anyone who
// writes to the client then ends the connection.
func (s *Session) finishLocked() {
	if s.final {
		return
	}
	for _, m := range s.last {
		s.queueLocked(m)
	}
	s.last, s.final, s.endedAt = nil, true, time.Now()
	if s.timer != nil {
		s.timer.Reset(s.goodbyeTimeLocked())
	}
	s.wakeLocked()
}

// farewellMessagesLocked are what a client is told at the end: first why, and
// last that it is over.
func (s *Session) farewellMessagesLocked(r *Refusal) (first, last []message) {
	if s.dialect.entersRoot {
		var names []string
		for _, st := range s.stays {
			names = append(names, st.nsp)
		}
		first, last = s.dialect.refusalMessages(r, names)
		for _, nsp := range s.refusedIn {
			if s.stay(nsp) == nil && (r == nil || !r.Retryable) {
				last = slices.Insert(last, 0, disconnectMessage(nsp))
			}
		}
		return first, last
	}
	if r == nil {
		r = &Refusal{}
	}
	if r.Retryable {
		// The transport's end has the client come back; a word to a namespace
		// would keep it away.
		return nil, nil
	}
	for _, st := range slices.Backward(s.stays) {
		switch {
		case st.state == connected || st.state == closing:
			last = append(last, disconnectMessage(st.nsp))
		case r.Error != nil:
			first = append(first, s.dialect.refuseMessage(st.nsp, r.Error))
		}
	}
	return first, last
}

// cutLocked finishes the client's side, wherever it stands.
func (s *Session) cutLocked() {
	if s.cutOff {
		return
	}
	s.finishLocked()
	s.cutOff = true
	s.out.queue, s.out.bytes, s.last = nil, 0, nil
	s.wakeLocked()
	s.cond.Broadcast()
	for _, ws := range []*wsConn{s.link.ws, s.link.candidate} {
		if ws != nil && ws.conn != nil {
			// Closing TLS writes, which must not happen under the lock.
			s.server.run(s, "close", func() { ws.conn.Close() })
		}
	}
	s.link.candidate = nil
	if s.held {
		s.held = false
		s.server.refused.Add(-1)
	}
	if s.state == closing {
		s.state = closed
		if s.timer != nil {
			s.timer.Stop()
		}
		s.server.remove(s)
	}
}

// farewellLocked finishes the client's side of a session in which there is
// nothing to say any more: over polling at once, unless a poll hangs and is
// answered; a websocket is being closed.
func (s *Session) farewellLocked() {
	if s.link.ws == nil && s.link.poll == nil {
		s.cutLocked()
	}
}
