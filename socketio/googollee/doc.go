// Package googollee serves Socket.IO clients 1.x to 4.x, and accepts only those
// with a valid JSON Web Token. It has the API of go-socket.io
// (github.com/googollee/go-socket.io), on a separate engine: that library is
// archived, and its server cannot stand on the open internet (see
// docs/security.md).
//
// [NewServer] makes a server, and [Server.Authorize] guards a namespace:
//
//	server, err := googollee.NewServer(nil)
//	chat, err := server.Authorize("/", v)
//	chat.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error { ... })
//	chat.OnEvent("message", func(c *googollee.Conn, text string) { ... })
//	http.Handle("/socket.io/", server)
//
// Until a client has authenticated it can send nothing but "authenticate", and
// hears nothing but the answers to that: no handler runs, and no broadcast reaches
// it, whatever room it is in.
//
// Handlers are registered on the [Namespace]. They are given a [Conn], which is a
// Conn of go-socket.io's, and whose methods may be called from anywhere at any
// time. Arguments are decoded and encoded by go-socket.io's parser, so that its
// parser.Buffer is an attachment.
//
// # Clients
//
// A client chooses the protocol by the EIO parameter of its requests; path and port
// are the same. What differs for the application:
//
//   - Clients 1.x and 2.x are in the root namespace from the beginning, and lose the
//     connection with it. Clients 3.x and 4.x are in the namespaces they ask for.
//   - [Conn.ID] is socket.id. Clients 1.x and 2.x have one ID in every namespace.
//   - With [socketio.ByHandshake] a refused client 1.x or 2.x hears "error", a
//     client 3.x or 4.x "connect_error" with the same object as its data.
//   - A refusal that may not last (the error's Retryable) ends the transport of a
//     client 3.x or 4.x without "connect_error", after which the client would stay
//     away: it comes back by itself. A client that is in other namespaces keeps its
//     connection, and enters the namespace as soon as it may.
package googollee
