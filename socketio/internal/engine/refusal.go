package engine

import (
	"bytes"
	"slices"
	"time"
)

// retryHold is how long a retryable refusal is held at most: the client's own
// back-off follows.
const retryHold = time.Second

// holdFor is how long after its arrival a client may be told to go.
func (e *Server) holdFor(r *Refusal) time.Duration {
	if r.Retryable {
		return min(retryHold, e.config.RefusalDelay)
	}
	return e.config.RefusalDelay
}

// refusalMessages tell a client of Engine.IO 3 that its connection ends: first why,
// and last that it is over. The root comes last, since it ends the connection.
func (d *dialect) refusalMessages(r *Refusal, namespaces []string) (first, last []message) {
	if r == nil {
		r = &Refusal{}
	}
	say := func(nsp string) {
		if r.Error != nil {
			first = append(first, d.refuseMessage(nsp, r.Error))
		}
		if !r.Retryable {
			last = append(last, disconnectMessage(nsp))
		}
	}
	for _, nsp := range namespaces {
		if nsp != root {
			say(nsp)
		}
	}
	say(root)
	return first, last
}

// openRefused begins the session of a client of Engine.IO 3 whose handshake was
// refused: it hears why and, some time later, that it is over. A plain HTTP error
// would reach it as "xhr poll error", without a reason. The library never hears of
// it.
func (s *Session) openRefused(r *Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r == nil {
		r = &Refusal{Error: genericError()}
	}
	s.queueLocked(s.dialect.openMessage(s.id, []string{}, &s.server.config))
	first, last := s.dialect.refusalMessages(r, nil)
	for _, m := range first {
		s.queueLocked(m)
	}
	s.state, s.refusal, s.last, s.reason = closing, r, last, "refused"
	s.establishedLocked()
	if s.held = s.server.refused.Add(1) <= int64(s.server.config.MaxHandshakes); !s.held {
		s.server.refused.Add(-1)
		s.brief = true // too many are held
		s.finishLocked()
		return
	}
	s.timer.Reset(s.server.holdFor(r))
}

// maxRefusedNamespaces is how many namespaces a refused client is answered in.
const maxRefusedNamespaces = 8

// refusedFrameLocked takes what a client sends whose handshake was refused: the
// names of the namespaces that it is in, so that it is disconnected from each. A
// client 1.x in a namespace has not heard the root's refusal, and is told again. It
// is known by its CONNECT packet, which has no comma behind the name.
func (s *Session) refusedFrameLocked(f frame) {
	if f.kind != typeMessage || f.binary || s.final || s.refusals >= maxRefusedNamespaces {
		return
	}
	p, err := parsePacket(f.data, 0, s.dialect)
	if err != nil || p.kind != kindConnect || p.nsp == root {
		return
	}
	s.refusals++
	if !s.refusal.Retryable {
		s.last = slices.Insert(s.last, 0, disconnectMessage(p.nsp))
	}
	if s.refusal.Error != nil && !bytes.HasSuffix(f.data, []byte(",")) {
		s.queueLocked(s.dialect.refuseMessage(p.nsp, s.refusal.Error))
		s.wakeLocked()
	}
}
