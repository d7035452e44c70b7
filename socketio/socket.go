package socketio

import "context"

// The events that authorization speaks. The first three are those of
// socketio-jwt.
const (
	EventAuthenticate  = "authenticate"  // from the client: {"token": "..."}
	EventAuthenticated = "authenticated" // to the client: the socket may speak
	EventUnauthorized  = "unauthorized"  // to the client: why not, with an acknowledgement

	// EventTokenExpiring tells a client that its session is about to end, unless
	// it emits "authenticate" with a new token: {"expires_in": seconds}. With "room" the
	// notice is about the token of that room.
	EventTokenExpiring = "token_expiring"
)

// Socket is the narrow view of a server's socket, in one namespace, that
// authorization needs. A binding implements it. Its methods may be called from
// any goroutine, and all but Authenticated return without waiting; once the socket
// is closed they do nothing.
type Socket interface {
	// ID is the server's name for the socket, unique within the namespace.
	ID() string

	// Emit sends an event whether or not the socket is open to the
	// application. If ack is not nil it asks the client for an acknowledgement,
	// and calls ack at most once when that comes, from any goroutine.
	// [EventUnauthorized] asks for one in any case, here and in Close: clients
	// of socketio-jwt call the function that comes with it.
	Emit(event string, ack func(), args ...any)

	// Open lets the application's events in and out from now on. If event is
	// not empty it is sent first, before anything of the application's can
	// be.
	Open(event string)

	// Authenticated is called once, when the socket has its session and before
	// any of its events is handled: the place for the application's own
	// handlers, which may block. An error ends the session.
	Authenticated(s *Session) error

	// Close ends the socket in one step: from now on nothing of the
	// application's gets in or out, not even what it emitted just before and is
	// still in flight through the server. If event is not empty it is sent as
	// the last one, and the socket is then disconnected. cause says why, for
	// the server's log and hooks.
	Close(cause error, event string, args ...any)
}

// Liveness is what a [Socket] can implement so that [RejectNewest] does not reject a
// user for the sake of a connection that is gone and has not timed out yet, such as that
// of a phone that changed networks.
type Liveness interface {
	// Alive asks the client for a sign of life, by a ping for example, and reports
	// whether one came before ctx ended. It returns true at once if the connection
	// cannot be asked.
	Alive(ctx context.Context) bool
}
