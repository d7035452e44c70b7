package zishang

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// codec takes the place of the library's parser. The engine has parsed what a client sent,
// and frames what is sent to it. In between a packet stays a value, which the library hands
// on.
type codec struct{ server *Server }

func (c codec) NewEncoder() parser.Encoder { return c }
func (c codec) NewDecoder() parser.Decoder { return &decoder{} }

// decoder hands on what is decoded already. The library calls none of its other methods.
type decoder struct {
	types.EventEmitter
	decoded types.EventListener
}

func (d *decoder) On(_ types.EventName, listeners ...types.EventListener) error {
	d.decoded = listeners[0]
	return nil
}

func (d *decoder) RemoveListener(types.EventName, types.EventListener) bool { return true }

func (d *decoder) Add(packet any) error {
	d.decoded(packet)
	return nil
}

func (d *decoder) Destroy() {}

// nameFor is a namespace's name in packets for the library. Of clients 1.x and 2.x it takes
// the name for a URL, and its path for the namespace.
func nameFor(protocol int, namespace string) string {
	if protocol != 3 {
		return namespace
	}
	return "/" + url.PathEscape(namespace[1:])
}

// decode makes the library's packet of one that a client sent.
func decode(namespace string, p *engine.Packet) (*parser.Packet, error) {
	if parser.ReservedEvents.Has(p.Event) {
		return nil, parser.ErrInvalidPayload
	}
	data, err := value(cluster.Payload{JSON: p.Data, Attachments: p.Attachments})
	if err != nil {
		return nil, err
	}
	out := &parser.Packet{Type: parser.EVENT, Nsp: namespace, Data: data}
	if p.IsAck {
		out.Type = parser.ACK
	}
	if p.IsAck || p.WantsAck {
		out.Id = &p.ID
	}
	return out, nil
}

// encoded is a packet as the library's encoder hands it to connections. The buffer is its
// text, for an adapter that reads what it broadcasts.
type encoded struct {
	types.StringBuffer
	kind      parser.PacketType
	payload   cluster.Payload
	event     *engine.Event // of an event or an acknowledgement
	broadcast *broadcast    // that it is part of, or nil
}

// Clone returns the packet itself: nobody changes it.
func (e *encoded) Clone() types.BufferInterface { return e }

// Encode encodes a packet, once for any number of sockets.
func (c codec) Encode(p *parser.Packet) []types.BufferInterface {
	e, err := encode(p)
	switch {
	case err == nil:
	case p.Type == parser.CONNECT_ERROR: // the client must be told that it is refused
		c.server.logger.Error("zishang: the data of a refusal cannot be encoded, and is not sent", "namespace", p.Nsp, "error", err)
		e, _ = encode(&parser.Packet{Type: p.Type, Data: messageOf(p.Data)}) // strings: it cannot fail
	default:
		c.server.logger.Error("zishang: a packet cannot be encoded, and is not sent", "namespace", p.Nsp, "error", err)
		return nil
	}
	if b, ok := c.server.broadcasts.Load(p); ok {
		e.broadcast = b.(*broadcast)
	}
	return []types.BufferInterface{e}
}

// messageOf is a refusal without its data.
func messageOf(refusal any) map[string]string {
	members, _ := refusal.(map[string]any)
	message, _ := members["message"].(string)
	return map[string]string{"message": cmp.Or(message, "refused")}
}

func encode(p *parser.Packet) (e *encoded, err error) {
	e = &encoded{kind: p.Type}
	var text []byte
	switch p.Type { // an adapter may bring the binary types from other nodes
	case parser.EVENT, parser.ACK, parser.BINARY_EVENT, parser.BINARY_ACK:
		if e.payload, err = payloadOf(p.Data); err != nil {
			return nil, err
		}
		if e.payload.JSON[0] != '[' {
			return nil, errNoList
		}
		isAck := p.Type == parser.ACK || p.Type == parser.BINARY_ACK
		e.event = engine.NewPacket(p.Nsp, isAck, p.Id, e.payload.JSON, e.payload.Attachments)
		text = e.event.Text()
	case parser.CONNECT_ERROR: // without attachments
		defer func() {
			if r := recover(); r != nil { // of a MarshalJSON: the library would keep it to itself
				err = fmt.Errorf("a panic: %v", r)
			}
		}()
		if e.payload.JSON, err = json.Marshal(p.Data); err != nil {
			return nil, err
		}
	}
	e.Buffer = types.NewBuffer(text)
	return e, nil
}

var errNoList = errors.New("the data of an event is not a list")

// payloadOf encodes a value as the library's encoder does: what can be read is an
// attachment, but for text.
func payloadOf(v any) (cluster.Payload, error) {
	if readable(v) {
		return cluster.NewValue(plain(v))
	}
	data, err := json.Marshal(v)
	return cluster.Payload{JSON: data}, err
}

// readable reports whether plain changes a value.
func readable(v any) bool {
	switch v := v.(type) {
	case *types.StringBuffer: // it encodes itself
		return false
	case []byte, io.Reader:
		return true
	case []any:
		return v == nil || slices.ContainsFunc(v, readable)
	case map[string]any:
		if v == nil {
			return true
		}
		for _, e := range v {
			if readable(e) {
				return true
			}
		}
	}
	return false
}

// plain replaces what can be read by a copy of its bytes, and by a string if it is text.
// Nothing in it is nil: a list is empty then, as an acknowledgement without values is.
func plain(v any) any {
	switch v := v.(type) {
	case *types.StringBuffer:
		return v
	case []byte:
		return append([]byte{}, v...)
	case types.BufferInterface:
		return append([]byte{}, v.Bytes()...)
	case io.Reader:
		if c, ok := v.(io.Closer); ok {
			defer c.Close()
		}
		b, _ := io.ReadAll(v) // of one that fails, what came before
		if _, text := v.(*strings.Reader); text {
			return string(b)
		}
		return b
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	}
	return v
}

// value decodes a payload as the library's decoder does: attachments are buffers.
func value(p cluster.Payload) (any, error) {
	v, err := p.Value()
	if err != nil || len(p.Attachments) == 0 {
		return v, err
	}
	return buffers(v), nil
}

func buffers(v any) any {
	switch v := v.(type) {
	case []byte:
		return types.NewBytesBuffer(v)
	case []any:
		for i, e := range v {
			v[i] = buffers(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = buffers(e)
		}
	}
	return v
}
