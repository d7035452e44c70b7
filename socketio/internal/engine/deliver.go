package engine

// delivery is what the library is told in the order in which the client said it:
// a packet, or the end of a stay.
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

// pushLocked adds something for the library. The goroutine that delivers exists
// only while there is something to deliver.
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

// nextDelivery takes the next packet that may pass, and nil when there is none.
// A gate that closed meanwhile holds back what had passed it before.
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

// discardLocked drops the packets that no library will be given any more, so that
// they do not wait in memory for a handler that blocks.
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
