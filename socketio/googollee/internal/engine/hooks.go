package engine

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// Gate says what passes between a client and the library in one namespace.
type Gate uint8

const (
	// Pending lets in nothing but "authenticate", which goes to the hook, and
	// lets out nothing but [Session.Emit].
	Pending Gate = iota
	// Guest lets everything out, and in what Config.GuestEvent says, but never
	// "authenticate"; the session still counts as unauthenticated for the size
	// of its messages.
	Guest
	// Open lets everything pass but "authenticate".
	Open
)

// Refusal tells a client that it may not.
type Refusal struct {
	// Error is marshalled to the argument of the client's "error" event. If it
	// is nil there is no such event.
	Error any
	// Retryable leaves the client to its own reconnection. Otherwise it is
	// told to stop: it would come back every second, for ever.
	Retryable bool
}

// Verdict is the decision about a namespace. The zero Verdict refuses.
type Verdict struct {
	admitted bool
	unknown  bool
	gate     Gate
	refusal  *Refusal
}

// Admit lets the client into a namespace, behind the given gate.
func Admit(gate Gate) Verdict { return Verdict{admitted: true, gate: gate} }

// Refuse keeps the client out of a namespace.
func Refuse(r *Refusal) Verdict { return Verdict{refusal: r} }

// Unknown says that there is no such namespace.
func Unknown() Verdict { return Verdict{unknown: true} }

// Hooks are the decisions the engine asks for and the events it reports. All but
// Handshake may be nil, except where noted. A panic in a hook is recovered,
// logged, and refuses or ends the session it concerns.
type Hooks struct {
	// Handshake decides about the root namespace, and with it about the whole
	// connection, before there is a session. It may block, in the goroutine
	// of the request. value is kept for [Session.Value].
	Handshake func(r *http.Request) (v Verdict, value any)

	// Opened reports a session that was admitted, once it has its ID and
	// before anything of the client's is looked at. It must not block.
	Opened func(s *Session)

	// Connect decides about another namespace (or the root, if the client
	// left it and comes back). It may block: it has a goroutine of its own,
	// and the session's Context. Without it every namespace is unknown.
	Connect func(s *Session, nsp string, query url.Values) Verdict

	// Connected reports a namespace that Connect admitted, in the same
	// goroutine, before the library hears of it. The gate is in force.
	Connected func(s *Session, nsp string)

	// Authenticate reports an "authenticate" event, in whatever namespace and
	// behind whatever gate. ack is nil unless the client asked for an
	// acknowledgement. It must not block for long: calls of one session are
	// made one after another.
	Authenticate func(s *Session, nsp string, args []json.RawMessage, ack func(args ...any))

	// NamespaceClosed reports the end of a namespace that was admitted, with
	// what was attached to it, exactly once for each time it was. It must not
	// block for long.
	NamespaceClosed func(s *Session, nsp string, value any, reason string)

	// NamespaceDone reports, once after each NamespaceClosed, that the library
	// has handled everything that came before the end. It must not block for
	// long.
	NamespaceDone func(s *Session, nsp string, value any, reason string)

	// Closed reports the end of a session that was Opened, exactly once, after
	// every NamespaceClosed. It must not block for long.
	Closed func(s *Session, reason string)
}
