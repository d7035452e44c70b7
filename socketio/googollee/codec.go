package googollee

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/googollee/go-socket.io/engineio/session"
	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// go-socket.io encodes and decodes the arguments of events, so that a parser.Buffer is an
// attachment and types decode as before. It does so in the goroutine of the caller, where
// the panic of a MarshalJSON or UnmarshalJSON becomes an error.

// frames are those of one packet.
type frames struct {
	text        []byte
	attachments [][]byte
}

// encode makes the JSON array, and the attachments, of an event or of an
// acknowledgement: kind is parser.Event or parser.Ack.
func encode(kind parser.Type, args []any) (data []byte, attachments [][]byte, err error) {
	defer recovered(&err)
	if plain(args) {
		data, err = json.Marshal(args)
		return data, nil, err
	}
	f := new(frames)
	if err := parser.NewEncoder((*frameWriter)(f)).Encode(parser.Header{Type: kind}, args); err != nil {
		return nil, nil, err
	}
	array := bytes.IndexByte(f.text, '[') // behind the type and the number of attachments
	return bytes.TrimSpace(f.text[array:]), f.attachments, nil
}

// plain reports whether there is no attachment among values, without a look into them.
func plain(values []any) bool {
	for _, v := range values {
		switch v.(type) {
		case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, json.Number, json.RawMessage:
		default:
			return false
		}
	}
	return true
}

// parameters are the parameters of a function that takes a client's arguments.
type parameters struct {
	types    []reflect.Type
	variadic bool // the last one takes what is left
	buffers  bool // a parser.Buffer may be among the arguments
}

// parametersOf returns the parameters of a function, without the first ones.
func parametersOf(f reflect.Type, skip int) parameters {
	p := parameters{types: slices.Collect(f.Ins())[skip:], variadic: f.IsVariadic()}
	seen := make(map[reflect.Type]bool)
	p.buffers = slices.ContainsFunc(p.types, func(t reflect.Type) bool { return holdsBuffer(t, seen) })
	return p
}

// holdsBuffer reports whether go-socket.io finds a parser.Buffer in a value of a type. It
// knows only the name of the type.
func holdsBuffer(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsBuffer(t.Elem(), seen)
	case reflect.Struct:
		if t.Name() == "Buffer" {
			return true
		}
		for i := range t.NumField() {
			if holdsBuffer(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// forPacket returns a type for each argument.
func (p parameters) forPacket(packet *engine.Packet) ([]reflect.Type, error) {
	if !p.variadic {
		return p.types, nil
	}
	var args []json.RawMessage
	if err := json.Unmarshal(packet.Data, &args); err != nil {
		return nil, err
	}
	n := len(args)
	if !packet.IsAck {
		n-- // the name
	}
	last := len(p.types) - 1
	types := slices.Clone(p.types[:last])
	for len(types) < n {
		types = append(types, p.types[last].Elem())
	}
	return types, nil
}

// decode reads the arguments of an event or an acknowledgement.
func decode(p *engine.Packet, into parameters) (args []reflect.Value, err error) {
	defer recovered(&err)
	types, err := into.forPacket(p)
	if err != nil {
		return nil, err
	}
	if len(p.Attachments) == 0 && !into.buffers {
		return unmarshal(p, types)
	}
	d := parser.NewDecoder(&frameReader{frames: frames{p.Text(), p.Attachments}})
	var header parser.Header
	var event string
	if err := d.DecodeHeader(&header, &event); err != nil {
		return nil, err
	}
	if args, err = d.DecodeArgs(types); err != nil {
		return nil, err
	}
	if len(args) != len(types) {
		return nil, fmt.Errorf("%d arguments instead of %d", len(args), len(types))
	}
	for _, arg := range args {
		attach(arg, p.Attachments)
	}
	return args, nil
}

// unmarshal reads arguments without attachments as go-socket.io's decoder does, which reads
// the packet anew, byte by byte.
func unmarshal(p *engine.Packet, types []reflect.Type) ([]reflect.Value, error) {
	args := make([]reflect.Value, len(types))
	values := make([]any, 0, len(types)+1)
	if !p.IsAck {
		values = append(values, new(ignored)) // the name
	}
	for i, t := range types {
		pointer := t.Kind() == reflect.Pointer
		if pointer {
			t = t.Elem()
		}
		args[i] = reflect.New(t)
		values = append(values, args[i].Interface())
		if !pointer {
			args[i] = args[i].Elem()
		}
	}
	if err := json.Unmarshal(p.Data, &values); err != nil {
		return nil, err
	}
	return args, nil
}

// ignored takes any JSON.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}

// frameWriter collects what go-socket.io's encoder writes.
type frameWriter frames

func (f *frameWriter) NextWriter(t session.FrameType) (io.WriteCloser, error) {
	if t == session.TEXT {
		return &sink{f: f}, nil
	}
	return &sink{f: f, binary: true}, nil
}

type sink struct {
	bytes.Buffer
	f      *frameWriter
	binary bool
}

func (s *sink) Close() error {
	if s.binary {
		s.f.attachments = append(s.f.attachments, s.Bytes())
	} else {
		s.f.text = s.Bytes()
	}
	return nil
}

// frameReader gives go-socket.io's decoder what it asks for.
type frameReader struct {
	frames
	begun bool
}

func (f *frameReader) NextReader() (session.FrameType, io.ReadCloser, error) {
	if !f.begun {
		f.begun = true
		return session.TEXT, &source{*bytes.NewReader(f.text)}, nil
	}
	if len(f.attachments) == 0 {
		return 0, nil, io.EOF
	}
	r := &source{*bytes.NewReader(f.attachments[0])}
	f.attachments = f.attachments[1:]
	return session.BINARY, r, nil
}

type source struct{ bytes.Reader }

func (*source) Close() error { return nil }
