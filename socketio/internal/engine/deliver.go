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

// pushLocked queues a delivery. The goroutine that delivers exists only while the queue is
// not empty.
func (s *Session) pushLocked(d delivery) {
	s.in.queue = append(s.in.queue, d)
	s.in.bytes += d.size()
	if !s.in.delivering {
		s.in.delivering = true
		s.server.run(s, "delivery", s.deliver)
	}
}

// deliver gives the library what is queued.
func (s *Session) deliver() {
	for {
		p := s.nextDelivery()
		if p == nil {
			return
		}
		s.server.guard(s, "Packet", func() { s.server.library.Packet(p.stay, p) })
	}
}

// nextDelivery returns the next packet that may pass, or nil when the queue is empty. It
// drops packets of a stay whose gate has closed since they came.
func (s *Session) nextDelivery() *Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in.queue) > 0 {
		d := s.in.queue[0]
		if !d.stay.entered {
			s.cond.Wait()
			continue
		}
		s.in.queue[0] = delivery{}
		if s.in.queue = s.in.queue[1:]; len(s.in.queue) == 0 {
			s.in.queue = nil
		}
		s.in.bytes -= d.size()
		if s.in.waiting > 0 {
			s.cond.Broadcast()
		}
		switch {
		case d.done != nil:
			d.done()
		case d.stay.gate != Pending:
			return d.packet
		}
	}
	s.in.delivering = false
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
