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
	tell    bool      // send packets that say so, and do not only close
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
	s.endLocked(end{reason: reason, tell: r != nil, refusal: r, began: s.created})
	if r == nil && s.state == closing {
		s.finishLocked() // no refusal is held any longer
	}
}

func (s *Session) endLocked(e end) {
	if s.state >= closing {
		return
	}
	proven := s.provenLocked()
	hold := time.Duration(0)
	if e.tell {
		first, last := s.closingMessagesLocked(e.refusal)
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
	if !e.tell && e.reason != reasonTransport {
		s.server.config.Logger.Debug("engine: a connection ends", "reason", e.reason, "remote", s.request.RemoteAddr)
	}
	library := s.server.library
	s.post("Closed", func() { library.Closed(s, e.reason) })
	if s.cancel != nil {
		s.cancel(errors.New(e.reason))
	}
	s.takePlaceLocked(!proven)
	s.cond.Broadcast()
	if hold > 0 && s.timer != nil {
		s.timer.Reset(hold) // see tick
		s.wakeLocked()
		return
	}
	s.finishLocked()
}

// takePlaceLocked counts a session that has ended among the server's handshakes, or not if
// a namespace had accepted its client. cutLocked gives the place back.
func (s *Session) takePlaceLocked(take bool) {
	switch {
	case !take:
		s.establishedLocked()
	case !s.halfOpen:
		s.halfOpen = true
		s.server.handshakes.Add(1)
	}
}

// finishLocked queues the last messages of a session that is closing. The writer, or
// the poll, that sends them then ends the connection.
func (s *Session) finishLocked() {
	if s.final {
		return
	}
	for _, m := range s.last {
		s.queueLocked(m)
	}
	s.last, s.final, s.endedAt = nil, true, time.Now()
	if s.timer != nil {
		s.timer.Reset(s.closeTimeLocked())
	}
	s.wakeLocked()
}

// closingMessagesLocked returns the last messages for a client: first why the session
// ends, and last that it does.
func (s *Session) closingMessagesLocked(r *Refusal) (first, last []message) {
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
		// Clients come back when the transport ends, and stay away from a
		// namespace that sends a packet.
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

// cutLocked ends the client's side at once, whatever its state.
func (s *Session) cutLocked() {
	if s.cutOff {
		return
	}
	s.finishLocked()
	s.cutOff = true
	s.establishedLocked()
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

// cutPollingLocked ends the client's side of a session without a websocket, unless a
// poll hangs, which brings the last packets. A websocket closes behind them by itself.
func (s *Session) cutPollingLocked() {
	if s.link.ws == nil && s.link.poll == nil {
		s.cutLocked()
	}
}
