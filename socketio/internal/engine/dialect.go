package engine

import "encoding/json"

// dialect is everything that differs between the two pairs of protocols that
// one path serves: Engine.IO 3 with Socket.IO protocol 4 (clients 1.x and 2.x),
// and Engine.IO 4 with Socket.IO protocol 5 (clients 3.x and 4.x).
type dialect struct {
	version byte // the EIO parameter, and Engine.IO's revision

	// entersRoot: a connection is in the root namespace from the handshake on,
	// and ends with it. Otherwise the root is like any other namespace.
	entersRoot bool

	// serverPings: the server pings and the client answers.
	serverPings bool

	// auth: CONNECT brings a payload, and is answered with the stay's id.
	auth bool

	// jsonp: the client may poll by script elements, and take no binary.
	jsonp bool

	decode      func(body []byte, binary bool, text *textEncoding) ([]frame, error)
	encode      func(dst []byte, batch []message, b64 bool) (body []byte, binary bool)
	base64      func(attachment []byte) []byte // as a text packet
	textFrame   func(b []byte) (frame, error)
	binaryFrame func(b []byte) (frame, error)
	binaryType  []byte // what precedes an attachment in a binary websocket frame
	closeBody   string // the body of a POST that says nothing but CLOSE
}

var dialects = map[string]*dialect{
	"3": {
		version: '3', entersRoot: true, jsonp: true,
		decode: decodePayload, encode: appendPayload,
		base64: base64Packet, textFrame: textFrame, binaryFrame: binaryFrame, binaryType: []byte{typeMessage - '0'},
		closeBody: "1:1",
	},
	"4": {
		version: '4', serverPings: true, auth: true,
		decode: decodeRecords, encode: appendRecords,
		base64: base64Record, textFrame: recordFrame, binaryFrame: rawFrame, closeBody: "1",
	},
}

// openMessage is the first packet of a session.
func (d *dialect) openMessage(sid string, upgrades []string, c *Config) message {
	open := struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload,omitempty"`
	}{sid, upgrades, c.PingInterval.Milliseconds(), c.PingTimeout.Milliseconds(), 0}
	if d.serverPings {
		open.MaxPayload = c.MaxUnauthenticated // a client splits its POSTs by it
	}
	b, _ := json.Marshal(open) // strings and numbers: it cannot fail
	return message{text: append([]byte{typeOpen}, b...)}
}

// connectMessage answers CONNECT.
func (d *dialect) connectMessage(nsp, id, pid string) message {
	p := packet{kind: kindConnect, nsp: nsp}
	if d.auth {
		p.data, _ = marshal(struct { // strings: it cannot fail
			SID string `json:"sid"`
			PID string `json:"pid,omitempty"`
		}{id, pid})
	}
	return message{text: p.forClient()}
}

// refuseMessage is an ERROR packet (protocol 4) or a CONNECT_ERROR packet
// (protocol 5), whose "message" is the error's own and whose "data" is all of it.
func (d *dialect) refuseMessage(nsp string, reason any) message {
	data, err := marshal(reason)
	if err != nil {
		data, _ = marshal(genericError()) // a map of strings: it cannot fail
	}
	if _, whole := reason.(*ConnectError); d.auth && !whole {
		data = connectError(data)
	}
	p := packet{kind: kindError, nsp: nsp, data: data}
	return message{text: p.forClient()}
}

// ConnectError is the payload of a CONNECT_ERROR packet. As [Refusal.Error] it is sent
// unchanged.
type ConnectError struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// connectError is the payload of a CONNECT_ERROR packet for an error in JSON.
func connectError(reason []byte) []byte {
	var all ConnectError
	if reason[0] == '{' || json.Unmarshal(reason, &all.Message) != nil { // an object with a message, not a string
		_ = json.Unmarshal(reason, &all)
		all.Data = reason
	}
	data, _ := marshal(all) // a string and JSON: it cannot fail
	return data
}

func disconnectMessage(nsp string) message {
	p := packet{kind: kindDisconnect, nsp: nsp}
	return message{text: p.forClient()}
}

func genericError() any {
	return map[string]string{"message": "unauthorized", "code": "unauthorized", "type": "UnauthorizedError"}
}
