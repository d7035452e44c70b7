package socketio

import (
	"time"
)

// clockCheck is how often a session looks at the wall clock. Timers run by the
// monotonic clock, which knows nothing of a clock that is set or a machine that
// slept: the session's end does. It also keeps every timer short of overflow.
const clockCheck = 30 * time.Second

// times is one moment by both clocks, which are read before any lock is taken: the
// wall clock is the application's ([WithClock]).
type times struct {
	wall  time.Time
	mono  time.Time // with a monotonic reading
	debug bool      // whether the log wants to know; set by moment
}

// lifetime says when a socket's time is up. A token expires by the wall clock, and no
// later than the monotonic clock says that its remaining time has passed: whichever
// clock is wrong, set or did not count while the machine slept, the other one holds.
type lifetime struct {
	ends       time.Time     // by the wall clock, zero for never
	notice     time.Time     // when the client is told of that, zero for not at all
	since      time.Time     // when this was set, by the monotonic clock
	left       time.Duration // from then to the end
	noticeLeft time.Duration // and to the notice
	aged       bool          // whether the end is that of MaxSessionAge
}

// deadline is the lifetime of a socket that has not authenticated yet: a duration,
// which no wall clock changes.
func deadline(d time.Duration) lifetime {
	now := time.Now()
	return lifetime{ends: now.Add(d), since: now, left: d}
}
