package zishang

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
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
				content := args[0].(types.BufferInterface) // may be sent more than once
				_ = s.Emit("one", content)
				_ = n.Emit("all", content, "x", []byte{})
				args[1].(socket.Ack)([]any{content.Bytes()}, nil)
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

// TestManyAttachments: an event may have as many attachments as the engine takes, 64.
func TestManyAttachments(t *testing.T) {
	const many = 64
	web := serve(t, nil, func(io *Server) {
		n := guard(t, io, "/", byName())
		_ = n.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("parts", func(args ...any) {
				total := 0
				for _, part := range args {
					total += part.(types.BufferInterface).Len()
				}
				_ = s.Emit("total", total)
			})
		})
	})
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	var event strings.Builder
	fmt.Fprintf(&event, `45%d-["parts"`, many)
	for i := range many {
		fmt.Fprintf(&event, `,{"_placeholder":true,"num":%d}`, i)
	}
	f.send(event.String() + "]")
	for range many {
		if err := f.conn.WriteMessage(websocket.BinaryMessage, []byte{1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.next(); got != `42["total",128]` {
		t.Error(got)
	}
}

// TestPacketTypes: an adapter may broadcast what another node calls a binary event. Packets
// of unknown types, and without a list of arguments, are not sent.
func TestPacketTypes(t *testing.T) {
	var n socket.Namespace
	web := serve(t, nil, func(io *Server) { n = guard(t, io, "/", byName()) })
	f := upgrade(t, web)
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	n.Adapter().Broadcast(&parser.Packet{Type: parser.EVENT}, nil)
	n.Adapter().Broadcast(&parser.Packet{Type: parser.EVENT, Data: "news"}, nil)
	for _, kind := range []parser.PacketType{99, parser.BINARY_EVENT, parser.EVENT} {
		n.Adapter().Broadcast(&parser.Packet{Type: kind, Data: []any{"news", []byte{1}}}, nil)
	}
	for range 2 {
		f.expect(`451-["news",{"_placeholder":true,"num":0}]`, "\x01")
	}
}
