package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// The size of the room that is broadcast to, and how many users are revoked of a
// hundred.
const (
	crowdSize = 100
	revokedOf = 100
)

// cost is what a number of open sockets costs a server. Zero means that it was not
// measured: the server cannot do it, or keeps no count.
type cost struct {
	server string
	eio    int
	n      int

	connect   time.Duration // processor time of one connect, with authentication
	perSecond float64       // connects
	refused   time.Duration // of one client that is refused
	bytes     int64         // of an idle socket: heap and stacks
	resident  int64
	routines  float64       // goroutines of an idle socket
	unasked   int64         // bytes of a connection that has asked for no namespace
	ack       time.Duration // processor time of one event with its acknowledgement
	delivery  time.Duration // of one socket's share of a broadcast to all
	crowd     time.Duration // of one socket's share of a broadcast to a room of 100
	revoke    time.Duration // of ending one revoked user's socket
	gone      time.Duration // until the sockets of all that were revoked had ended
	leave     time.Duration // of one socket that leaves, when all leave at once
	storm     time.Duration // of one connect, when all come at once to a new server
}

// columns are the table's, in the order of the struct. A column with ratio is
// compared between the most and the fewest sockets.
var columns = []struct {
	name  string
	unit  string
	value func(c cost) float64
}{
	{"connect", "µs", func(c cost) float64 { return micros(c.connect) }},
	{"connects/s", "", func(c cost) float64 { return c.perSecond }},
	{"refused", "µs", func(c cost) float64 { return micros(c.refused) }},
	{"idle", "KB", func(c cost) float64 { return float64(c.bytes) / 1000 }},
	{"resident", "KB", func(c cost) float64 { return float64(c.resident) / 1000 }},
	{"goroutines", "", func(c cost) float64 { return c.routines }},
	{"unasked", "KB", func(c cost) float64 { return float64(c.unasked) / 1000 }},
	{"event+ack", "µs", func(c cost) float64 { return micros(c.ack) }},
	{"delivery", "µs", func(c cost) float64 { return micros(c.delivery) }},
	{"to a room", "µs", func(c cost) float64 { return micros(c.crowd) }},
	{"revoke", "µs", func(c cost) float64 { return micros(c.revoke) }},
	{"until gone", "ms", func(c cost) float64 { return micros(c.gone) / 1000 }},
	{"leave", "µs", func(c cost) float64 { return micros(c.leave) }},
	{"storm", "µs", func(c cost) float64 { return micros(c.storm) }},
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// scale measures what open sockets cost, for several numbers of them.
func scale(args []string, out io.Writer) error {
	f := flags("scale")
	sizes := list(f, "sockets", "1000,5000,19000", "numbers of open sockets")
	only := list(f, "servers", "gosio,zishang,zishang-hand,node4", "servers: gosio, gosio-hand, node2, zishang, zishang-hand, node4, floor")
	revisions := list(f, "eio", "4", "revisions of Engine.IO: 3, 4")
	var how manner
	f.IntVar(&how.width, "width", 50, "sockets being opened at a time")
	f.IntVar(&how.work, "work", 20000, "events with an acknowledgement, and ten times as many deliveries")
	f.StringVar(&how.profile, "cpuprofile", "", "folder for profiles of the servers in Go")
	f.BoolVar(&how.trunks, "trunks", false, "carry the sockets of servers in Go over a few connections: more than a process may open files")
	charts := f.String("svg", "", "folder for two pictures: a delivery's processor time and a socket's memory over the number of sockets")
	if err := f.Parse(args); err != nil {
		return err
	}
	m, err := newMinter("HS256")
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 12, 0, 2, ' ', tabwriter.AlignRight)
	header(table)
	var all []cost
	for _, kind := range only() {
		for _, r := range revisions() {
			eio, err := strconv.Atoi(r)
			if err != nil {
				return fmt.Errorf("scale: the revision %q: expected 3 or 4", r)
			}
			for _, text := range sizes() {
				n, err := strconv.Atoi(text)
				if err != nil || n < crowdSize {
					return fmt.Errorf("scale: the number of sockets %q: expected at least %d", text, crowdSize)
				}
				if !speaks(kind, eio) || !how.trunked(kind) && !filesFor(n, out) {
					continue
				}
				c, err := measure(m, kind, eio, n, how)
				if err != nil {
					if ours(kind) {
						return fmt.Errorf("%s, Engine.IO %d, %d sockets: %w", kind, eio, n, err)
					}
					fmt.Fprintf(out, "%s, Engine.IO %d, %d sockets: %v\n", kind, eio, n, err)
					continue
				}
				all = append(all, c)
				row(table, c)
				_ = table.Flush() // what there is so far
			}
		}
	}
	growth(table, all)
	beside(table, all)
	_ = table.Flush()
	if *charts != "" {
		return drawCharts(*charts, all)
	}
	return nil
}

func ours(kind string) bool { return kind == "gosio" || kind == "zishang" }

// filesFor reports whether a process may have n connections open, and says so if not.
func filesFor(n int, out io.Writer) bool {
	if limit := mostFiles(); uint64(n)+500 > limit {
		fmt.Fprintf(out, "%d sockets: skipped, a process may open %d files here (ulimit -Hn)\n", n, limit)
		return false
	}
	return true
}

func (t *trial) all(work int) error {
	if err := t.warmUp(); err != nil {
		return err
	}
	if err := t.knocking(); err != nil {
		return err
	}
	if err := t.refusals(work); err != nil {
		return err
	}
	s, err := t.connect()
	if err != nil {
		return err
	}
	defer s.stopPings()
	for _, step := range []func(*swarm, int) error{t.events, t.broadcasts, t.revocations} {
		if err := step(s, work); err != nil {
			s.scatter()
			return err
		}
	}
	return t.leaving(s)
}

