package main

import (
	"net/http"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

// serveZishang makes the server of the node on socket.io for Go.
func serveZishang(n *node) (http.Handler, error) {
	options := socket.DefaultServerOptions()
	options.SetAdapter(zishang.ClusterAdapter(n.cluster))
	server := zishang.NewServer(options)
	chat, err := server.Authorize("/", n.verifier, n.options...)
	if err != nil {
		return nil, err
	}
	changed := func() { _ = chat.ServerSideEmit("people") }
	_ = chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		session := zishang.SessionOf(s)
		name := session.User().(string)
		s.Join(socket.Room(userRoom(session.Token().Subject)))
		s.SetData(person{Name: name, Node: "zishang"})
		changed()
		_ = s.On("disconnect", func(...any) { changed() })
		_ = s.On("message", func(args ...any) {
			acknowledge, _ := args[len(args)-1].(socket.Ack)
			text, _ := args[0].(string)
			problem := n.said(name, text,
				func(m message) { _ = chat.Emit("message", m) },
				func(room string) { chat.In(socket.Room(room)).DisconnectSockets(true) })
			if acknowledge != nil {
				acknowledge([]any{problem}, nil)
			}
		})
	})
	_ = chat.On("who", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"zishang"}, nil) })
	n.end = server.Close
	return server, nil
}
