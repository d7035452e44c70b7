package verifiertest

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that stands still until it is told: give its [Clock.Now]
// wherever a clock can be set. It is safe for concurrent use.
type Clock struct {
	start time.Time
	since atomic.Int64
}

// NewClock returns a clock that stands at the time.
func NewClock(at time.Time) *Clock { return &Clock{start: at} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time { return c.start.Add(time.Duration(c.since.Load())) }

// Advance moves the clock on by d, or back if d is negative.
func (c *Clock) Advance(d time.Duration) { c.since.Add(int64(d)) }
