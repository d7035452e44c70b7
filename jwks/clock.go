package jwks

import "time"

// moment is one reading of the two clocks that ages are told by: the clock of
// [WithClock], and the machine's own, which includes its monotonic clock.
type moment struct{ clock, machine time.Time }

// moment reads the clocks. A clock of [WithClock] that panics is left out, since
// a panic in a fetch would end the process.
func (c *config) moment() (m moment) {
	m.machine = time.Now()
	m.clock = m.machine
	if c.now != nil {
		func() {
			defer func() { recover() }()
			m.clock = c.now()
		}()
	}
	return m
}

// since returns how long before m o was, by the clock that says longest. A wall
// clock that is set back does not stretch an age, since the monotonic clock goes
// on; and a suspended machine, whose monotonic clock stands still, does not
// either, since the wall clock goes on.
func (m moment) since(o moment) time.Duration {
	return max(m.clock.Sub(o.clock), m.clock.Round(0).Sub(o.clock.Round(0)), m.machine.Sub(o.machine))
}

// before returns the moment that lies d before m.
func (m moment) before(d time.Duration) moment {
	return moment{m.clock.Add(-d), m.machine.Add(-d)}
}

// pause is a time in which something is not to be tried again.
type pause struct {
	from moment
	time time.Duration
}

// endless is the pause while a fetch is in progress.
const endless = time.Duration(1<<63 - 1)

// over reports whether the pause has ended. No pause has.
func (p *pause) over(now moment) bool {
	return p == nil || p.time != endless && now.since(p.from) >= p.time
}
