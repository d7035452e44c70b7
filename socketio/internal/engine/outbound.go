package engine

// outbound is the queue from the library, and from the engine, to the client.
type outbound struct {
	queue []message
	bytes int // of the queue, and of what is being written
}

// queueLocked adds a message, whatever the state.
func (s *Session) queueLocked(m message) {
	s.out.queue = append(s.out.queue, m)
	s.out.bytes += m.size()
}

// sendLocked queues a message for the client. The session of a client that does not keep
// up ends: nothing here waits for a client, so that one that stops reading does not delay
// a broadcast.
func (s *Session) sendLocked(m message) {
	if s.state >= closing {
		return
	}
	n := m.size()
	if s.out.bytes > 0 && s.out.bytes+n > s.server.config.MaxOutbound {
		s.out.queue = nil
		s.endLocked(end{reason: "the client does not keep up", keep: true})
		return
	}
	s.queueLocked(m)
	s.wakeLocked()
}

// takeLocked empties the queue for a writer, which then calls wroteLocked.
func (s *Session) takeLocked() []message {
	batch := s.out.queue
	s.out.queue = nil
	return batch
}

// writingLocked reports whether something is being written to the client, which may not
// take it.
func (s *Session) writingLocked() bool {
	n := s.out.bytes
	for i := range s.out.queue {
		n -= s.out.queue[i].size()
	}
	return n > 0
}

func (s *Session) wroteLocked(batch []message) {
	for i := range batch {
		s.out.bytes -= batch[i].size()
	}
}
