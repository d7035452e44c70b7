package zishang

import (
	"testing"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// TestBinary: events with attachments go out to one socket and to all, in order, and come
// in; so do acknowledgements.
func TestBinary(t *testing.T) {
	web := serve(t, nil, func(io *Server) {
		n := guard(t, io, "/room", byName())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("echo", func(args ...any) {
				content := args[0].(types.BufferInterface).Bytes() // the library empties the buffer
				_ = s.Emit("one", content)
				_ = n.Emit("all", content, "x", []byte{})
				args[1].(socket.Ack)([]any{content}, nil)
			})
		})
	})
	f := upgrade(t, web)
	f.send(`40/room,{"token":"alice"}`)
	f.expect("40/room,")
	f.send(`451-/room,7["echo",{"_placeholder":true,"num":0}]`)
	if err := f.conn.WriteMessage(websocket.BinaryMessage, []byte{1, 255}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`451-/room,["one",{"_placeholder":true,"num":0}]`, "\x01\xff",
		`452-/room,["all",{"_placeholder":true,"num":0},"x",{"_placeholder":true,"num":1}]`, "\x01\xff", "",
		`461-/room,7[{"_placeholder":true,"num":0}]`, "\x01\xff",
	} {
		if got := f.next(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
