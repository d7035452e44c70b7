// Package flood has what the bindings share to bound what clients cost that are let in
// nowhere.
package flood

import (
	"errors"
	"time"
)

// JustNow is how long a client may send what was on its way when it was let in nowhere
// any more.
const JustNow = 5 * time.Second

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

// Websocket is a websocket that answers pings while it is read.
type Websocket interface {
	PingHandler() func(data string) error
	SetPingHandler(func(data string) error)
}

var errPings = errors.New("flood: too many pings")

// LimitPings has a websocket fail to be read after more pings than so many without a
// pause of a second. It is for websockets that have yet to be read.
func LimitPings(w Websocket, most int) {
	answer := w.PingHandler()
	var pings Burst // of the one who reads
	w.SetPingHandler(func(data string) error {
		if pings.Add(1, time.Now()) > most {
			return errPings
		}
		return answer(data)
	})
}
