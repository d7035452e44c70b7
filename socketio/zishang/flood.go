package zishang

import (
	"sync"
	"time"

	enginepacket "github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/flood"
)

// What a client may cost that is let in nowhere.

// maxIdle is how many packets a client may send without a pause of a second while it is
// let in nowhere, nor was a moment ago: those for public namespaces do not count, and
// events, of which it may have some that it emitted too early, count half. Each costs
// little, but ten thousand at once keep a processor from everybody else.
const maxIdle = 256

// What a packet counts, of twice maxIdle.
const (
	dropped  = 1
	answered = 2 // by the library
)

// count counts a packet, and closes the connection and reports it if it is one too many.
func (c *connection) count(p *enginepacket.Packet, cost int) bool {
	c.mu.Lock()
	now := time.Now()
	many := !c.isInLocked() && now.Sub(time.Unix(0, c.lastOpen.Load())) >= flood.JustNow && c.idle.Add(cost, now) > 2*maxIdle
	c.mu.Unlock()
	if many {
		take(p)
		c.conn.Close(true)
	}
	return many
}

// isInLocked reports whether the client is let in anywhere.
func (c *connection) isInLocked() bool { return int(c.shut.Load()) < len(c.guards) }

func (c *connection) isIn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isInLocked()
}

// strangers returns a listener that counts what costs the library most of a client of
// which no middleware of ours has heard, and closes its connection if it is too much:
// see maxIdle.
func strangers(conn engine.Socket) func(...any) {
	var mu sync.Mutex // guards the rest
	var idle flood.Burst
	return func(args ...any) {
		p, ok := args[0].(*enginepacket.Packet)
		if !ok {
			return
		}
		if p.Type == enginepacket.MESSAGE {
			if data, text := message(p); !text || len(data) == 0 || data[0] != typeConnect {
				return
			}
		}
		mu.Lock()
		many := idle.Add(1, time.Now()) > maxIdle
		mu.Unlock()
		if many && attached[connection](conn) == nil {
			take(p)
			conn.Close(true)
		}
	}
}

// oneProbe returns a listener for a websocket that is to replace polling. The library
// answers every probe; it closes the websocket for what it does not expect.
func oneProbe() func(...any) {
	probed := false // called by the one who reads
	return func(args ...any) {
		p, ok := args[0].(*enginepacket.Packet)
		if !ok || p.Type != enginepacket.PING {
			return
		}
		if data, _ := message(p); string(data) == "probe" {
			if probed {
				take(p)
			}
			probed = true
		}
	}
}

// maxPosted is how many packets may come in one request of a client that is let in
// nowhere. The library makes all of them before it looks at the first.
const maxPosted = 4096

// OnData takes the packets of a request.
func (p *polling) OnData(data types.BufferInterface) {
	if packetsIn(data.Bytes(), p.Protocol()) > maxPosted {
		var c *connection
		if conn := p.hardened.conn(p.Sid()); conn != nil {
			c = attached[connection](conn)
		}
		if c == nil || !c.isIn() {
			p.OnError("too many packets", nil)
			return
		}
	}
	p.Polling.OnData(data)
}

// packetsIn returns about how many packets a payload has: never fewer.
func packetsIn(data []byte, protocol int) int {
	n := 1
	for i, b := range data {
		switch {
		case protocol != 3:
			if b == 0x1e {
				n++
			}
		case i == 0:
		case b == ':' && data[i-1]-'0' <= 9, b == 0xff && data[i-1] <= 9:
			n++ // behind its length, as text or in binary
		}
	}
	return n
}
