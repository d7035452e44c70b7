package main

import (
	"fmt"
	"io"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// crash kills one of two nodes that share a presence, with n websockets on it. All
// clients come back at the other, as clients behind a load balancer do. When the lease
// is over no session of the dead node counts.
func crash(args []string, out io.Writer) error {
	f := flags("crash")
	n := f.Int("n", 2000, "websockets")
	width := f.Int("width", 50, "sockets being opened at a time")
	lease := f.Duration("lease", 10*time.Second, "of the presence")
	only := list(f, "servers", "gosio,zishang", "servers: gosio, zishang")
	m, table, err := begin(f, args, out, "server\twebsockets\tback after\tdead sessions last counted after\tgone after\tlease")
	if err != nil {
		return err
	}
	defer table.Flush()
	for _, kind := range only() {
		if err := crashOne(table, m, kind, *n, *width, *lease); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func crashOne(out io.Writer, m *minter, kind string, n, width int, lease time.Duration) error {
	redis, err := outage.NewRedis()
	if err != nil {
		return err
	}
	defer redis.Stop()
	v := m.verify
	v.Redis, v.Lease = redis.Address(), lease
	dying, err := start(v, kind, "handshake")
	if err != nil {
		return err
	}
	defer dying.stop()
	living, err := start(v, kind, "handshake")
	if err != nil {
		return err
	}
	defer living.stop()
	token := func(i int) string { return m.token(fmt.Sprint("user ", i), time.Hour) }
	s, err := gather(client{url: dying.url, eio: 4, in: "auth"}, n, width, token)
	if err != nil {
		return err
	}
	defer s.scatter()
	if _, err := present(living, n, patience); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	killed := time.Now()
	if err := dying.cmd.Process.Kill(); err != nil {
		return err
	}
	if _, err := living.ask("present"); err != nil { // behind what Redis had yet to read of the dead
		return err
	}
	dead := time.Since(killed)
	if err := await("websockets that ended", s.gone.Load, int64(n)); err != nil {
		return err
	}
	back, err := gather(client{url: living.url, eio: 4, in: "auth"}, n, width, token)
	if err != nil {
		return err
	}
	defer back.scatter()
	all := time.Since(killed)
	time.Sleep(time.Until(killed.Add(lease / 2))) // until others know who is back; no lease ends before
	asked, err := present(living, n, lease+patience-all)
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	gone, last := time.Since(killed), asked.Sub(killed)
	if last > lease+dead {
		return fmt.Errorf("sessions of the dead were counted %v after the kill, with a lease of %v", last, lease)
	}
	if lost := back.gone.Load(); lost > 0 {
		return fmt.Errorf("%d websockets that had come back were lost", lost)
	}
	ms := 10 * time.Millisecond
	fmt.Fprintf(out, "%s\t%d\t%v\t%v\t%v\t%v\n", kind, n, all.Round(ms), last.Round(ms), gone.Round(ms), lease)
	return nil
}

// present waits until all servers together have so many sessions. It returns when it last
// asked and was told another number.
func present(p *process, want int, most time.Duration) (last time.Time, err error) {
	for end := time.Now().Add(most); ; time.Sleep(20 * time.Millisecond) {
		asked := time.Now()
		r, err := p.ask("present")
		if err != nil {
			return last, err
		}
		if r.Present == want && r.Trouble == "" {
			return last, nil
		}
		last = asked
		if time.Now().After(end) {
			return last, fmt.Errorf("the presence has %d sessions, expected %d %s", r.Present, want, r.Trouble)
		}
	}
}
