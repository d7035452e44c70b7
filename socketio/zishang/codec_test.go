package zishang

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
)

// TestEncode: packets are encoded as the library's encoder does it.
func TestEncode(t *testing.T) {
	closed := 0
	for name, make := range map[string]func() any{
		"plain": func() any {
			return []any{"news", 1.5, true, nil, "ü <&>", map[string]any{"a": []any{1}}, struct{ B int }{2}}
		},
		"nothing": func() any { return []any{"news"} },
		"bytes":   func() any { return []any{"news", []byte{1, 2}, map[string]any{"x": []byte{}}, []any{[]byte{3}}} },
		"buffers": func() any { return []any{"news", types.NewBytesBuffer([]byte{1}), types.NewStringBufferString("text")} },
		"readers": func() any {
			return []any{"news", strings.NewReader("text"), io.LimitReader(strings.NewReader("bytes"), 3)}
		},
		"nil": func() any {
			return []any{"news", []any(nil), map[string]any(nil), []any{[]any(nil)}, (*types.StringBuffer)(nil), json.RawMessage(nil)}
		},
		"nil beside bytes": func() any { return []any{"news", []byte(nil), []any(nil), (*types.StringBuffer)(nil)} },
		"no values":        func() any { return []any(nil) },
		"a reader that fails": func() any {
			return []any{"news", io.MultiReader(strings.NewReader("part"), iotest.ErrReader(io.ErrUnexpectedEOF))}
		},
		"what encodes itself": func() any { return []any{"news", json.Number("1e999"), json.RawMessage(`"<>"`), time.Unix(0, 0).UTC()} },
		"a buffer half read":  func() any { return []any{"news", half()} },
		"what is not attached": func() any {
			return []any{"news", [][]byte{{1}}, map[string][]byte{"a": {1}}, struct{ B []byte }{[]byte{1}}}
		},
		"a reader closed": func() any { return []any{"news", &closer{strings.NewReader("bytes"), &closed}} },
	} {
		id := uint64(7)
		for _, p := range []parser.Packet{
			{Type: parser.EVENT, Nsp: "/"}, {Type: parser.EVENT, Nsp: "/room"}, {Type: parser.EVENT, Nsp: "/room", Id: &id}, {Type: parser.ACK, Nsp: "/", Id: &id},
		} {
			p.Data = make()
			want := parser.NewEncoder().Encode(&p)
			p.Data = make()
			got, err := encode(&p)
			if err != nil {
				t.Fatal(name, err)
			}
			if wanted := want[0].String(); len(want)-1 != len(got.payload.Attachments) || ascii(wanted) != got.String() {
				t.Errorf("%s: got %s with %d attachments, want %s with %d", name, got, len(got.payload.Attachments), ascii(wanted), len(want)-1)
				continue
			}
			for i, a := range got.payload.Attachments {
				if string(a) != want[i+1].String() {
					t.Errorf("%s: attachment %d is %q, want %q", name, i, a, want[i+1])
				}
			}
		}
	}
	if closed != 8 {
		t.Errorf("readers were closed %d times, want 4 by us and 4 by the library", closed)
	}
	if _, err := encode(&parser.Packet{Type: parser.EVENT, Nsp: "/", Data: []any{"news", make(chan int)}}); err == nil {
		t.Error("a channel was encoded")
	}
}

// half returns a buffer that has been read up to a point.
func half() types.BufferInterface {
	b := types.NewBytesBufferString("abc")
	_, _ = b.ReadByte()
	return b
}

// TestEncodeCopies: the application may use its bytes again when Emit has returned.
func TestEncodeCopies(t *testing.T) {
	mine := []byte("first")
	e, err := encode(&parser.Packet{Type: parser.EVENT, Nsp: "/", Data: []any{"news", mine, map[string]any{"deep": mine}}})
	if err != nil {
		t.Fatal(err)
	}
	copy(mine, "other")
	for i, a := range e.payload.Attachments {
		if string(a) != "first" {
			t.Errorf("attachment %d is %q", i, a)
		}
	}
}

// ascii escapes what is not ASCII, as the engine does for clients 1.x and 2.x.
func ascii(s string) string { return strings.ReplaceAll(s, "ü", `\u00fc`) }

type closer struct {
	io.Reader
	closed *int
}

func (c *closer) Close() error {
	*c.closed++
	return nil
}

