// Package zishang authorizes the sockets of a Socket.IO server in Go
// (github.com/zishang520/socket.io/servers/socket/v3), which serves Socket.IO
// clients 3.x and 4.x, and 2.x with SetAllowEIO3(true). It is the one to choose
// for anything new.
//
// [Authorize] makes a middleware for a server or a namespace:
//
//	authorize, err := zishang.Authorize(v)
//	io := socket.NewServer(nil, zishang.Harden(options))
//	io.Use(authorize)
//	io.On("connection", func(args ...any) {
//		s := args[0].(*socket.Socket)
//		log.Print("hello! ", zishang.SessionOf(s).Token().Subject)
//	})
//	http.Handle("/socket.io/", zishang.Handler(io))
//
// The token comes in the handshake: auth: {token} of the client's options, or
// the places that the verifier's extractor looks at. With [socketio.ByEvent] it
// comes in an "authenticate" event instead. Either way "connection" is for
// sockets that have authenticated: until then the server's library does not know
// of the socket, so that no handler runs, no broadcast reaches it, and it is in
// no room.
//
// Everything else is the library's: its server, its sockets, its options. [Harden]
// mends what it can of the faults that matter here; docs/zishang.md tells of them.
package zishang
