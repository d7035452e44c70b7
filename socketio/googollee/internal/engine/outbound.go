package engine

import (
	"bytes"
	"encoding/json"
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
// packet, which is ours to set. The application's events do not come this way
// but by [Session.Send]; what does are the library's CONNECT packets, and events
// that the application emitted on the library itself. It never fails: the
// library would leave a session behind whose first write did.
func (s *Session) fromLibrary(b []byte, binary bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if binary {
		s.libraryAttachmentLocked(b[1:])
		return
	}
	s.out.partial, s.out.drop = nil, 0
	p, data, err := parseHeader(b[1:])
	if err != nil {
		return // nothing that could be sent: arguments that do not marshal
	}
	sp := s.space(p.nsp)
	if p.kind == kindConnect {
		if sp != nil && sp.known && s.phase < ending {
			s.announceLocked(sp)
		}
		return
	}
	s.out.drop = p.attachments
	if sp == nil || sp.gate == Pending || !sp.announced || len(data) == 0 || s.phase >= ending || !p.isEvent() {
		return
	}
	p.data, p.hasID = toASCII(bytes.TrimSuffix(data, []byte("\n"))), false // acknowledgements are ours
	m := message{text: p.forClient()}
	if p.attachments > 0 {
		s.out.drop, s.out.partial, s.out.want = 0, &m, p.attachments
		return
	}
	s.sendLocked(m)
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
	sp.held, sp.heldSize = nil, 0
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
