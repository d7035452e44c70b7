package engine

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// space is a session's presence in one namespace.
type space struct {
	name      string
	value     any // see Attach
	gate      Gate
	admitted  bool      // false while the Connect hook decides
	known     bool      // the library has been told of it
	announced bool      // the client has been told of it
	held      []message // what was emitted before that
	heldSize  int
}

// ownAck waits for an acknowledgement: of an event of our own, or of one of the
// application's, if app is not nil.
type ownAck struct {
	space *space
	call  func([]json.RawMessage)
	app   any
}

const (
	maxRefusals = 100  // refused CONNECTs of one session, before it ends
	maxUnproven = 16   // namespaces that a client who is let in nowhere may leave: with each it gets a new deadline
	maxAttempts = 8    // "authenticate" events that wait for their hook at once
	maxOwnAcks  = 64   // acknowledgements that one session may owe before ours are not asked for
	maxAcks     = 4096 // the same for the application's
)

// connectLocked takes a CONNECT packet. One for a namespace that is connected,
// or being decided about, asks for nothing.
func (s *Session) connectLocked(p *packet) {
	if s.space(p.nsp) != nil {
		return
	}
	if s.server.hooks.Connect == nil {
		s.refuseLocked(p.nsp, Unknown())
		return
	}
	if limit := s.server.config.MaxNamespaces; len(s.spaces) >= limit || s.deciding >= limit {
		s.refuseLocked(p.nsp, Refuse(&Refusal{Error: "Too many namespaces"}))
		return
	}
	if s.unproven >= maxUnproven && !s.provenLocked() {
		s.endLocked(end{reason: "came and went too often", goodbye: true})
		return
	}
	sp := &space{name: p.nsp}
	s.spaces = append(s.spaces, sp)
	s.deciding++
	// What does not parse is left out: the hook sees a query as it would a
	// request's.
	query, _ := url.ParseQuery(p.query)
	s.server.tasks.Go(func() {
		var v Verdict
		s.server.guard(s, "Connect", func() { v = s.server.hooks.Connect(s, sp.name, query) })
		s.mu.Lock()
		defer s.mu.Unlock()
		s.deciding--
		if s.phase != live || s.space(sp.name) != sp {
			return // the client left, or left this namespace
		}
		if v.admitted {
			s.admitLocked(sp, v.gate)
			return
		}
		s.drop(sp)
		s.refuseLocked(sp.name, v)
	})
}

// admitLocked opens a namespace. The hook goes through the session's queue of
// calls, so that NamespaceClosed cannot overtake it.
func (s *Session) admitLocked(sp *space, gate Gate) {
	sp.admitted, sp.gate = true, gate
	s.post("Connected", func() {
		if f := s.server.hooks.Connected; f != nil {
			f(s, sp.name)
		}
	})
	s.post("CONNECT", func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.phase != live || s.space(sp.name) != sp {
			return
		}
		sp.known = true
		p := packet{kind: kindConnect, nsp: sp.name}
		s.pushLocked(inPacket{text: p.forLibrary(), handling: &Handling{session: s, space: sp}})
	})
}

// Attach keeps a value with the client's stay in a namespace. It is for the
// hooks Opened and Connected.
func (s *Session) Attach(nsp string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.space(nsp); sp != nil {
		sp.value = v
	}
}

// Attached returns what was attached to the client's present stay in a namespace.
func (s *Session) Attached(nsp string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.space(nsp); sp != nil {
		return sp.value
	}
	return nil
}

// refuseLocked answers a CONNECT with an ERROR packet; the library sees nothing.
func (s *Session) refuseLocked(nsp string, v Verdict) {
	if s.refusals++; s.refusals > maxRefusals {
		s.endLocked(end{reason: "too many refused namespaces", goodbye: true})
		return
	}
	r := v.refusal
	if v.unknown {
		r = &Refusal{Error: "Invalid namespace"}
	} else if r == nil {
		r = &Refusal{Error: genericError()}
	}
	s.sendLocked(errorMessage(nsp, r.Error))
}

