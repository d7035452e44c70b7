package engine

import "encoding/json"

// Event is an event of the application's, encoded once for any number of
// sessions in a namespace.
type Event struct {
	nsp         string
	data        []byte // a JSON array in ASCII
	attachments [][]byte
	message     message
}

// NewEvent makes an event of its JSON array, whose first element is its name, and
// of the attachments that the array's placeholders stand for. It keeps both.
func NewEvent(nsp string, data []byte, attachments [][]byte) *Event {
	e := &Event{nsp: nsp, data: toASCII(data), attachments: attachments}
	e.message = e.encode(kindEvent, 0, false)
	return e
}

// encode makes the message, as an event or as an acknowledgement.
func (e *Event) encode(kind byte, id uint64, hasID bool) message {
	p := packet{kind: kind, nsp: e.nsp, id: id, hasID: hasID, attachments: len(e.attachments), data: e.data}
	if len(e.attachments) > 0 {
		p.kind += kindBinaryEvent - kindEvent
	}
	return message{text: p.forClient(), attachments: e.attachments}
}

func toASCII(data []byte) []byte {
	if isASCII(data) {
		return data
	}
	return appendASCII(make([]byte, 0, 2*len(data)), data)
}

// Send sends an event of the application's where its gate lets it. ack, if not
// nil, is what the client's acknowledgement is for: the library finds it with
// [Session.Handling], in its turn among the client's events. Beyond 4096 that
// the client owes it is not asked for any. Send reports whether the event is on
// its way.
func (s *Session) Send(e *Event, ack any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(e.nsp)
	if sp == nil || sp.gate == Pending || s.phase >= ending {
		return false
	}
	m := e.message
	if ack != nil && len(s.acks) < maxAcks {
		m = e.encode(kindEvent, s.expectLocked(ownAck{space: sp, app: ack}), true)
	}
	s.emitLocked(sp, m)
	return true
}

// AckEvent is the name of the event by which the library is told of an
// acknowledgement: it needs a handler in every namespace. Only [Session.Handling]
// tells it from an event of that name which a client sent.
const AckEvent = "\x00ack"

// Handling is what the library is handling: a namespace that is connecting, an
// event of the client's, or an acknowledgement. The library itself is told the
// name and nothing else: the rest is read in its handler, where a panic can be
// recovered.
type Handling struct {
	// Value is what was given to [Session.Attach] for the namespace.
	Value any
	// Text and Attachments are the packet, as the library's parser reads it;
	// none if the namespace is connecting.
	Text        []byte
	Attachments [][]byte
	// Ack is what was given to Send, if this is an acknowledgement.
	Ack any

	session *Session
	space   *space
	id      uint64
	hasID   bool
}

// Handling returns what the library has read last, once, if it is of the
// namespace. It is for handlers, which the library calls one after another
// between reading and reading on. The client may have left the namespace since,
// and even have come back to another stay in it, with another Value.
func (s *Session) Handling(nsp string) *Handling {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.in.handling
	if h == nil || h.space.name != nsp {
		return nil
	}
	s.in.handling = nil
	h.Value = h.space.value
	return h
}

// Passes reports whether the gate still lets it pass. What a client sent before
// it left passes; a server's end shuts the gate.
func (h *Handling) Passes() bool {
	h.session.mu.Lock()
	defer h.session.mu.Unlock()
	return h.space.gate != Pending
}

// WantsAck reports whether the client asked for an acknowledgement.
func (h *Handling) WantsAck() bool { return h.hasID }

// Acknowledge answers an event, where the gate lets it, with a JSON array and
// its attachments, as those of [NewEvent].
func (h *Handling) Acknowledge(data []byte, attachments [][]byte) {
	e := &Event{nsp: h.space.name, data: toASCII(data), attachments: attachments}
	m := e.encode(kindAck, h.id, true)
	s := h.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.hasID && s.space(h.space.name) == h.space && h.space.gate != Pending {
		h.hasID = false
		s.emitLocked(h.space, m)
	}
}

func (h *Handling) size() int {
	n := len(h.Text)
	for _, a := range h.Attachments {
		n += len(a)
	}
	return n
}

// expectLocked gives an event an id for its acknowledgement.
func (s *Session) expectLocked(a ownAck) uint64 {
	if s.acks == nil {
		s.acks = make(map[uint64]ownAck)
	}
	s.ownIDs++
	id := firstOwnID + s.ownIDs
	s.acks[id] = a
	return id
}

// acknowledgedLocked takes an acknowledgement of the client's. One that nobody
// waits for is dropped: the library would be left with its attachments.
func (s *Session) acknowledgedLocked(sp *space, p *packet, attachments [][]byte) error {
	a, ok := s.acks[p.id]
	if !ok || a.space != sp || a.app != nil && sp.gate == Pending {
		return nil
	}
	delete(s.acks, p.id)
	if a.app != nil {
		bare := packet{kind: kindEvent, nsp: p.nsp, data: []byte(`["\u0000ack"]`), first: len(`["\u0000ack"`)}
		s.pushLocked(inPacket{text: bare.forLibrary(), space: sp, handling: &Handling{
			Text: p.forLibrary(), Attachments: attachments, Ack: a.app, session: s, space: sp,
		}})
		return nil
	}
	args, err := p.args()
	if err != nil {
		return err
	}
	s.post("an acknowledgement", func() { a.call(args) })
	return nil
}

// eventLocked hands an event of the client's to the library.
func (s *Session) eventLocked(sp *space, p *packet, attachments [][]byte) {
	bare := packet{kind: kindEvent, nsp: p.nsp, first: p.first}
	bare.data = append(p.data[:p.first:p.first], ']')
	s.pushLocked(inPacket{text: bare.forLibrary(), space: sp, handling: &Handling{
		Text: p.forLibrary(), Attachments: attachments, session: s, space: sp, id: p.id, hasID: p.hasID,
	}})
}

// Emit sends an event of our own, whatever the gate. ack, if not nil, is called
// at most once, with the client's acknowledgement; beyond 64 that a client owes
// it is not asked for any. The error is of marshalling the arguments. In a
// namespace that is not connected Emit does nothing.
func (s *Session) Emit(nsp, event string, ack func(args []json.RawMessage), args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(nsp)
	if sp == nil || !sp.admitted {
		return nil
	}
	var id uint64
	if ack != nil && len(s.acks) < maxOwnAcks {
		id = s.expectLocked(ownAck{space: sp, call: ack})
	}
	m, err := eventMessage(nsp, event, args, id)
	if err != nil {
		delete(s.acks, id)
		return err
	}
	s.emitLocked(sp, m)
	return nil
}
