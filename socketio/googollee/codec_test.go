package googollee

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

type point struct {
	X, Y int
	Next *point
}

// TestUnmarshal: arguments without attachments are those that go-socket.io's decoder makes.
func TestUnmarshal(t *testing.T) {
	types := map[string][]reflect.Type{
		"nothing":  {},
		"string":   {reflect.TypeFor[string]()},
		"pointer":  {reflect.TypeFor[*point]()},
		"any":      {reflect.TypeFor[any]()},
		"mixed":    {reflect.TypeFor[int](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]point]()},
		"its own":  {reflect.TypeFor[time.Time](), reflect.TypeFor[json.RawMessage]()},
		"pointers": {reflect.TypeFor[**int](), reflect.TypeFor[*json.Number]()},
	}
	for name, types := range types {
		for _, args := range []string{
			``, `,"x"`, `,1`, `,null`, `,1,{"a":[1,null,"b"]},[{"X":1,"next":{"y":2}}]`, `,{"X":1}`, `,{"X":"1"}`,
			`,"2026-01-02T03:04:05Z",{"raw":[1]}`, `,7,8,9,10`, `,null,null,null`, `,1e400`,
		} {
			data := `["an event"` + args + `]`
			got, err := unmarshal(&engine.Packet{Data: []byte(data)}, types)
			d := parser.NewDecoder(&frameReader{frames: frames{text: []byte("2" + data)}})
			var header parser.Header
			var event string
			if err := d.DecodeHeader(&header, &event); err != nil {
				t.Fatal(err)
			}
			want, wantErr := d.DecodeArgs(types)
			if (err == nil) != (wantErr == nil) || err != nil && reflect.TypeOf(err) != reflect.TypeOf(wantErr) {
				t.Errorf("%s of %s: got the error %v, expected %v", name, data, err, wantErr)
			}
			if !reflect.DeepEqual(values(got), values(want)) {
				t.Errorf("%s of %s: got %v, expected %v", name, data, values(got), values(want))
			}
		}
	}
}

func values(args []reflect.Value) (all []any) {
	for _, a := range args {
		all = append(all, a.Interface())
	}
	return all
}

// TestEncode: values that are encoded without go-socket.io become what it makes of them.
func TestEncode(t *testing.T) {
	for _, args := range [][]any{
		{}, {"e"}, {"e", nil, true, "<ä漢😀\u2028>", -1, uint8(2), 1.5e30, json.Number("3"), json.RawMessage(` [1, {"a": "<"}]`)},
	} {
		if !plain(args) {
			t.Fatalf("%v is not plain", args)
		}
		got, attachments, err := encode(parser.Event, args)
		if err != nil || attachments != nil {
			t.Fatalf("got %v, %v", attachments, err)
		}
		w := new(frames)
		if err := parser.NewEncoder((*frameWriter)(w)).Encode(parser.Header{Type: parser.Event}, args); err != nil {
			t.Fatal(err)
		}
		if want := string(w.text[1 : len(w.text)-1]); string(got) != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
	if plain([]any{"e", &parser.Buffer{}}) || plain([]any{[]any{parser.Buffer{}}}) {
		t.Error("an attachment is not seen")
	}
}

// TestHoldsBuffer: go-socket.io decodes wherever it may find a Buffer.
func TestHoldsBuffer(t *testing.T) {
	type deep struct {
		_ string
		M map[string][]*[1]parser.Buffer
		N *deep
	}
	for f, want := range map[any]bool{
		new(func()):                                  false,
		new(func(string, *point, any)):               false,
		new(func(...parser.Buffer)):                  true,
		new(func(string, *parser.Buffer)):            true,
		new(func(deep)):                              true,
		new(func(map[string]point, json.RawMessage)): false,
	} {
		if got := parametersOf(reflect.TypeOf(f).Elem(), 0).buffers; got != want {
			t.Errorf("%T: got %v", f, got)
		}
	}
}

// BenchmarkArguments reads the arguments of an event and encodes its acknowledgement, with
// and without go-socket.io's codec.
func BenchmarkArguments(b *testing.B) {
	const data = `["echo","a text of some forty characters, more or less"]`
	types := []reflect.Type{reflect.TypeFor[string]()}
	b.Run("by=ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			args, err := unmarshal(&engine.Packet{Data: []byte(data)}, types)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := encode(parser.Ack, []any{args[0].Interface()}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=go-socket.io", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d := parser.NewDecoder(&frameReader{frames: frames{text: []byte("2" + data)}})
			var header parser.Header
			var event string
			if err := d.DecodeHeader(&header, &event); err != nil {
				b.Fatal(err)
			}
			args, err := d.DecodeArgs(types)
			if err != nil {
				b.Fatal(err)
			}
			if err := parser.NewEncoder((*frameWriter)(new(frames))).Encode(parser.Header{Type: parser.Ack}, []any{args[0].Interface()}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
