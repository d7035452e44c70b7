package zishang

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// What is read and written here are Socket.IO packets as text, of the default
// parser: <type>[<attachments>-][/<namespace>,][<id>][<data>]. Both revisions of
// the protocol have them.

const (
	typeConnect      = '0'
	typeDisconnect   = '1'
	typeEvent        = '2'
	typeAck          = '3'
	typeConnectError = '4'
	typeBinaryEvent  = '5'
	typeBinaryAck    = '6'
)

// header is what stands before the data of a packet.
type header struct {
	kind        byte
	attachments int // binary messages that follow
	namespace   string
	id          string
	data        []byte
}

// parseHeader reads a packet up to its data. What it does not understand the
// library would not either: ok is then false.
func parseHeader(text []byte) (h header, ok bool) {
	if len(text) == 0 || text[0] < typeConnect || text[0] > typeBinaryAck {
		return header{}, false
	}
	h.kind, text = text[0], text[1:]
	if h.kind == typeBinaryEvent || h.kind == typeBinaryAck {
		count, rest, found := bytes.Cut(text, []byte{'-'})
		n, err := strconv.ParseUint(string(count), 10, 16)
		if !found || err != nil {
			return header{}, false
		}
		h.attachments, text = int(n), rest
	}
	h.namespace = "/"
	if len(text) > 0 && text[0] == '/' {
		name, rest, _ := bytes.Cut(text, []byte{','})
		h.namespace, text = string(name), rest
	}
	digits := len(text) - len(bytes.TrimLeft(text, "0123456789"))
	h.id, h.data = string(text[:digits]), text[digits:]
	return h, true
}

// isEvent reports whether the data of an EVENT packet is that of the named
// event. It does not decode the arguments.
func (h header) isEvent(name string) bool {
	d := json.NewDecoder(bytes.NewReader(h.data))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return false
	}
	first, err := d.Token()
	return err == nil && first == name
}

// argument decodes the first argument of an event. It is nil where there is
// none, or it is not JSON.
func (h header) argument() any {
	var args []any
	if json.Unmarshal(h.data, &args) != nil || len(args) < 2 {
		return nil
	}
	return args[1]
}

// packet writes a packet. Data that is nil is left out.
func packet(kind byte, namespace, id string, data any) (string, error) {
	var b strings.Builder
	b.WriteByte(kind)
	if namespace != "/" {
		b.WriteString(namespace)
		b.WriteByte(',')
	}
	b.WriteString(id)
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			return "", err
		}
		b.Write(text)
	}
	return b.String(), nil
}
