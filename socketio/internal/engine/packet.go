package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// The packet types of Socket.IO protocols 4 and 5, as they stand on the wire.
const (
	kindConnect     = '0'
	kindDisconnect  = '1'
	kindEvent       = '2'
	kindAck         = '3'
	kindError       = '4'
	kindBinaryEvent = '5'
	kindBinaryAck   = '6'
)

const (
	// maxID is the largest acknowledgement id: beyond it a JavaScript number
	// no longer names one integer.
	maxID = 1<<53 - 1
	// firstOwnID starts the range of ids that the engine gives. A library that
	// numbers its events counts from 0 and never gets here. The client for Java
	// reads ids as integers of 32 bits.
	firstOwnID = 1 << 30
	// unheardID is the id of an event whose acknowledgement nobody waits for.
	unheardID = firstOwnID
	// maxNamespaceName bounds a namespace's name in bytes.
	maxNamespaceName = 128

	root = "/"
)

// packet is one Socket.IO packet, parsed to its last byte.
type packet struct {
	kind        byte
	nsp         string
	query       string // of a CONNECT, undecoded
	id          uint64
	hasID       bool
	attachments int
	data        []byte // a compact JSON array, or nil
	name        string // of an event
	first       int    // the offset in data behind the event's name
}

// isEvent tells whether p is an EVENT, with attachments or without.
func (p *packet) isEvent() bool { return p.kind == kindEvent || p.kind == kindBinaryEvent }

// parseHeader reads everything before the JSON data, which it returns
// uninterpreted. It serves both directions.
func parseHeader(b []byte) (p packet, data []byte, err error) {
	if len(b) == 0 {
		return p, nil, errors.New("an empty packet")
	}
	p.kind, p.nsp = b[0], root
	if p.kind < kindConnect || p.kind > kindBinaryAck {
		return p, nil, fmt.Errorf("unknown packet type %q", p.kind)
	}
	if b, err = p.readAttachments(b[1:]); err != nil {
		return p, nil, err
	}
	if b, err = p.readNamespace(b); err != nil {
		return p, nil, err
	}
	b, err = p.readID(b)
	return p, b, err
}

// readAttachments reads the number of attachments of a binary packet, and returns the
// rest of b, as the next two do.
func (p *packet) readAttachments(b []byte) ([]byte, error) {
	if p.kind != kindBinaryEvent && p.kind != kindBinaryAck {
		return b, nil
	}
	digits := countDigits(b)
	// Four digits are more than any limit allows, and cannot overflow.
	if digits == 0 || digits > 4 || digits == len(b) || b[digits] != '-' {
		return nil, errors.New("expected a number of attachments and a dash")
	}
	p.attachments, _ = strconv.Atoi(string(b[:digits]))
	return b[digits+1:], nil
}

// readNamespace reads the name of a namespace other than the root, with its query.
func (p *packet) readNamespace(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != '/' {
		return b, nil
	}
	name, rest, _ := bytes.Cut(b, []byte{','})
	name, query, _ := bytes.Cut(name, []byte{'?'})
	p.nsp, p.query = string(name), string(query)
	return rest, CheckNamespace(p.nsp)
}

// readID reads the id of an acknowledgement, if there is one.
func (p *packet) readID(b []byte) ([]byte, error) {
	digits := countDigits(b)
	if digits == 0 {
		return b, nil
	}
	if digits > 16 {
		return nil, errors.New("an acknowledgement id has more than 16 digits")
	}
	p.id, _ = strconv.ParseUint(string(b[:digits]), 10, 64)
	if p.id > maxID {
		return nil, errors.New("an acknowledgement id is beyond 2^53-1")
	}
	p.hasID = true
	return b[digits:], nil
}

func countDigits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// CheckNamespace admits what clients can name: a slash and printable ASCII after
// it, but no comma or question mark, which end a name. The name stands outside
// the JSON, so that nothing else could be escaped, and clients 1.x and 2.x
// disagree on its length.
func CheckNamespace(name string) error {
	if len(name) > maxNamespaceName {
		return fmt.Errorf("a namespace's name is longer than %d bytes", maxNamespaceName)
	}
	if name == "" || name[0] != '/' {
		return errors.New("a namespace's name does not begin with a slash")
	}
	for _, b := range []byte(name) {
		if b == ',' || b == '?' {
			return fmt.Errorf("a namespace's name has a %q in it", b)
		}
		if b <= ' ' || b >= 0x7f {
			return errors.New("a namespace's name has a character that is not printable ASCII")
		}
	}
	return nil
}

