package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// authenticateEvent never reaches Library.Packet.
const authenticateEvent = "authenticate"

// inbound is the queue from the client to the library.
type inbound struct {
	queue      []delivery
	bytes      int
	delivering bool
	receiving  bool // the reader handles a packet
	mine       bool // the reader delivers what it has queued
	waiting    int  // readers of the client that wait for room

	// A packet whose attachments have not all come.
	partial     *packet
	attachments [][]byte
	partialSize int
}

// maxCalls is the number of queued calls above which the server stops reading from the
// client.
const maxCalls = 64

// receive handles what the client sent, in order. It waits while too much is queued for the
// library. It reports whether to read on, which is the case after the session's end too,
// until the client's side has ended.
func (s *Session) receive(frames ...frame) bool {
	goOn, mine := s.receiveAll(frames)
	if mine {
		s.take()
	}
	return goOn
}

// receiveAll is receive without the deliveries that are mine.
func (s *Session) receiveAll(frames []frame) (goOn, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		for s.state == connected && (s.in.bytes > s.server.config.MaxInbound || len(s.calls) > maxCalls) {
			if s.in.mine {
				s.in.mine = false
				s.server.run(s, "delivery", func() { s.deliver(nil) })
				s.server.tasks.Done()
			}
			s.in.waiting++
			s.cond.Wait()
			s.in.waiting--
		}
		now := time.Now()
		if s.idleLocked(now) {
			s.endLocked(end{reason: "sent too much before it was accepted"})
			s.cutLocked()
		}
		if s.state >= closing {
			s.lateFrameLocked(f)
			continue
		}
		s.heardLocked(now)
		s.in.receiving = true
		err := s.frameLocked(f)
		s.in.receiving = false
		if err != nil {
			s.endLocked(end{reason: "malformed packet: " + err.Error(), keep: true})
			break
		}
	}
	mine, s.in.mine = s.in.mine, false
	return !s.cutOff, mine
}

// lateFrameLocked handles what a client sends after the session's end.
func (s *Session) lateFrameLocked(f frame) {
	switch {
	case s.cutOff:
	case f.kind == typeClose:
		if s.link.ws == nil {
			s.brief = true // it does not poll again
		}
		s.finishLocked()
		s.cutPollingLocked()
	case s.refusal != nil:
		s.refusedFrameLocked(f)
	}
}

// maxIdle is how many packets a client may send without a pause of a second while no
// namespace accepts it, nor did within flood.Grace. An honest client sends a few: the
// engine drops what it emits too early, and reads what comes after its end only so that the
// last packets still reach it. Each costs little, but ten thousand at once occupy a
// processor.
const maxIdle = 1000

// idleLocked counts a packet that comes now, and reports whether it is one too many.
func (s *Session) idleLocked(now time.Time) bool {
	if s.provenLocked() {
		s.lastProven = now
		return false
	}
	return now.Sub(s.lastProven) >= flood.Grace && s.idle.Add(1, now) > maxIdle
}

func (s *Session) frameLocked(f frame) error {
	switch f.kind {
	case typePing:
		if s.dialect.serverPings {
			return errors.New("a client of Engine.IO 4 sent a PING")
		}
		// Ours to answer: behind the library's reader a slow handler would
		// cost the client its connection.
		if len(f.data) > 64 || !isASCII(f.data) {
			return errors.New("expected at most 64 bytes of ASCII in a PING")
		}
		s.sendLocked(message{text: append([]byte{typePong}, f.data...)})
		return nil
	case typeClose:
		s.endLocked(end{reason: "transport close", keep: true})
		s.cutPollingLocked()
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
		p, err := parsePacket(f.data, s.server.config.MaxAttachments, s.dialect)
		if err != nil {
			return err
		}
		if p.attachments > 0 {
			s.in.partial, s.in.partialSize = &p, len(f.data)
			return nil
		}
		return s.packetLocked(&p, nil)
	case typeTooLarge:
		return s.tooLargeLocked(f)
	}
	return fmt.Errorf("a client sent an Engine.IO packet of type %q", f.kind)
}

func (s *Session) attachmentLocked(data []byte) error {
	p := s.in.partial
	if p == nil {
		return errors.New("an attachment belongs to no packet")
	}
	s.in.partialSize += len(data)
	if s.in.partialSize > s.limitLocked() {
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

// packetLocked applies the gate to a packet that comes in.
func (s *Session) packetLocked(p *packet, attachments [][]byte) error {
	if p.kind == kindConnect {
		s.connectLocked(p, false)
		return nil
	}
	st := s.stay(p.nsp) // the only look-up by name
	switch {
	case st == nil:
		return nil
	case p.kind == kindDisconnect:
		return s.clientLeftLocked(st)
	case st.state == deciding || st.state >= closing:
		return nil
	case p.isEvent() && p.name == authenticateEvent:
		return s.authenticateLocked(st, p)
	case p.isEvent():
		if st.gate != Pending {
			s.pushLocked(delivery{stay: st, packet: newPacket(st, p, attachments)})
		}
		return nil
	}
	return s.acknowledgedLocked(st, p, attachments)
}

// clientLeftLocked handles a DISCONNECT packet.
func (s *Session) clientLeftLocked(st *Stay) error {
	s.leaveLocked(st, reasonClientLeft, false)
	if st.state != closed {
		st.closeLocked()
	}
	return nil
}

func (s *Session) authenticateLocked(st *Stay, p *packet) error {
	if len(p.data) > s.server.config.MaxUnauthenticated {
		return s.postAuthenticateLocked(st, nil, true)
	}
	args, err := p.args() // an attachment stays its placeholder, which is not a token
	if err != nil {
		return err
	}
	return s.postAuthenticateLocked(st, args, false)
}

func (s *Session) postAuthenticateLocked(st *Stay, args []json.RawMessage, tooLarge bool) error {
	if s.attempts >= maxAttempts {
		return errors.New("too many authenticate events at once")
	}
	s.attempts++
	s.post("Authenticate", func() {
		s.mu.Lock()
		s.attempts--
		over := st.overLocked()
		s.mu.Unlock()
		if !over {
			s.server.library.Authenticate(st, args, tooLarge)
		}
	})
	return nil
}

// presentsToken reads the beginning of a packet that is too large, and reports whether it
// presents a token. If so the client gets an answer, that the token is too long, and keeps
// its connection.
func (d *dialect) presentsToken(f frame) (packet, bool) {
	if len(f.data) == 0 || f.data[0] != typeMessage {
		return packet{}, false
	}
	p, data, err := parseHeader(f.data[1:])
	if err != nil {
		return p, false
	}
	if p.kind == kindConnect {
		return p, d.auth
	}
	c := compactor{src: data}
	c.space()
	if !p.isEvent() || c.peek() != '[' {
		return p, false
	}
	c.copy(1)
	c.space()
	if c.peek() != '"' {
		return p, false
	}
	name, err := c.text()
	return p, err == nil && string(name) == `"`+authenticateEvent+`"`
}

func (s *Session) mayBeTooLarge(f frame) bool {
	_, ok := s.dialect.presentsToken(f)
	return ok
}

// tooLargeLocked handles a packet that presents a token and is too large.
func (s *Session) tooLargeLocked(f frame) error {
	p, ok := s.dialect.presentsToken(f)
	if !ok {
		return errTooLarge
	}
	if p.kind == kindConnect {
		s.connectLocked(&p, true)
		return nil
	}
	if st := s.stay(p.nsp); st != nil && st.state != deciding && st.state < closing {
		return s.postAuthenticateLocked(st, nil, true)
	}
	return nil
}
