// Package bindingtest tests bindings of package socketio to server libraries. If you
// write a binding, call [Run] from a test: it starts your server with different options
// and checks what clients and the application see of authorization.
//
// A binding implements [socketio.Socket] for each client in a namespace, calls
// [socketio.Authorizer.Admit] before it answers the client, [socketio.Authorizer.Attach]
// when the socket exists, and tells the guard what happens to it. docs/bindings.md says
// how, and websocket_test.go of this package is a whole binding. What Run checks is the
// part that the binding has to get right by itself:
//
//   - admission: only admitted clients reach the application, which sees their session;
//   - the gate: nothing passes in either direction before a client has authenticated;
//   - refusals: the words of "unauthorized" and of connect_error, that "unauthorized" asks
//     for an acknowledgement, and the disconnect after it;
//   - acknowledgements of events: the handler's result, a refusal, or none;
//   - the end: it is told once, and nothing follows it in either direction;
//   - stays: what is left of a former stay reaches nobody;
//   - renewal, expiry, revocation, guests, and the rules for events and rooms;
//   - liveness: a user whose connection is dead gets in again, beside a live one not.
//
// [Dial] is the client of bindings that serve Socket.IO over HTTP. A binding without a
// network implements [Client] itself, and may run each test in a bubble of
// testing/synctest ([Binding.Around]).
package bindingtest

import (
	"encoding/json"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// Binding is what Run tests.
type Binding struct {
	// Start starts a server with the application's handlers, for its root namespace. If
	// the server delays the disconnect of refused clients, turn that off. Use t.Cleanup
	// to close it.
	Start func(t testing.TB, app *App) Server

	// NoLiveness says that the sockets do not implement [socketio.Liveness]. With
	// [socketio.RejectNewest] a user whose connection is dead then waits until it times out.
	NoLiveness bool

	// Around runs one test, in a bubble of testing/synctest for example. Nil calls it.
	Around func(t *testing.T, test func(t *testing.T))
}

// App is the application that a server runs.
type App struct {
	Auth    socketio.Authenticator
	Options []socketio.Option

	// Authenticated is called once for each socket that has authenticated, before any of
	// its events is handled. An error ends the session.
	Authenticated func(c Conn, s *socketio.Session) error

	// Event handles the Events, and those of GuestEvents for sockets without a session
	// too. Each has one argument; the result is the acknowledgement.
	Event               func(c Conn, event, arg string) (ack string)
	Events, GuestEvents []string
}

// Conn is a socket as the application has it.
type Conn interface {
	// Session is nil for a guest.
	Session() *socketio.Session
	// Emit sends an event to the client.
	Emit(event string, args ...any)
	// Join asks the rules, and puts the socket into a room if they allow it.
	Join(room string) error
}

// Server is a running server.
type Server interface {
	// Connect connects a client that presents a token in the handshake, "" for none. It
	// need not wait for the answer.
	Connect(token string) Client

	// Broadcast emits an event to the sockets of a room, "" for all.
	Broadcast(room, event string, args ...any)
}

// Client is a client in the root namespace.
type Client interface {
	// Next waits for what the client hears next: an event with its arguments, or
	// "connect", "connect_error" or "disconnect", or "ack" with an acknowledgement. An
	// error says that nothing comes any more.
	Next() (Event, error)

	// Rest returns what the server has sent and Next has not returned.
	Rest() []Event

	// Emit sends an event. If ack is set it asks for an acknowledgement;
	// [errors.ErrUnsupported] says that the client cannot.
	Emit(ack bool, event string, args ...any) error

	// Acknowledge acknowledges the first event that asks for it and is not acknowledged.
	Acknowledge()

	// Vanish ends the client without a word, as a phone does that loses its network: it
	// answers nothing more, and its connection stays open.
	Vanish()

	// Leave leaves the namespace.
	Leave()
	// Enter enters it again with a token, over the same connection if the client has one.
	Enter(token string)
}

// Event is something that a client hears.
type Event struct {
	Name     string
	Args     []json.RawMessage
	WantsAck bool // whether it asks for an acknowledgement
}

// String returns the name and the arguments.
func (e Event) String() string {
	if len(e.Args) == 0 {
		return e.Name
	}
	args, _ := json.Marshal(e.Args)
	return e.Name + string(args)
}

// contract is one test.
type contract struct {
	name string
	test func(t *world)
}

var contracts = []contract{
	{"admission", testAdmission},
	{"the application may end a session that begins", testUnwelcome},
	{"events wait for the handler that begins the session", testOrder},
	{"the gate", testGate},
	{"a refusal by event", testRefusal},
	{"a refused client is disconnected", testDisconnectNow},
	{"unauthorized asks for an acknowledgement", testWantsAck},
	{"acknowledgements", testAcknowledgements},
	{"the end of a session", testEnd},
	{"an end while an event is handled", testEndDuringEvent},
	{"a client that leaves", testLeave},
	{"a former stay", testFormerStay},
	{"renewal", testRenewal},
	{"expiry", testExpiry},
	{"revocation", testRevocation},
	{"liveness", testLiveness},
	{"guests", testGuests},
	{"rules for events", testEventRules},
	{"rules for rooms", testRoomRules},
}

// Run tests a binding.
func Run(t *testing.T, b Binding) {
	around := b.Around
	if around == nil {
		around = func(t *testing.T, test func(t *testing.T)) { test(t) }
	}
	for _, c := range contracts {
		t.Run(c.name, func(t *testing.T) {
			around(t, func(t *testing.T) { c.run(t, b) })
		})
	}
}

func (c contract) run(t testing.TB, b Binding) { c.test(newWorld(t, b)) }