// TestNotSent: what cannot be encoded, and what an adapter has encoded by itself, is logged
// and not sent. The client stays, and so do the listeners of its connection.
func TestNotSent(t *testing.T) {
	log := &logtest.Buffer{}
	server := NewServer(nil, WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	n := guard(t, server, "/", byName())
	closed := make(chan any, 1)
	_ = n.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.Conn().On("data", func(...any) { t.Error("a listener heard a packet") })
		_ = s.Conn().On("close", func(args ...any) { closed <- args[0] })
		_ = s.On("send", func(args ...any) {
			_ = s.Emit("broken", make(chan int))
			_ = n.Emit("broken", make(chan int))
			s.Client().WriteToEngine([]types.BufferInterface{types.NewStringBufferString(`2["own"]`)}, &socket.WriteOptions{})
			_ = s.Emit("sent")
			args[0].(socket.Ack)([]any{make(chan int)}, nil)
			_ = s.Emit("then")
		})
	})
	f := upgrade(t, serveServer(t, server))
	f.send(`40{"token":"alice"}`)
	f.expect("40")
	f.send(`427["send"]`)
	f.expect(`42["sent"]`)
	f.expect(`42["then"]`)
	for want, times := range map[string]int{
		"a packet cannot be encoded, and is not sent": 3,
		"expected an adapter to encode it":            1,
	} {
		if got := strings.Count(log.String(), want); got != times {
			t.Errorf("%q was logged %d times, want %d: %s", want, got, times, log)
		}
	}
	f.send("41")
	if reason := <-closed; reason != "client namespace disconnect" {
		t.Errorf("the connection closed: %v", reason)
	}
}

// TestDecode: packets are decoded as the library's decoder does it, and names that are
// reserved for the server are refused.
func TestDecode(t *testing.T) {
	library := func(text string, attachments ...string) (p *parser.Packet, err error) {
		d := parser.NewDecoder()
		_ = d.On("decoded", func(args ...any) { p = args[0].(*parser.Packet) })
		err = d.Add(text)
		for _, a := range attachments {
			err = d.Add([]byte(a))
		}
		return p, err
	}
	for _, test := range []struct {
		text        string
		packet      engine.Packet
		attachments []string
	}{
		{`2["news",1,"ü",{"a":[null]}]`, engine.Packet{Event: "news", Data: []byte(`["news",1,"ü",{"a":[null]}]`)}, nil},
		{`27["news"]`, engine.Packet{Event: "news", Data: []byte(`["news"]`), ID: 7, WantsAck: true}, nil},
		{`37[1]`, engine.Packet{Data: []byte(`[1]`), ID: 7, IsAck: true}, nil},
		{`52-["news",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]`, engine.Packet{
			Event: "news", Data: []byte(`["news",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]`),
		}, []string{"a", "bc"}},
		{`61-0[{"_placeholder":true,"num":0}]`, engine.Packet{Data: []byte(`[{"_placeholder":true,"num":0}]`), IsAck: true}, []string{"a"}},
	} {
		want, err := library(test.text, test.attachments...)
		if err != nil {
			t.Fatal(test.text, err)
		}
		switch want.Type { // the library treats both alike
		case parser.BINARY_EVENT:
			want.Type = parser.EVENT
		case parser.BINARY_ACK:
			want.Type = parser.ACK
		}
		for _, a := range test.attachments {
			test.packet.Attachments = append(test.packet.Attachments, []byte(a))
		}
		got, err := decode("/", &test.packet)
		if err != nil || show(got.Data.([]any), nil) != show(want.Data.([]any), nil) || got.Type != want.Type || !reflect.DeepEqual(got.Id, want.Id) || got.Nsp != want.Nsp {
			t.Errorf("%s: got %+v, %v, want %+v", test.text, got, err, want)
		}
	}
	for _, name := range parser.ReservedEvents.Keys() {
		if _, err := decode("/", &engine.Packet{Event: name, Data: []byte(`["` + name + `"]`)}); err != parser.ErrInvalidPayload {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReservedNames: a client that sends an event that is the server's loses its connection,
// and no listener hears it.
func TestReservedNames(t *testing.T) {
	for _, name := range parser.ReservedEvents.Keys() {
		web := serve(t, nil, func(io *Server) {
			_ = guard(t, io, "/", byName()).On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On(name, func(args ...any) {
					if len(args) > 0 && args[0] == "forged" {
						t.Errorf("%s was heard", name)
					}
				})
			})
		})
		f := upgrade(t, web)
		f.send(`40{"token":"alice"}`)
		f.expect("40")
		f.send(`42["` + name + `","forged"]`)
		var late net.Error
		if _, packet, err := f.conn.ReadMessage(); err == nil || errors.As(err, &late) && late.Timeout() {
			t.Errorf("%s: the connection stays: %s, %v", name, packet, err)
		}
	}
}
