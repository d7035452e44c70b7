package engine

// delivery is an element of the queue for the library: a packet, or the end of a stay.
type delivery struct {
	stay   *Stay
	packet *Packet
	done   func() // called with mu held
}

func (d *delivery) size() int {
	if d.packet == nil {
		return 0
	}
	return d.packet.size()
}

// Taker is a Library that can take packets without waiting. Take reports whether it took
// one; otherwise Packet follows. The reader of the client's packets calls it, which spares
// a goroutine, and never during a call of Packet.
type Taker interface {
	Take(st *Stay, p *Packet) bool
}

// pushLocked queues a delivery. The goroutine that delivers exists only while the queue is
// not empty.
func (s *Session) pushLocked(d delivery) {
	s.in.queue = append(s.in.queue, d)
	s.in.bytes += d.size()
	if s.in.delivering {
		return
	}
	s.in.delivering = true
	if s.in.receiving && s.server.taker != nil {
		s.in.mine = true
		s.server.tasks.Add() // see take
		return
	}
	s.server.run(s, "delivery", func() { s.deliver(nil) })
}

// deliver gives the library first, if not nil, and what is queued.
func (s *Session) deliver(first *Packet) {
	for p := first; ; {
		if p == nil {
			if p = s.nextDelivery(); p == nil {
				return
			}
		}
		s.server.guard(s, "Packet", func() { s.server.library.Packet(p.stay, p) })
		s.writeAnswer(p)
		p = nil
	}
}

// take gives the library what it takes without waiting, in the goroutine of the reader.
func (s *Session) take() {
	defer s.server.tasks.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in.queue) > 0 && s.in.queue[0].stay.entered {
		p := s.popLocked()
		if p == nil {
			continue
		}
		s.mu.Unlock()
		taken := false
		s.server.guard(s, "Packet", func() { taken = s.server.taker.Take(p.stay, p) })
		s.mu.Lock()
		if !taken {
			s.server.run(s, "delivery", func() { s.deliver(p) })
			return
		}
		p.answering = false
		s.wakeForAnswerLocked()
	}
	if s.in.delivering = len(s.in.queue) > 0; s.in.delivering {
		s.server.run(s, "delivery", func() { s.deliver(nil) })
	}
}

// writeAnswer writes the acknowledgement that the library gave while it had the packet.
func (s *Session) writeAnswer(p *Packet) {
	s.mu.Lock()
	p.answering = false
	ws := s.link.ws
	if len(s.out.queue) == 0 || s.link.writing || ws == nil || !ws.out.direct.able() {
		s.wakeForAnswerLocked()
		s.mu.Unlock()
		return
	}
	s.link.writing = true
	s.mu.Unlock()
	s.server.guard(s, "writer", s.tryWrite)
}

// wakeForAnswerLocked has what was sent with link.later written.
func (s *Session) wakeForAnswerLocked() {
	if len(s.out.queue) > 0 || s.final {
		s.wakeLocked()
	}
}

// nextDelivery returns the next packet that may pass, or nil when the queue is empty.
func (s *Session) nextDelivery() *Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in.queue) > 0 {
		if !s.in.queue[0].stay.entered {
			s.cond.Wait()
			continue
		}
		if p := s.popLocked(); p != nil {
			return p
		}
	}
	s.in.delivering = false
	return nil
}

// popLocked takes the first delivery from the queue. It returns its packet, or nil: it drops
// packets of a stay whose gate has closed since they came.
func (s *Session) popLocked() *Packet {
	d := s.in.queue[0]
	s.in.queue[0] = delivery{}
	if s.in.queue = s.in.queue[1:]; len(s.in.queue) == 0 {
		s.in.queue = nil
	}
	s.in.bytes -= d.size()
	s.cond.Broadcast()
	switch {
	case d.done != nil:
		d.done()
	case d.stay.gate != Pending:
		d.packet.answering = true
		return d.packet
	}
	return nil
}

// discardLocked drops the packets that nextDelivery would drop, so that they do not stay in
// memory while a handler blocks.
func (s *Session) discardLocked() {
	kept := s.in.queue[:0]
	for _, d := range s.in.queue {
		if d.packet != nil && d.stay.gate == Pending {
			s.in.bytes -= d.size()
			continue
		}
		kept = append(kept, d)
	}
	clear(s.in.queue[len(kept):])
	s.in.queue = kept
}
