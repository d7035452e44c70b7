package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The types of requests and responses of @socket.io/redis-adapter 8.
const (
	typeSockets        = 0
	typeAllRooms       = 1
	typeJoin           = 2
	typeLeave          = 3
	typeDisconnect     = 4
	typeFetch          = 5
	typeServerSideEmit = 6
	typeBroadcast      = 7 // with acknowledgement
	typeClientCount    = 8
	typeAck            = 9
)

// The types of Socket.IO packets that a broadcast may have.
const (
	packetEvent       = 2
	packetBinaryEvent = 5 // sent by nodes 2.x
)

// broadcast is a message on the channel of broadcasts: a MessagePack array of the
// sender's uid, a packet and options.
type broadcast struct {
	uid   string
	nsp   string
	event Payload
	to    Target
}

func appendBroadcast(b []byte, m *broadcast) ([]byte, error) {
	b = appendString(appendArray(b, 3), m.uid)
	b, err := appendPacket(b, m.nsp, m.event)
	if err != nil {
		return nil, err
	}
	return appendOptions(b, m.to, 0), nil
}

func appendPacket(b []byte, nsp string, event Payload) ([]byte, error) {
	b = appendString(appendMap(b, 3), "type")
	b = appendInt(b, packetEvent)
	b, err := appendPayload(appendString(b, "data"), event)
	if err != nil {
		return nil, err
	}
	return appendString(appendString(b, "nsp"), nsp), nil
}

// appendOptions appends a target with its flags. A timeout of 0 is none.
func appendOptions(b []byte, to Target, timeout time.Duration) []byte {
	b = appendStrings(appendString(appendMap(b, 3), "rooms"), to.Rooms)
	b = appendStrings(appendString(b, "except"), to.Except)
	b = appendString(b, "flags")
	flags := 0
	if to.Volatile {
		flags++
	}
	if timeout > 0 {
		flags++
	}
	b = appendMap(b, flags)
	if to.Volatile {
		b = appendBool(appendString(b, "volatile"), true)
	}
	if timeout > 0 {
		b = appendInt(appendString(b, "timeout"), max(timeout.Milliseconds(), 1))
	}
	return b
}

func appendStrings(b []byte, list []string) []byte {
	b = appendArray(b, len(list))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

func decodeBroadcast(data []byte) (*broadcast, error) {
	r := &reader{data: data}
	h, err := r.expect(kindArray, "a broadcast")
	if err != nil {
		return nil, err
	}
	if h.n != 3 {
		return nil, fmt.Errorf("a broadcast has %d elements, expected 3", h.n)
	}
	uid, err := r.expect(kindString, "the uid")
	if err != nil {
		return nil, err
	}
	m := &broadcast{uid: string(uid.bytes), nsp: "/"}
	if err := r.packet(m); err != nil {
		return nil, err
	}
	if _, err := r.options(&m.to); err != nil {
		return nil, err
	}
	if r.left() > 0 {
		return nil, fmt.Errorf("%d bytes behind the broadcast", r.left())
	}
	return m, m.event.check()
}

// packet reads the packet of a broadcast. A packet without a namespace is of "/".
func (r *reader) packet(m *broadcast) error {
	hasType, hasData := false, false
	err := r.fields("the packet", func(key string) error {
		switch key {
		case "type":
			h, err := r.expect(kindInt, "the packet's type")
			if err == nil && h.int != packetEvent && h.int != packetBinaryEvent {
				err = fmt.Errorf("a packet of type %d, expected an event", h.int)
			}
			hasType = true
			return err
		case "data":
			hasData = true
			var err error
			m.event, err = r.decodePayload()
			return err
		case "nsp":
			h, err := r.expect(kindString, "the packet's namespace")
			m.nsp = string(h.bytes)
			return err
		}
		return r.skip(0)
	})
	if err == nil && !(hasType && hasData) {
		err = errors.New("the packet lacks its type or its data")
	}
	return err
}

// options reads a target with its flags, of which it returns the timeout. Lists
// that are missing are empty: nodes of socket.io for Go leave them out.
func (r *reader) options(to *Target) (timeout time.Duration, err error) {
	err = r.fields("the options", func(key string) (err error) {
		switch key {
		case "rooms":
			to.Rooms, err = r.strings("rooms")
		case "except":
			to.Except, err = r.strings("except")
		case "flags":
			timeout, err = r.flags(to)
		default:
			err = r.skip(0)
		}
		return err
	})
	return timeout, err
}

func (r *reader) flags(to *Target) (timeout time.Duration, err error) {
	err = r.fields("the flags", func(key string) error {
		switch key {
		case "volatile":
			h, err := r.next()
			to.Volatile = h.kind == kindBool && h.n == 1
			if err == nil && h.kind != kindBool && h.kind != kindNil {
				err = errors.New("the flag volatile has another type")
			}
			return err
		case "timeout":
			h, err := r.next()
			if h.kind == kindInt {
				timeout = milliseconds(float64(h.int))
			}
			if err == nil && h.kind != kindInt && h.kind != kindNil {
				err = errors.New("the flag timeout has another type")
			}
			return err
		}
		return r.skip(0)
	})
	return timeout, err
}

// maxTimeout bounds how long a node waits for another's clients.
const maxTimeout = 10 * time.Minute

func milliseconds(n float64) time.Duration {
	if !(n > 0) {
		return 0
	}
	return time.Duration(min(n, float64(maxTimeout.Milliseconds()))) * time.Millisecond
}

// strings reads a list of names of rooms, which in JavaScript may be numbers.
func (r *reader) strings(what string) ([]string, error) {
	h, err := r.expect(kindArray, what)
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, min(h.n, 1024))
	for range h.n {
		e, err := r.next()
		switch {
		case err != nil:
			return nil, err
		case e.kind == kindString:
			list = append(list, string(e.bytes))
		case e.kind == kindInt:
			list = append(list, strconv.FormatInt(e.int, 10))
		default:
			return nil, errors.New(what + " has an element that is not a string")
		}
	}
	return list, nil
}

