package zishang

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// TestBinaryWithoutAttachments: an event that announces attachments which do not come is
// never handled, and neither are the events behind it taken for its attachments. The
// library by itself waits for them without end.
func TestBinaryWithoutAttachments(t *testing.T) {
	for name, packets := range map[string][]string{
		"announced, and an event in place": {`451-["message",{"_placeholder":true,"num":0}]`, `42["message","next"]`},
		"none announced, one used":         {`450-["message",{"_placeholder":true,"num":0}]`},
	} {
		t.Run(name, func(t *testing.T) {
			handled := make(chan any, 9)
			web := serve(t, nil, func(s *Server) {
				_ = guard(t, s, "/", byName()).On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("message", func(args ...any) { handled <- args[0] })
				})
			})
			f := upgrade(t, web)
			f.send(`40{"token":"alice"}`)
			f.expect("40")
			f.send(packets...)
			if _, got, err := f.conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseNoStatusReceived) && string(got) != "1" {
				t.Logf("the connection ends by %q, %v", got, err)
				if err == nil {
					t.Errorf("the client got %s", got)
				}
			}
			if n := len(handled); n != 0 {
				t.Errorf("%v was handled", <-handled)
			}
			// The server lives on.
			f = upgrade(t, web)
			f.send(`40{"token":"alice"}`)
			f.expect("40")
			f.send(`42["message","again"]`)
			if got := <-handled; got != "again" {
				t.Errorf("%v was handled", got)
			}
		})
	}
}

// TestConnectTwice: what socket.disconnect().connect() sends, twice and without a pause,
// makes one stay after another. The library by itself may lose the connection.
func TestConnectTwice(t *testing.T) {
	for _, mode := range []string{"by handshake", "by event"} {
		t.Run(mode, func(t *testing.T) {
			option := socketio.ByHandshake()
			if mode == "by event" {
				option = socketio.ByEvent()
			}
			web := serve(t, nil, func(s *Server) {
				_ = guard(t, s, "/chat", byName(), option).On("connection", func(args ...any) {
					so := args[0].(*socket.Socket)
					_ = so.On("ask", func(args ...any) { args[1].(socket.Ack)([]any{SessionOf(so).Token().Subject, args[0]}, nil) })
				})
			})
			f := upgrade(t, web)
			enter := func(name string) string {
				if mode == "by event" {
					return "40/chat,"
				}
				return `40/chat,{"token":"` + name + `"}`
			}
			f.send(enter("ada"))
			for i := range 50 {
				name := fmt.Sprint("user", i)
				f.send("41/chat,") // the client hears of its first stay, or not
				f.send(enter(name))
				for done := false; !done; {
					got := f.next()
					switch {
					case strings.HasPrefix(got, "40/chat,"): // by handshake a renewal
						f.send(`42/chat,["authenticate",{"token":"` + name + `"}]`)
					case got == `42/chat,["authenticated"]`:
						f.send(fmt.Sprintf(`42/chat,%d["ask","x"]`, i))
					case strings.HasPrefix(got, fmt.Sprintf("43/chat,%d[", i)):
						if done = true; !strings.HasSuffix(got, `["`+name+`","x"]`) {
							t.Fatalf("%s is told %s", name, got)
						}
					case !strings.HasPrefix(got, "43"):
						t.Fatalf("got %s", got)
					}
				}
			}
		})
	}
}
