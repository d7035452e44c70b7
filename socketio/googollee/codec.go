package googollee

import (
	"bytes"
	"encoding/json"
	"errors"
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
	f := new(frames)
	if err := parser.NewEncoder((*frameWriter)(f)).Encode(parser.Header{Type: kind}, args); err != nil {
		return nil, nil, err
	}
	i := bytes.IndexByte(f.text, '[') // behind the type and the number of attachments
	if i < 0 {
		return nil, nil, errors.New("go-socket.io encoded no arguments")
	}
	return bytes.TrimSpace(f.text[i:]), f.attachments, nil
}

// parameters are the parameters of a function that takes a client's arguments.
type parameters struct {
	types    []reflect.Type
	variadic bool // the last one takes what is left
}

// parametersOf returns the parameters of a function, without the first ones.
func parametersOf(f reflect.Type, skip int) parameters {
	return parameters{slices.Collect(f.Ins())[skip:], f.IsVariadic()}
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
	d := parser.NewDecoder(&frameReader{frames: frames{p.Text(), p.Attachments}})
	var header parser.Header
	var event string
	if err := d.DecodeHeader(&header, &event); err != nil {
		return nil, err
	}
	args, err = d.DecodeArgs(types)
	if err == nil && len(args) != len(types) {
		err = fmt.Errorf("%d arguments instead of %d", len(args), len(types))
	}
	if err == nil && len(p.Attachments) > 0 {
		for _, arg := range args {
			attach(arg, p.Attachments)
		}
	}
	return args, err
}

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