// message is a request or a response, without what its type does not have.
type message struct {
	uid       string
	requestID string
	kind      int // -1: none, as in responses to requests 0, 1 and 5
	to        *Target
	timeout   time.Duration // of the flags

	rooms       []string // of 2 and 3
	closes      bool     // of 4
	data        *Payload // of 6: the event, or the answer
	packet      *Payload // of 7 the event, of 9 the answer
	nsp         string   // of 7
	clientCount int      // of 8
	sockets     json.RawMessage
}

// decodeMessage reads a request or a response: JSON, or MessagePack where it does
// not begin with "{". Both are read as JSON, whose field names are case-sensitive:
// nodes 2.x use the same channels with "requestid" and other numbers.
func decodeMessage(data []byte) (*message, error) {
	p := Payload{JSON: data}
	if len(data) == 0 || data[0] != '{' {
		r := &reader{data: data}
		var err error
		if p, err = r.decodePayload(); err != nil {
			return nil, err
		}
		if r.left() > 0 {
			return nil, fmt.Errorf("%d bytes behind the message", r.left())
		}
	}
	f, err := object(p.JSON)
	if err != nil {
		return nil, err
	}
	m := &message{kind: -1, nsp: "/", sockets: f["sockets"]}
	return m, errors.Join(
		optional(f, "uid", &m.uid), optional(f, "requestId", &m.requestID), optional(f, "type", &m.kind),
		optional(f, "close", &m.closes), optional(f, "clientCount", &m.clientCount),
		m.readTarget(f["opts"]), names(f, "rooms", &m.rooms), m.readPacket(f, p.Attachments),
	)
}

// object reads a JSON object by the exact names of its fields.
func object(text []byte) (map[string]json.RawMessage, error) {
	var f map[string]json.RawMessage
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, errors.New("not an object")
	}
	if f == nil {
		return nil, errors.New("null")
	}
	return f, nil
}

// optional reads a field if it is there.
func optional(f map[string]json.RawMessage, name string, into any) error {
	if text, ok := f[name]; ok && string(text) != "null" {
		if json.Unmarshal(text, into) != nil {
			return errors.New(name + " has another type")
		}
	}
	return nil
}

// names reads a list of names of rooms. One that is there is a list: null would
// otherwise mean everybody.
func names(f map[string]json.RawMessage, name string, into *[]string) error {
	text, ok := f[name]
	if !ok {
		return nil
	}
	var list []any
	if json.Unmarshal(text, &list) != nil || list == nil {
		return errors.New(name + " is not a list")
	}
	*into = make([]string, 0, len(list))
	for _, e := range list {
		switch e := e.(type) {
		case string:
			*into = append(*into, e)
		case float64:
			*into = append(*into, strconv.FormatFloat(e, 'f', -1, 64))
		default:
			return errors.New(name + " has an element that is not a string")
		}
	}
	return nil
}

func (m *message) readTarget(text json.RawMessage) error {
	if text == nil {
		return nil
	}
	f, err := object(text)
	if err != nil {
		return fmt.Errorf("opts: %w", err)
	}
	m.to = new(Target)
	var flags map[string]json.RawMessage
	var ms float64
	if err := errors.Join(names(f, "rooms", &m.to.Rooms), names(f, "except", &m.to.Except), optional(f, "flags", &flags)); err != nil {
		return err
	}
	err = errors.Join(optional(flags, "timeout", &ms), optional(flags, "volatile", &m.to.Volatile))
	m.timeout = milliseconds(ms)
	return err
}

// readPacket reads what may carry attachments. The packet of a request is a packet,
// that of a response is the answer.
func (m *message) readPacket(f map[string]json.RawMessage, attachments [][]byte) error {
	if text, ok := f["data"]; ok {
		m.data = &Payload{text, attachments}
	}
	text, ok := f["packet"]
	if !ok {
		return nil
	}
	if m.kind != typeBroadcast {
		m.packet = &Payload{text, attachments}
		return nil
	}
	p, err := object(text)
	if err != nil {
		return fmt.Errorf("packet: %w", err)
	}
	kind := 0
	if err := errors.Join(optional(p, "nsp", &m.nsp), optional(p, "type", &kind)); err != nil {
		return err
	}
	if !slices.Contains([]int{packetEvent, packetBinaryEvent}, kind) {
		return fmt.Errorf("a packet of type %d, expected an event", kind)
	}
	if data, ok := p["data"]; ok {
		m.packet = &Payload{data, attachments}
	}
	return nil
}

// maxClients bounds the number of clients that a node claims to have.
const maxClients = math.MaxInt32
