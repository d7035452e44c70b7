package engine

import "encoding/json"

// Event is an event of the application's, encoded once for any number of stays in
// a namespace.
type Event struct {
	nsp         string
	data        []byte // a JSON array in ASCII
	attachments [][]byte
	message     message
}

// NewEvent makes an event of its JSON array, whose first element is its name, and
// of the attachments that the array's placeholders stand for. It keeps both.
func NewEvent(nsp string, data []byte, attachments [][]byte) *Event {
	return NewPacket(nsp, false, nil, data, attachments)
}

// NewPacket makes an event, or an acknowledgement, that a library numbers by itself: id is
// nil if it asks for no acknowledgement. The rest is as for [NewEvent].
func NewPacket(nsp string, isAck bool, id *uint64, data []byte, attachments [][]byte) *Event {
	e := &Event{nsp: nsp, data: toASCII(data), attachments: attachments}
	kind, number := byte(kindEvent), uint64(0)
	if isAck {
		kind = kindAck
	}
	if id != nil {
		number = *id
	}
	e.message = e.encode(kind, number, id != nil)
	return e
}

// Text is the event's packet, as Socket.IO encodes it.
func (e *Event) Text() []byte { return e.message.text[1:] }

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

// Send sends an event of the application's where the gate lets it, and reports
// whether it is in flight. ack, if not nil, comes back as [Packet.Ack] with the
// client's acknowledgement, in its turn among the client's packets; it is for events
// made by [NewEvent]. If ack is an [Answer], that receives the acknowledgement at
// once. When the client owes 4096 it is not asked for one, and an event with an
// Answer is not sent.
func (st *Stay) Send(e *Event, ack any) bool {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.sendLocked(e, ack)
}

// SendVolatile is Send for an event that may be lost: it is sent only if it goes out
// at once, since nothing else waits for the client.
func (st *Stay) SendVolatile(e *Event, ack any) bool {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.state == connected && s.writableLocked() && st.sendLocked(e, ack)
}

func (st *Stay) sendLocked(e *Event, ack any) bool {
	s := st.session
	if st.gate == Pending || e.nsp != st.nsp || st.overLocked() {
		return false
	}
	m := e.message
	if ack != nil {
		if len(s.acks) < maxAcks {
			m = e.encode(kindEvent, s.expectLocked(ownAck{stay: st, app: ack}), true)
		} else if _, ok := ack.(Answer); ok {
			return false
		}
	}
	st.emitLocked(m)
	return true
}

// Answer receives the acknowledgement of one event. It is closed without one when
// the stay ends. Make it with [NewAnswer], for one [Stay.Send].
type Answer chan *Packet

// NewAnswer makes an Answer.
func NewAnswer() Answer { return make(Answer, 1) } // the engine never waits for its reader

// Acknowledged takes the acknowledgements of one event of many clients, each as soon as it
// comes: a handler of the same client's may be waiting for it.
type Acknowledged interface {
	Acknowledged(p *Packet)
}

// Forget gives up an acknowledgement: ack, which must be comparable, is what Send was
// given.
func (st *Stay) Forget(ack any) {
	s := st.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.acks {
		if a.stay == st && a.app == ack {
			delete(s.acks, id)
		}
	}
}

// Packet is an event of the client's, or its acknowledgement of one.
type Packet struct {
	// Event is the event's name, "" for an acknowledgement.
	Event string
	// Data is a compact JSON array: the arguments, behind the name of an
	// event. Attachments are what its placeholders stand for.
	Data        []byte
	Attachments [][]byte
	// ID is the id that an acknowledgement is for or, if WantsAck, by which an
	// event asks for one.
	ID       uint64
	WantsAck bool
	// IsAck tells an acknowledgement from an event.
	IsAck bool
	// Guest says that the gate was Guest when the packet came. It may have opened
	// since.
	Guest bool
	// Ack is what was given to [Stay.Send], nil in an acknowledgement of an
	// event that the library numbered by itself (see [NewPacket]).
	Ack any

	packet    packet
	stay      *Stay
	answering bool // the library has it; guarded by the session
}

func newPacket(st *Stay, p *packet, attachments [][]byte) *Packet {
	return &Packet{
		Event: p.name, Data: p.data, Attachments: attachments, ID: p.id,
		WantsAck: p.hasID && p.isEvent(), IsAck: !p.isEvent(), Guest: st.gate == Guest, packet: *p, stay: st,
	}
}

// Text encodes the packet as Socket.IO does. Commas and brackets in the name of
// an event are escaped, for parsers that take a name to end there.
func (p *Packet) Text() []byte { return p.packet.forLibrary() }

// Passes is [Stay.Passes] of the packet's stay.
func (p *Packet) Passes() bool { return p.stay.Passes() }

// Acknowledge answers an event once, where the gate lets it, with a JSON array
// and its attachments, as those of [NewEvent]. Within Library.Packet the answer leaves
// when that returns.
func (p *Packet) Acknowledge(data []byte, attachments [][]byte) {
	st := p.stay
	e := &Event{nsp: st.nsp, data: toASCII(data), attachments: attachments}
	m := e.encode(kindAck, p.ID, true)
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if p.WantsAck && st.gate != Pending && !st.overLocked() {
		p.WantsAck = false
		st.session.link.later = p.answering // see writeAnswer
		st.emitLocked(m)
		st.session.link.later = false
	}
}

func (p *Packet) size() int {
	n := len(p.Data) + len(p.Event) + 128
	for _, a := range p.Attachments {
		n += len(a) + 64
	}
	return n
}

// ownAck waits for the acknowledgement of an event: one that the binding sent, or the
// application's if app is not nil.
type ownAck struct {
	stay *Stay
	call func([]json.RawMessage)
	app  any
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
// waits for is dropped, unless the library gave its id.
func (s *Session) acknowledgedLocked(st *Stay, p *packet, attachments [][]byte) error {
	if p.id < firstOwnID {
		if st.gate != Pending {
			s.pushLocked(delivery{stay: st, packet: newPacket(st, p, attachments)})
		}
		return nil
	}
	a, ok := s.acks[p.id]
	if !ok || a.stay != st || a.app != nil && st.gate == Pending {
		return nil
	}
	delete(s.acks, p.id)
	if a.app != nil {
		answer := newPacket(st, p, attachments)
		answer.Ack = a.app
		switch ack := a.app.(type) {
		case Answer:
			ack <- answer
			return nil
		case Acknowledged:
			s.post("an acknowledgement", func() { ack.Acknowledged(answer) })
			return nil
		}
		s.pushLocked(delivery{stay: st, packet: answer})
		return nil
	}
	args, err := p.args()
	if err != nil {
		return err
	}
	s.post("an acknowledgement", func() { a.call(args) })
	return nil
}
