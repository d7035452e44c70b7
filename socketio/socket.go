package socketio

import "context"

// Socket is what authorization needs of a server's socket, in one namespace. A binding
// implements it. Its methods may be called from any goroutine, and all but Authenticated
// return without waiting. Once the socket is closed they do nothing.
type Socket interface {
	// ID returns the server's ID of the socket, unique within the namespace.
	ID() string

	// Emit sends an event, whether or not the socket is open to the application. If ack is
	// not nil the client is asked for an acknowledgement, and the binding calls ack at most
	// once when it comes, from any goroutine. [EventUnauthorized] asks for one in any case,
	// here and in Close: clients of socketio-jwt call the function that comes with it.
	Emit(event string, ack func(), args ...any)

	// Open lets the application's events pass from now on, in both directions. If event is
	// not empty, the binding sends it first, in front of any event of the application. With
	// a pass the client is not connected before: then the binding first tells it so.
	Open(event string)

	// Authenticated is called once, when the socket has its session and before any of its
	// events is handled, maybe before Attach has returned. The binding runs the application's own handlers in it, which may
	// block. An error ends the session.
	Authenticated(s *Session) error

	// Close ends the socket in one step: from now on no event of the application passes, in
	// either direction, not even one that it emitted before and that is still in flight
	// through the server. If event is not empty, the binding sends it as the last one; then
	// it disconnects the socket. cause is the reason, for the server's log and hooks. If the
	// client was not told yet that it is connected, the binding refuses it with cause instead.
	Close(cause error, event string, args ...any)
}

// Liveness is an optional method of a [Socket]. With it, [RejectNewest] does not refuse
// a user because of a connection that is dead but has not timed out yet, such as that of
// a phone that changed networks.
type Liveness interface {
	// Alive asks the client for a sign of life, for example by a ping, and reports whether
	// one came before ctx ended. It returns true at once if it cannot ask the connection.
	Alive(ctx context.Context) bool
}
