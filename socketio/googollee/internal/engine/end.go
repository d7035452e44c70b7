package engine

import (
	"errors"
	"slices"
	"time"
)

func now() time.Time { return time.Now() }

// end says how a session ends.
type end struct {
	reason  string
	goodbye bool     // say it with packets, not only by closing
	refusal *Refusal // what to say
	keep    bool     // let the library read what came before
}

// End ends the session. What was sent before arrives before; what the client
// sent and the library has not read is discarded. With a refusal the client gets
// its Error, and is told to stop unless it is Retryable; without one the
// connection only closes, and the client comes back on its own. It does nothing
// on a session that is ending.
func (s *Session) End(reason string, r *Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(end{reason: reason, goodbye: r != nil, refusal: r})
}

// EmitAndLeave sends an event of our own and takes the client out of the
// namespace, the root with the whole session, in one step: nothing of the
// application's comes between, in either direction. r is as in [Session.End] for
// the root; for another namespace it says nothing. The error is of marshalling
// the arguments; nothing has then been done.
func (s *Session) EmitAndLeave(nsp, reason string, r *Refusal, event string, args ...any) error {
	m, err := eventMessage(nsp, event, args, 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(nsp)
	if sp == nil || s.phase >= ending {
		return nil
	}
	if sp.admitted {
		s.emitLocked(sp, m)
	}
	if nsp == root {
		s.endLocked(end{reason: reason, goodbye: r != nil, refusal: r})
		return nil
	}
	s.sendLocked(disconnectMessage(nsp))
	s.leaveLocked(sp, reason, true)
	return nil
}

func (s *Session) endLocked(e end) {
	if s.phase >= ending {
		return
	}
	if e.goodbye {
		s.releaseOpenLocked()
		for _, m := range refusalMessages(e.refusal, s.names()) {
			s.out.queue = append(s.out.queue, m)
			s.out.bytes += m.size()
		}
	}
	if !e.keep {
		s.discardLocked()
	}
	s.in.partial, s.in.attachments = nil, nil
	for _, sp := range slices.Backward(slices.Clone(s.spaces)) { // the root, usually the first, last
		s.leaveLocked(sp, e.reason, !e.keep)
	}
	s.phase, s.reason, s.endedAt = ending, e.reason, now()
	s.in.eof = true
	if f := s.server.hooks.Closed; f != nil && s.opened {
		s.post("Closed", func() { f(s, e.reason) })
	}
	if s.cancel != nil {
		s.cancel(errors.New(e.reason))
	}
	s.establishedLocked()
	if s.timer != nil {
		s.timer.Reset(s.goodbyeTimeLocked())
	}
	s.cond.Broadcast()
	s.wakeLocked()
}

// cutLocked finishes the client's side, wherever it stands.
func (s *Session) cutLocked() {
	if s.cutOff {
		return
	}
	s.cutOff = true
	s.out.queue, s.out.bytes = nil, 0
	s.wakeLocked()
	for _, ws := range []*wsConn{s.link.ws, s.link.candidate} {
		if ws != nil && ws.conn != nil {
			// Closing TLS writes, which must not happen under the lock.
			s.server.tasks.Go(func() { ws.conn.Close() })
		}
	}
	s.link.candidate = nil
	s.goneLocked()
}

// goneLocked forgets the session once nobody can ask for it any more.
func (s *Session) goneLocked() {
	if s.phase != ending || !s.cutOff || !s.libClosed {
		return
	}
	s.phase = gone
	if s.timer != nil {
		s.timer.Stop()
	}
	s.server.remove(s)
}

// farewellLocked finishes the client's side of a session in which there is
// nothing to say any more: over polling at once, unless a poll hangs and is
// answered; a websocket is being closed.
func (s *Session) farewellLocked() {
	if s.link.ws == nil && s.link.poll == nil {
		s.cutLocked()
	}
}

// closeGrace is how long the library's own Close waits for packets that another
// goroutine of the library has in its hands: it gives no sign of them.
const closeGrace = 50 * time.Millisecond

// libraryClosed takes the library's Close, which comes when the library has read
// to the end, when the application closes its connection, and when the library
// gives up on what a handler cannot take.
func (s *Session) libraryClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.libClosed {
		return
	}
	s.libClosed = true
	s.handledLocked()
	s.discardLocked()
	s.cond.Broadcast()
	if s.phase < ending {
		time.AfterFunc(closeGrace, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.endLocked(end{reason: "server disconnect"})
		})
	}
	s.goneLocked()
}
