// Package engine is the ground that package googollee stands on: transports,
// packets and gates put in place of those of go-socket.io v1.7.0, at its public
// extension points.
//
// A [Server] is the http.Handler that clients talk to. It keeps one [Session]
// per Engine.IO session and shows go-socket.io a single virtual transport
// connection for it ([Server.Options]), which never changes: polling, websocket
// and the upgrade from one to the other happen below, over one inbound queue and
// one bounded outbound queue. go-socket.io is entered for the handshake and
// never again.
//
// Between the client and the library stands the gate. Every packet from the
// client is parsed to its last byte, judged, and encoded anew, so that the
// library's parser only sees what ours understood. A namespace is decided by
// [Hooks] and then pending, guest or open; while it is pending nothing but
// "authenticate" comes in and nothing but [Session.Emit] goes out.
//
// The library keeps connections, rooms and the order of events. Reading into it
// it is told an event's name, for which it calls the handler; the arguments are
// fetched there ([Session.Handling]) and the answer is given there. Sending goes
// past it ([Session.Send]): it would have encoded in a goroutine where a panic
// ends the process, and would have counted acknowledgements without a lock.
//
// # Locks and goroutines
//
// A session has one mutex, never held while a hook runs, while the library is
// called or while the network is written. Hooks that may take their time run in
// goroutines that [Server.Shutdown] waits for; the others run one after another
// in one such goroutine per session, which exists only while there is something
// to call. An idle websocket session costs one goroutine, its reader; a writer
// exists while there is something to write.
//
// # What it leans on
//
// Of go-socket.io v1.7.0: that a handshake calls Accept once, then writes OPEN,
// then accepts the connection and writes the root namespace's CONNECT before
// anything else; that a CONNECT packet for a namespace with a handler is
// answered by one; that a DISCONNECT packet runs OnDisconnect with its argument
// as the reason; and that reading io.EOF makes it close and forget the
// connection.
package engine