// warmUp has made what is made once, such as pools and the code of Node's JIT.
func (t *trial) warmUp() error {
	s, err := gather(t.c, 200, t.width, t.token)
	if err != nil {
		return err
	}
	if err = s.exchange(200, 10); err == nil {
		err = t.broadcast(s, "all", 20, 200, nil)
	}
	s.scatter()
	return err
}

// spent is the processor time that f takes the server, divided by so many.
func (t *trial) spent(times int, f func() error) (time.Duration, error) {
	before, err := t.p.ask("use")
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := t.p.ask("use")
	return time.Duration(after.CPU-before.CPU) / time.Duration(times), err
}

// knocking measures connections that never ask for a namespace.
func (t *trial) knocking() error {
	if t.cost.eio == 3 {
		return nil
	}
	before, err := t.p.rested(10*time.Second, 100*time.Millisecond)
	if err != nil {
		return err
	}
	n := min(t.cost.n, 2000)
	leave, err := knock(t.c, n, t.width)
	defer leave()
	if err != nil {
		return err
	}
	after, err := t.p.ask("rest")
	if err != nil {
		return err
	}
	t.cost.unasked = (after.inUse() - before.inUse()) / int64(n)
	return nil
}

// refusals measures clients with an expired token.
func (t *trial) refusals(work int) error {
	if t.cost.server == "floor" { // it accepts everybody
		return nil
	}
	n := min(t.cost.n, work/10)
	r, err := t.p.run(t.c, n, t.width, true, func(int) string { return t.expired })
	t.cost.refused = r.cpu / 1000 // which is for 1,000
	return err
}

func (t *trial) connect() (*swarm, error) {
	before, err := t.p.rested(20*time.Second, 100*time.Millisecond)
	if err != nil {
		return nil, err
	}
	var s *swarm
	began := time.Now()
	t.cost.connect, err = t.spent(t.cost.n, func() (err error) {
		s, err = gather(t.c, t.cost.n, t.width, t.token)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.cost.perSecond = float64(t.cost.n) / time.Since(began).Seconds()
	after, err := t.p.ask("rest")
	if err != nil {
		s.scatter()
		return nil, err
	}
	n := int64(t.cost.n)
	t.cost.bytes, t.cost.resident = (after.inUse()-before.inUse())/n, (after.RSS-before.RSS)/n
	t.cost.routines = float64(after.Goroutines-before.Goroutines) / float64(n)
	return s, nil
}

func (t *trial) events(s *swarm, work int) (err error) {
	senders := min(t.cost.n, 500)
	each := max(1, work/senders)
	t.cost.ack, err = t.spent(senders*each, func() error { return s.exchange(senders, each) })
	return err
}

func (t *trial) broadcasts(s *swarm, work int) error {
	if err := s.join(crowdSize); err != nil {
		return err
	}
	if err := t.broadcast(s, "all", max(5, 10*work/t.cost.n), t.cost.n, &t.cost.delivery); err != nil {
		return err
	}
	return t.broadcast(s, "crowd", work/crowdSize, crowdSize, &t.cost.crowd)
}

// broadcast sends an event so many times to a room, in which are so many, and
// notes what one delivery costs.
func (t *trial) broadcast(s *swarm, room string, times, members int, note *time.Duration) error {
	want := s.deliveries.Load() + int64(members)
	d, err := t.spent(times*members, func() error {
		for range times {
			// One at a time: what is measured is a broadcast, not a full buffer.
			if _, err := t.p.ask("broadcast " + room); err != nil {
				return err
			}
			if err := await("deliveries", s.deliveries.Load, want); err != nil {
				return err
			}
			want += int64(members)
		}
		return nil
	})
	if note != nil {
		*note = d
	}
	return err
}

// revocations ends the sessions of one user in a hundred.
func (t *trial) revocations(s *swarm, _ int) (err error) {
	if !ours(t.cost.server) {
		return nil
	}
	users := (t.cost.n + revokedOf - 1) / revokedOf
	began := time.Now()
	t.cost.revoke, err = t.spent(users, func() error {
		for i := range users {
			r, err := t.p.ask(fmt.Sprintf("revoke victim %d 1h", i*revokedOf))
			if err != nil {
				return err
			}
			if r.Revoked != 1 || r.Trouble != "" {
				return fmt.Errorf("revoking one user ended %d sessions: %s", r.Revoked, r.Trouble)
			}
		}
		return await("sockets of revoked users that ended", s.gone.Load, int64(users))
	})
	t.cost.gone = time.Since(began)
	return err
}

func (t *trial) leaving(s *swarm) error {
	left := t.cost.n - int(s.gone.Load())
	var err error
	t.cost.leave, err = t.spent(left, func() error {
		s.scatter()
		r, err := t.p.settled(0, patience)
		if err == nil && ours(t.cost.server) && r.Sessions > 0 {
			err = fmt.Errorf("%d sessions are left", r.Sessions)
		}
		return err
	})
	return err
}

// reconnect has all clients come at once to a server that has just started.
func (t *trial) reconnect() error {
	var s *swarm
	var err error
	t.cost.storm, err = t.spent(t.cost.n, func() (err error) {
		s, err = gather(t.c, t.cost.n, 20*t.width, t.token)
		return err
	})
	if err != nil {
		return err
	}
	s.scatter()
	return nil
}
