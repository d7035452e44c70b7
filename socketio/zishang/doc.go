// Package zishang authorizes the clients of socket.io for Go
// (github.com/zishang520/socket.io/servers/socket/v3). It serves Socket.IO clients 3.x and
// 4.x, and 1.x and 2.x with SetAllowEIO3(true).
//
//	server := zishang.NewServer(options)
//	chat, err := server.Authorize("/", v)
//	chat.On("connection", func(args ...any) {
//		s := args[0].(*socket.Socket)
//		log.Print("hello! ", zishang.SessionOf(s).Token().Subject)
//	})
//	http.Handle("/socket.io/", server)
//
// A [Server] puts the unmodified library on this module's engine, which owns transports,
// packets and limits. [Server.Authorize] and [Server.Public] declare the namespaces there
// are: any other does not exist for clients. The library hears of a client once it is
// accepted, so no handler runs and no broadcast reaches it before.
//
// The token comes in the handshake: auth: {token} of the client's options, or the places
// that the verifier's extractor looks at. With [socketio.ByEvent] it comes in an
// "authenticate" event instead.
//
// [Server.IO] is the library's server, for everything else that it offers.
//
// # One stay, one library client
//
// The engine calls a client's presence in one namespace a stay. For each stay the
// binding gives the library a separate connection. It ends with the stay; the client's
// other namespaces do not matter. The rest of a former stay therefore cannot send to a
// later one, or in its name. Only the engine decides which packets pass; see the table of states
// in socketio/internal/engine.
//
// What the library has of a stay is one state, whose table is in state.go. Packets wait
// in the stay, not in the queue of the library's socket: each is handed over when the one
// before has been handled, so that nothing that waits outlives the session.
package zishang
