// Package googollee authorizes the sockets of a go-socket.io server
// (github.com/googollee/go-socket.io), which serves Socket.IO clients 1.x and
// 2.x. For anything new, and for clients 3.x and 4.x, use package zishang.
//
// [NewServer] makes a server whose transports are replaced, at the extension
// points of go-socket.io, by ones that can stand on the open internet: see
// docs/security.md for what that cures. [Server.Authorize] guards a namespace:
//
//	server, err := googollee.NewServer(nil)
//	chat, err := server.Authorize("/", v)
//	chat.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error { ... })
//	chat.OnEvent("message", func(c *googollee.Conn, text string) { ... })
//	http.Handle("/socket.io/", server)
//
// Until a socket is authenticated nothing but "authenticate" comes in from it,
// and nothing but the answers to that goes out to it: no handler runs, no
// broadcast reaches it, whatever room go-socket.io put it in.
//
// Handlers are registered on the [Namespace], not on go-socket.io's server, and
// are given a [Conn] whose methods may be called from anywhere at any time.
package googollee