// leaveLocked ends one namespace: for the hooks, the library and whoever waits
// for an acknowledgement. cut keeps from the library what it has not read yet.
func (s *Session) leaveLocked(sp *space, reason string, cut bool) {
	if s.space(sp.name) != sp {
		return
	}
	s.drop(sp)
	if !sp.admitted {
		return
	}
	if cut {
		sp.gate = Pending // see inbound.pop
	}
	for id, a := range s.acks {
		if a.space == sp {
			delete(s.acks, id)
		}
	}
	if f := s.server.hooks.NamespaceClosed; f != nil {
		s.post("NamespaceClosed", func() { f(s, sp.name, sp.value, reason) })
	}
	done := func() {
		if f := s.server.hooks.NamespaceDone; f != nil {
			s.post("NamespaceDone", func() { f(s, sp.name, sp.value, reason) })
		}
	}
	if !sp.known || s.libClosed {
		done()
		return
	}
	s.pushLocked(inPacket{text: disconnectForLibrary(sp.name, reason), done: done})
}

// disconnectForLibrary is a DISCONNECT packet whose argument the library hands
// to OnDisconnect as the reason. No client can send one: see parsePacket.
func disconnectForLibrary(nsp, reason string) []byte {
	data, err := marshal([]string{reason})
	if err != nil {
		data = []byte(`[""]`)
	}
	p := packet{kind: kindDisconnect, nsp: nsp, data: data}
	return p.forLibrary()
}

// SetGate changes what passes in a namespace. Closing a gate also keeps from the
// library what it has not read yet.
func (s *Session) SetGate(nsp string, gate Gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.space(nsp); sp != nil && sp.admitted {
		sp.gate = gate
	}
}

// EmitAndSetGate sends an event of our own and changes the gate in one step:
// nothing of the application's comes before the event, and whatever the client
// sends in answer to it meets the new gate.
func (s *Session) EmitAndSetGate(nsp string, gate Gate, event string, args ...any) error {
	m, err := eventMessage(nsp, event, args, 0)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.space(nsp); sp != nil && sp.admitted {
		s.emitLocked(sp, m)
		sp.gate = gate
	}
	return nil
}

// emitLocked sends a message, but not before the client knows that it is in the
// namespace.
func (s *Session) emitLocked(sp *space, m message) {
	if sp.announced {
		s.sendLocked(m)
		return
	}
	sp.held = append(sp.held, m)
	if sp.heldSize += m.size(); sp.heldSize > s.server.config.MaxOutbound {
		s.endLocked(end{reason: "more was sent than a namespace that is connecting may hold", keep: true})
	}
}

func eventMessage(nsp, event string, args []any, id uint64) (message, error) {
	data, err := marshal(append([]any{event}, args...))
	if err != nil {
		return message{}, fmt.Errorf("engine: the arguments of %q cannot be sent as JSON: %w", event, err)
	}
	p := packet{kind: kindEvent, nsp: nsp, id: id, hasID: id != 0, data: data}
	return message{text: p.forClient()}, nil
}

// acknowledge makes the function that answers a client's event once.
func (s *Session) acknowledge(sp *space, id uint64) func(args ...any) {
	answered := false // guarded by s.mu
	return func(args ...any) {
		if args == nil {
			args = []any{}
		}
		data, err := marshal(args)
		if err != nil {
			data = []byte("[]")
		}
		p := packet{kind: kindAck, nsp: sp.name, id: id, hasID: true, data: data}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !answered && s.space(sp.name) == sp {
			answered = true
			s.emitLocked(sp, message{text: p.forClient()})
		}
	}
}

// DisconnectNamespace takes the client out of one namespace; the rest of the
// connection lives. What was sent before arrives before. r, if not nil, tells
// the client why. It reports whether the namespace was connected.
func (s *Session) DisconnectNamespace(nsp, reason string, r *Refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(nsp)
	if sp == nil || s.phase >= ending {
		return false
	}
	if r != nil && r.Error != nil {
		s.sendLocked(errorMessage(nsp, r.Error))
	}
	s.sendLocked(disconnectMessage(nsp))
	s.leaveLocked(sp, reason, true)
	return sp.admitted
}
