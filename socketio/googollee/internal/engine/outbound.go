package engine

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// outbound is the way from the library, and from ourselves, to the client.
type outbound struct {
	queue []message
	bytes int     // of the queue, and of what is being written
	open  message // OPEN, until it is in the queue
	begun bool    // OPEN is, or was, in the queue

	// A packet of the library's whose attachments have not all come: it goes
	// out in one piece, for ours must not come between.
	partial *message
	want    int
	drop    int // attachments of a packet that did not pass
}

// sendLocked queues a message for the client. A client that does not keep up
// loses its session: nothing here waits for a client, so that one that stops
// reading does not hold up a broadcast.
func (s *Session) sendLocked(m message) {
	if s.phase >= ending {
		return
	}
	n := m.size()
	if s.out.bytes > 0 && s.out.bytes+n > s.server.config.MaxOutbound {
		s.out.queue = nil
		s.endLocked(end{reason: "the client does not keep up", keep: true})
		return
	}
	s.out.queue = append(s.out.queue, m)
	s.out.bytes += n
	s.wakeLocked()
}

// takeLocked empties the queue for a writer, which reports with wroteLocked.
func (s *Session) takeLocked() []message {
	batch := s.out.queue
	s.out.queue = nil
	return batch
}

func (s *Session) wroteLocked(batch []message) {
	for i := range batch {
		s.out.bytes -= batch[i].size()
	}
}

// fromLibrary takes a frame the library wrote: b begins with the byte before the
// packet, which is ours to set. It never fails: the library would leave a
// session behind whose first write did.
func (s *Session) fromLibrary(b []byte, binary bool) {
	s.mu.Lock()
	then := s.libraryLocked(b, binary)
	s.mu.Unlock()
	if then != nil {
		then()
	}
}

func (s *Session) libraryLocked(b []byte, binary bool) (then func()) {
	if binary {
		s.libraryAttachmentLocked(b[1:])
		return nil
	}
	s.out.partial, s.out.drop = nil, 0
	p, data, err := parseHeader(b[1:])
	if err != nil {
		return nil // nothing that could be sent: arguments that do not marshal
	}
	sp := s.space(p.nsp)
	if p.kind == kindConnect {
		if sp != nil && sp.known && s.phase < ending {
			s.announceLocked(sp)
		}
		return nil
	}
	data = bytes.TrimSuffix(data, []byte("\n"))
	if p.isEvent() {
		if name, ok := bytes.CutPrefix(data, []byte(syncPrefix)); ok {
			if name, ok = bytes.CutSuffix(name, []byte(`"]`)); ok {
				then = s.syncs[string(name)]
				delete(s.syncs, string(name))
			}
			return then
		}
	}
	s.out.drop = p.attachments
	isAck := p.kind == kindAck || p.kind == kindBinaryAck
	if sp == nil || sp.gate == Pending || !sp.announced || len(data) == 0 || s.phase >= ending ||
		!p.isEvent() && !isAck || isAck && !p.hasID {
		return nil
	}
	if p.isEvent() && p.hasID {
		if sp.acks == nil {
			sp.acks = make(map[uint64]struct{})
		}
		sp.acks[p.id] = struct{}{}
	}
	// The library's own encoding is the client's, but for what is not ASCII.
	m := message{text: bytes.TrimSuffix(b, []byte("\n"))}
	m.text[0] = typeMessage
	if !isASCII(data) {
		p.data = appendASCII(make([]byte, 0, 2*len(data)), data)
		m.text = p.forClient()
	}
	if p.attachments > 0 {
		s.out.drop, s.out.partial, s.out.want = 0, &m, p.attachments
		return nil
	}
	s.sendLocked(m)
	return nil
}

func (s *Session) libraryAttachmentLocked(data []byte) {
	if s.out.drop > 0 {
		s.out.drop--
		return
	}
	m := s.out.partial
	if m == nil {
		return
	}
	m.attachments = append(m.attachments, data)
	if len(m.attachments) == s.out.want {
		s.out.partial = nil
		s.sendLocked(*m)
	}
}

// announceLocked lets the library's CONNECT out, with what waited for it. The
// root's is the library's first packet: it also releases OPEN, which goes out
// with it, in one payload.
func (s *Session) announceLocked(sp *space) {
	if s.phase == opening {
		s.phase = live
		s.cond.Broadcast()
		s.releaseOpenLocked()
	}
	if sp.announced {
		return
	}
	sp.announced = true
	p := packet{kind: kindConnect, nsp: sp.name}
	s.sendLocked(message{text: p.forClient()})
	for _, m := range sp.held {
		s.sendLocked(m)
	}
	sp.held = nil
}

func (s *Session) releaseOpenLocked() {
	if s.out.open.text != nil {
		s.out.begun = true
		s.out.queue = append(s.out.queue, s.out.open)
		s.out.bytes += s.out.open.size()
		s.out.open = message{}
	}
}

// openLocked takes the session's id from the library's OPEN and prepares ours.
func (s *Session) openLocked(b []byte) {
	var params struct {
		SID string `json:"sid"`
	}
	if json.Unmarshal(b, &params) != nil || params.SID == "" || s.id != "" {
		return
	}
	s.id = params.SID
	upgrades := []string{}
	if s.link.polling {
		upgrades = append(upgrades, "websocket")
	}
	s.out.open = openMessage(s.id, upgrades, &s.server.config)
}

func openMessage(sid string, upgrades []string, c *Config) message {
	b, _ := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
	}{sid, upgrades, c.PingInterval.Milliseconds(), c.PingTimeout.Milliseconds()}) // strings and numbers: it cannot fail
	return message{text: append([]byte{typeOpen}, b...)}
}

// syncPrefix begins the data of the events that AfterFlush has the library
// send. The control character keeps it out of the way of real events.
const syncPrefix = `["\u0000flush:`

// AfterFlush calls then once everything that was handed to the library before
// has reached the outbound queue. emit must emit the given event, with no
// arguments, on the library's own connection, in any namespace; it may block
// and has a goroutine of its own. then is called once, at the latest after
// Config.FlushTimeout. It is the way to end a session without losing what the
// application emitted just before: the library's Emit returns while another
// goroutine has the packet in its hands.
func (s *Session) AfterFlush(emit func(event string), then func()) {
	s.mu.Lock()
	if s.phase != live || s.libClosed {
		s.mu.Unlock()
		then()
		return
	}
	defer s.mu.Unlock()
	s.ownIDs++
	name := strconv.FormatUint(s.ownIDs, 10)
	if s.syncs == nil {
		s.syncs = make(map[string]func())
	}
	timer := time.AfterFunc(s.server.config.FlushTimeout, func() {
		s.mu.Lock()
		f := s.syncs[name]
		delete(s.syncs, name)
		s.mu.Unlock()
		if f != nil {
			f()
		}
	})
	s.syncs[name] = func() {
		timer.Stop()
		s.server.guard(s, "AfterFlush", then)
	}
	s.server.tasks.Go(func() {
		s.server.guard(s, "AfterFlush", func() { emit("\x00flush:" + name) })
	})
}