// parsePacket reads a packet that a client sent. The error says what was
// expected, for the log; it never goes to the client.
func parsePacket(b []byte, maxAttachments int, d *dialect) (packet, error) {
	p, data, err := parseHeader(b)
	if err != nil {
		return p, err
	}
	if p.query != "" && p.kind != kindConnect {
		return p, errors.New("only a CONNECT packet carries a query")
	}
	if p.attachments > maxAttachments {
		return p, fmt.Errorf("a packet has %d attachments, more than %d", p.attachments, maxAttachments)
	}
	switch p.kind {
	case kindConnect, kindDisconnect:
		err = p.readConnect(data, d)
		return p, err
	case kindError:
		return p, errors.New("a client sent an ERROR packet")
	case kindAck, kindBinaryAck:
		if !p.hasID {
			return p, errors.New("an ACK packet has no id")
		}
	}
	p.data, p.first, err = compactArray(make([]byte, 0, len(data)), data, p.attachments)
	if err != nil {
		return p, err
	}
	if p.isEvent() {
		err = p.readName()
	}
	return p, err
}

// readConnect reads the payload of CONNECT. DISCONNECT has none.
func (p *packet) readConnect(data []byte, d *dialect) (err error) {
	if p.kind == kindConnect && d.auth && len(data) > 0 && !p.hasID {
		p.data, err = compactObject(make([]byte, 0, len(data)), data)
		return err
	}
	if p.hasID || len(data) > 0 {
		return errors.New("a CONNECT or DISCONNECT packet has data")
	}
	return nil
}

// readName reads the name of an event. JavaScript takes a number for its text.
func (p *packet) readName() (err error) {
	if p.first == 0 {
		return errors.New("an EVENT packet does not begin with its name")
	}
	switch b := p.data[1]; {
	case b == '-' || b >= '0' && b <= '9':
		p.data = slices.Insert(slices.Insert(p.data, p.first, '"'), 1, '"')
		p.first += 2
	case b != '"':
		return errors.New("an EVENT packet does not begin with its name")
	}
	p.name, err = unquote(p.data[1:p.first])
	return err
}

// args splits the data of an event (without its name) or of an acknowledgement.
func (p *packet) args() ([]json.RawMessage, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(p.data, &all); err != nil {
		return nil, err
	}
	if p.isEvent() {
		all = all[1:]
	}
	return all, nil
}

// forLibrary encodes p for the library's parser. That parser ends an event's name at the
// first comma or bracket, so forLibrary escapes these within the name. It omits the query
// of a CONNECT, and makes a plain packet of a binary one without attachments.
func (p *packet) forLibrary() []byte {
	b := p.appendHeader(make([]byte, 0, len(p.data)+len(p.nsp)+24))
	if !p.isEvent() {
		return append(b, p.data...)
	}
	name := p.data[1:p.first]
	if !bytes.ContainsAny(name, ",]") {
		return append(b, p.data...)
	}
	b = append(b, '[')
	for _, c := range name {
		switch c {
		case ',':
			b = append(b, `\u002c`...)
		case ']':
			b = append(b, `\u005d`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, p.data[p.first:]...)
}

// forClient encodes p as an Engine.IO message. The data must be ASCII.
func (p *packet) forClient() []byte {
	b := make([]byte, 0, len(p.data)+len(p.nsp)+24)
	b = append(b, typeMessage)
	b = p.appendHeader(b)
	if p.nsp != root && !p.hasID && p.data == nil {
		b = append(b, ',')
	}
	return append(b, p.data...)
}

func (p *packet) appendHeader(b []byte) []byte {
	kind := p.kind
	switch {
	case p.attachments > 0:
	case kind == kindBinaryEvent:
		kind = kindEvent
	case kind == kindBinaryAck:
		kind = kindAck
	}
	b = append(b, kind)
	if p.attachments > 0 {
		b = strconv.AppendInt(b, int64(p.attachments), 10)
		b = append(b, '-')
	}
	if p.nsp != root {
		b = append(b, p.nsp...)
		if p.hasID || p.data != nil {
			b = append(b, ',')
		}
	}
	if p.hasID {
		b = strconv.AppendUint(b, p.id, 10)
	}
	return b
}
