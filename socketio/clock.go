package socketio

import (
	"time"
)

// clockCheck is how often a session compares itself with the wall clock. Timers run by
// the monotonic clock, which does not notice that the wall clock was set or that the
// machine slept. It also keeps timers short of overflow.
const clockCheck = 30 * time.Second

// times is one moment by both clocks. They are read before any lock is taken, since the
// wall clock is the application's ([WithClock]).
type times struct {
	wall  time.Time
	mono  time.Time // with a monotonic reading
	debug bool      // whether the log wants to know; set by moment
}

// lifetime says when a socket's time is up. A token expires by the wall clock, and at
// the latest when its remaining time has passed by the monotonic clock: if one of the
// clocks was set, or stopped while the machine slept, the other one counts.
type lifetime struct {
	ends       time.Time     // by the wall clock, zero for never
	notice     time.Time     // when the client is told of that, zero for not at all
	since      time.Time     // when this was set, by the monotonic clock
	left       time.Duration // from then to the end
	noticeLeft time.Duration // and to the notice
	aged       bool          // whether the end is that of MaxSessionAge
}

// deadline is the lifetime of a socket that has not authenticated yet. It is a duration,
// so the wall clock does not change it.
func deadline(d time.Duration) lifetime {
	now := time.Now()
	return lifetime{ends: now.Add(d), since: now, left: d}
}
