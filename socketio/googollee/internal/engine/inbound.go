package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// authenticateEvent never reaches the library.
const authenticateEvent = "authenticate"

// inPacket is a packet for the library. An event or acknowledgement has its
// space, whose gate is asked again when it is read, and what its handler is to
// find.
type inPacket struct {
	text     []byte
	space    *space
	handling *Handling
	done     func() // called, with mu held, when the library has handled it, or will not
}

func (p *inPacket) size() int {
	n := len(p.text) + 64
	if p.handling != nil {
		n += p.handling.size()
	}
	return n
}

// inbound is the way from the client to the library.
type inbound struct {
	queue    []inPacket
	bytes    int
	handling *Handling // of the packet that the library has read
	done     func()    // of the same
	eof      bool      // nothing follows the queue
	waiting  int       // readers of the client that wait for room

	// A packet whose attachments have not all come.
	partial     *packet
	attachments [][]byte
	partialSize int
}

// pushLocked adds a packet for the library.
func (s *Session) pushLocked(p inPacket) {
	if s.libClosed || s.in.eof {
		return
	}
	s.in.queue = append(s.in.queue, p)
	s.in.bytes += p.size()
	s.cond.Broadcast()
}

// pop takes the next packet for the library that may pass. A gate that closed
// meanwhile holds back what had passed it before. It waits, and reports false at
// the end.
func (s *Session) pop() (text []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handledLocked()
	for {
		for len(s.in.queue) > 0 {
			p := s.in.queue[0]
			s.in.queue[0] = inPacket{}
			if s.in.queue = s.in.queue[1:]; len(s.in.queue) == 0 {
				s.in.queue = nil
			}
			s.in.bytes -= p.size()
			if s.in.waiting > 0 {
				s.cond.Broadcast()
			}
			if p.space != nil && p.space.gate == Pending { // only events have one
				continue
			}
			s.in.handling, s.in.done = p.handling, p.done
			return p.text, true
		}
		if s.in.eof || s.libClosed {
			return nil, false
		}
		s.cond.Wait()
	}
}

// handledLocked notes that the library is done with what it read last.
func (s *Session) handledLocked() {
	done := s.in.done
	s.in.handling, s.in.done = nil, nil
	if done != nil {
		done()
	}
}

// discardLocked drops what waits for the library.
func (s *Session) discardLocked() {
	queue := s.in.queue
	s.in.queue, s.in.bytes = nil, 0
	for _, p := range queue {
		if p.done != nil {
			p.done()
		}
	}
}

// maxCalls is how many calls of hooks may wait before the client has to.
const maxCalls = 64

// receive takes what the client sent, in order. It waits while the library has
// enough to read, and reports whether there is more to be read: behind the end too, until
// the client's side is finished.
func (s *Session) receive(frames ...frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		for s.phase == opening || s.phase == live && (s.in.bytes > s.server.config.MaxInbound && !s.libClosed || len(s.calls) > maxCalls) {
			s.in.waiting++
			s.cond.Wait()
			s.in.waiting--
		}
		now := now()
		if s.idleLocked(now) {
			s.endLocked(end{reason: "sent too much before it was let in"})
			s.cutLocked()
		}
		if s.phase >= ending {
			break
		}
		s.lastSeen = now
		if err := s.frameLocked(f); err != nil {
			s.endLocked(end{reason: "malformed packet: " + err.Error(), keep: true})
			break
		}
	}
	return !s.cutOff
}

// maxIdle is how many packets a client may send without a pause of a second while it is
// let in nowhere, nor was a moment ago. It has reason for a few: what it emits too early
// is dropped, and what comes after its end is read only so that the goodbye is not lost.
// Each costs little, but ten thousand at once keep a processor from everybody else.
const maxIdle = 1000

// idleLocked takes note of a packet that comes now, and reports whether it is one too
// many.
func (s *Session) idleLocked(now time.Time) bool {
	if s.provenLocked() {
		s.lastProven = now
		return false
	}
	return now.Sub(s.lastProven) >= flood.JustNow && s.idle.Add(1, now) > maxIdle
}

func (s *Session) frameLocked(f frame) error {
	switch f.kind {
	case typePing:
		// Ours to answer: behind the library's reader a slow handler would
		// cost the client its connection.
		if len(f.data) > 64 || !isASCII(f.data) {
			return errors.New("expected at most 64 bytes of ASCII in a PING")
		}
		s.sendLocked(message{text: append([]byte{typePong}, f.data...)})
		return nil
	case typeClose:
		s.endLocked(end{reason: "transport close", keep: true})
		s.farewellLocked()
		return nil
	case typePong, typeNoop:
		return nil
	case typeMessage:
		if f.binary {
			return s.attachmentLocked(f.data)
		}
		if s.in.partial != nil {
			return errors.New("a packet came before the attachments of the one before it")
		}
		p, err := parsePacket(f.data, s.server.config.MaxAttachments)
		if err != nil {
			return err
		}
		if p.attachments > 0 {
			s.in.partial, s.in.partialSize = &p, len(f.data)
			return nil
		}
		return s.packetLocked(&p, nil)
	}
	return fmt.Errorf("a client sent an Engine.IO packet of type %q", f.kind)
}

func (s *Session) attachmentLocked(data []byte) error {
	p := s.in.partial
	if p == nil {
		return errors.New("an attachment belongs to no packet")
	}
	s.in.partialSize += len(data) + 64
	if s.in.partialSize > s.limitLocked()+64*p.attachments {
		return errors.New("a packet is too large with its attachments")
	}
	s.in.attachments = append(s.in.attachments, data)
	if len(s.in.attachments) < p.attachments {
		return nil
	}
	all := s.in.attachments
	s.in.partial, s.in.attachments = nil, nil
	return s.packetLocked(p, all)
}

// packetLocked is the gate for what comes in.
func (s *Session) packetLocked(p *packet, attachments [][]byte) error {
	if s.libClosed {
		return nil // the application closed the connection; nobody reads
	}
	if p.kind == kindConnect {
		s.connectLocked(p)
		return nil
	}
	sp := s.space(p.nsp)
	switch {
	case sp == nil:
		return nil
	case p.kind == kindDisconnect:
		s.leaveLocked(sp, "client namespace disconnect", false)
		return nil
	case !sp.admitted:
		return nil
	case p.isEvent() && p.name == authenticateEvent:
		return s.authenticateLocked(sp, p)
	case p.isEvent():
		if sp.gate == Pending || sp.gate == Guest && !s.server.config.GuestEvent(p.nsp, p.name) {
			return nil
		}
		s.eventLocked(sp, p, attachments)
		return nil
	}
	return s.acknowledgedLocked(sp, p, attachments)
}

func (s *Session) authenticateLocked(sp *space, p *packet) error {
	f := s.server.hooks.Authenticate
	if f == nil {
		return nil
	}
	if len(p.data) > s.server.config.MaxUnauthenticated {
		return errors.New("an authenticate event is too large")
	}
	if s.attempts >= maxAttempts {
		return errors.New("too many authenticate events at once")
	}
	args, err := p.args() // an attachment stays its placeholder, which is no token
	if err != nil {
		return err
	}
	var ack func(...any)
	if p.hasID {
		ack = s.acknowledge(sp, p.id)
	}
	s.attempts++
	s.post("Authenticate", func() {
		s.mu.Lock()
		s.attempts--
		current := s.space(sp.name) == sp
		s.mu.Unlock()
		if current {
			f(s, sp.name, args, ack)
		}
	})
	return nil
}
