package engine

import (
	"bytes"
	"slices"
	"time"
)

// retryHold is the longest time that the server holds a retryable refusal. After it the
// client waits by its own back-off.
const retryHold = time.Second

// holdFor returns how long after its arrival the server disconnects a client.
func (e *Server) holdFor(r *Refusal) time.Duration {
	if r.Retryable {
		return min(retryHold, e.config.RefusalDelay)
	}
	return e.config.RefusalDelay
}

// refusalMessages returns the last messages for a client of Engine.IO 3: first why its
// connection ends, and last a DISCONNECT for each namespace. That of the root comes last,
// since it ends the connection.
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

// openRefusedLocked begins the session of a client of Engine.IO 3 whose handshake was
// refused. The client receives the reason and, after RefusalDelay, a disconnect. A plain
// HTTP error would reach it as "xhr poll error", without a reason. The library does not
// know such sessions.
func (s *Session) openRefusedLocked(r *Refusal) {
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

// maxRefusedNamespaces is the number of namespaces in which a refused client gets an
// answer.
const maxRefusedNamespaces = 8

// refusedFrameLocked takes what a client sends whose handshake was refused: the names of
// its namespaces, each of which needs a disconnect. A client 1.x in a namespace has missed
// the refusal of the root and receives it again. Its CONNECT packet tells the version: it
// has no comma behind the name.
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
