package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Library is the server library above the engine: it decides who enters a
// namespace, and takes what the clients send. The engine calls it without any
// lock held, and recovers its panics: each is logged and ends the one session it
// concerns.
//
// For one stay the calls come in this order: Decide (again while the refusal is
// retryable), Admitted, then any number
// of Authenticate and Packet, then Left, then Done. Admitted, Authenticate, Left
// and Closed of one session run one after another, in one goroutine; Packet
// runs in another, one after another as well. So a handler that blocks in
// Packet delays the packets of one client, and nothing else.
type Library interface {
	// Decide decides whether a client may enter a namespace. It may block. ctx
	// ends when the client gives up or leaves.
	Decide(ctx context.Context, a *Arrival) Verdict

	// Admitted reports a stay that Decide admitted. The library answers the
	// client with [Stay.Accept], here or later; until then what is sent to the
	// stay is kept, and goes out behind that answer.
	Admitted(st *Stay)

	// Authenticate reports an "authenticate" event, whatever the gate. args
	// are its arguments. They are nil, and tooLarge is true, when the event
	// is larger than Config.MaxUnauthenticated.
	Authenticate(st *Stay, args []json.RawMessage, tooLarge bool)

	// Packet delivers an event or an acknowledgement that the gate let pass.
	// It may block. The library owns p.
	Packet(st *Stay, p *Packet)

	// Left reports, exactly once, that a stay which was Admitted is over:
	// nothing sent to it goes out any more.
	Left(st *Stay, reason string)

	// Done reports, exactly once, that every Packet of a stay that was Left
	// has returned.
	Done(st *Stay, reason string)

	// Closed reports the end of a session, after Left of its stays.
	Closed(s *Session, reason string)
}

// Arrival is a client that asks to enter a namespace.
type Arrival struct {
	Namespace string

	// Request is the request of the Engine.IO handshake. Only the body is not
	// there.
	Request *http.Request

	// Query is that of the CONNECT packet: clients 1.x and 2.x send one to
	// namespaces other than the root.
	Query url.Values

	// Auth is the payload of the CONNECT packet, nil without one: clients 3.x
	// and 4.x send it.
	Auth json.RawMessage

	// TooLarge says that the CONNECT packet was larger than
	// Config.MaxUnauthenticated; Auth is then nil.
	TooLarge bool

	// Session is nil in the handshake of clients 1.x and 2.x, which decides
	// about the root namespace: a client that is refused there has no session.
	Session *Session
}

// Gate says what passes between a client and the library in one namespace.
type Gate uint8

const (
	// Pending accepts nothing but "authenticate", which goes to
	// Library.Authenticate, and lets out nothing but [Stay.Emit].
	Pending Gate = iota
	// Guest lets everything pass but "authenticate". The client still counts
	// as unauthenticated for the size of its messages.
	Guest
	// Open lets everything pass but "authenticate".
	Open
)

// Refusal says how the client of a refused or ended stay is told.
type Refusal struct {
	// Error is marshalled to what the client hears: the argument of "error"
	// (clients 1.x and 2.x), or the message and data of "connect_error". If it
	// is nil the client hears nothing of it.
	Error any

	// Retryable leaves the client to its own reconnection, for which the
	// transport closes. Otherwise the client is told to stay away. A client
	// that is in other namespaces keeps its transport: Library.Decide is asked
	// again, after one second, two, four and then every five.
	Retryable bool

	// Tell says that the client has to know Error before it can try again, with
	// something else. Clients 3.x and 4.x then hear it in place of the
	// transport's end, and connect again when their application says so.
	Tell bool

	// Hold keeps the client's place until Config.RefusalDelay after its
	// arrival. A client that connects again in its "disconnect" handler would
	// otherwise do so without a pause. A refused handshake is always held.
	Hold bool
}

// Verdict is the decision about a namespace. The zero Verdict refuses.
type Verdict struct {
	admitted bool
	bare     bool
	unknown  bool
	gate     Gate
	value    any
	refusal  *Refusal
}

// Admit lets the client into a namespace, behind the given gate. value is what
// [Stay.Value] returns.
func Admit(gate Gate, value any) Verdict { return Verdict{admitted: true, gate: gate, value: value} }

// Bare admits clients 1.x and 2.x, which are always in the root, into a root that does
// not exist for the library. Nothing passes, and the client counts as being in no
// namespace.
func Bare() Verdict { return Verdict{admitted: true, bare: true} }

// Refuse keeps the client out of a namespace.
func Refuse(r *Refusal) Verdict { return Verdict{refusal: r} }

// Unknown says that there is no such namespace.
func Unknown() Verdict { return Verdict{unknown: true} }
