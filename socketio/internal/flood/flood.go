// Package flood has what the bindings share to limit the cost of clients in no
// namespace.
package flood

import (
	"errors"
	"time"
)

// Grace is how long a client that has left its last namespace may send what was in
// flight.
const Grace = 5 * time.Second

// Burst counts what comes without a pause of a second. The zero value is ready.
type Burst struct {
	n    int
	last time.Time
}

// Add counts n things that come now, and returns how many have come by now.
func (b *Burst) Add(n int, now time.Time) int {
	if now.Sub(b.last) >= time.Second {
		b.n = 0
	}
	b.last = now
	b.n += n
	return b.n
}

// Websocket is a websocket that answers pings, and takes pongs, while it is read.
type Websocket interface {
	PingHandler() func(data string) error
	SetPingHandler(func(data string) error)
	SetPongHandler(func(data string) error)
}

var errPings = errors.New("flood: too many pings")

// LimitPings makes reading a websocket fail after more than most pings and pongs without
// a pause of a second. It calls pong for each pong before that. Call it before the
// websocket is read.
func LimitPings(w Websocket, most int, pong func()) {
	answer := w.PingHandler()
	var frames Burst // of the one who reads
	count := func() error {
		if frames.Add(1, time.Now()) > most {
			return errPings
		}
		return nil
	}
	w.SetPingHandler(func(data string) error {
		if err := count(); err != nil {
			return err
		}
		return answer(data)
	})
	w.SetPongHandler(func(string) error {
		if err := count(); err != nil {
			return err
		}
		pong()
		return nil
	})
}
