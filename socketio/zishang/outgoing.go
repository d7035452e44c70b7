package zishang

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"sync"

	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// outgoing takes what the library writes to one socket.
type outgoing struct {
	mu          sync.Mutex // guards the rest
	text        []byte     // of a packet whose attachments have not all come
	missing     int        // how many of them
	attachments [][]byte
}

// write takes one message. The library writes the attachments of a packet behind it.
func (o *outgoing) write(g *guarded, data io.Reader, options *packet.Options) {
	buffer, ok := data.(types.BufferInterface)
	if !ok {
		return
	}
	content := buffer.Bytes()
	if _, text := data.(*types.StringBuffer); !text {
		o.attach(g, content, options)
		return
	}
	if len(content) == 0 {
		return
	}
	switch parser.PacketType(content[0] - '0') {
	case parser.CONNECT:
		g.connecting()
	case parser.DISCONNECT:
		g.step(forgotten)
		g.Stay.Leave(serverDisconnect, nil)
	case parser.CONNECT_ERROR:
		g.deny(payload(content))
	case parser.EVENT, parser.ACK:
		g.send(content, nil, options)
	case parser.BINARY_EVENT, parser.BINARY_ACK:
		count, _, _ := bytes.Cut(content[1:], []byte{'-'})
		n, err := strconv.Atoi(string(count))
		if err != nil || n == 0 {
			return
		}
		o.mu.Lock()
		o.text, o.missing, o.attachments = content, n, nil
		o.mu.Unlock()
	}
}

// attach takes an attachment of the packet before.
func (o *outgoing) attach(g *guarded, content []byte, options *packet.Options) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.missing == 0 {
		return
	}
	o.attachments = append(o.attachments, content)
	if o.missing--; o.missing == 0 {
		g.send(o.text, o.attachments, options)
		o.text, o.attachments = nil, nil
	}
}

// send hands a whole packet to the stay.
func (g *guarded) send(text []byte, attachments [][]byte, options *packet.Options) {
	b := g.server.broadcastOf(options)
	if b == nil {
		g.Stay.Send(engine.NewPacket(g.Stay.Namespace(), text, attachments), nil)
		return
	}
	e := b.event.Load()
	if e == nil {
		e = engine.NewPacket(g.Stay.Namespace(), text, attachments)
		b.event.Store(e)
	}
	if !g.deliver(e, false, b.rooms) {
		b.missed.Add(1)
	}
}

// eventOf is a packet of the library's encoder.
func eventOf(namespace string, encoded []types.BufferInterface) *engine.Event {
	var attachments [][]byte
	for _, a := range encoded[1:] {
		attachments = append(attachments, a.Bytes())
	}
	return engine.NewPacket(namespace, encoded[0].Bytes(), attachments)
}

// payload returns the data of a packet that has neither an id nor attachments.
func payload(text []byte) json.RawMessage {
	data := text[1:]
	if len(data) > 0 && data[0] == '/' {
		_, data, _ = bytes.Cut(data, []byte{','})
	}
	return bytes.Clone(data)
}
