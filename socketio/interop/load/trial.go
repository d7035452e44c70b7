package main

import (
	"fmt"
	"strings"
	"time"
)

// manner is how all trials of a run are made.
type manner struct {
	width, work int
	profile     string
	trunks      bool
}

// trunked reports whether a server's sockets are carried over trunks. Node's cannot.
func (h manner) trunked(kind string) bool { return h.trunks && !strings.HasPrefix(kind, "node") }

// trial is the measurement of one server.
type trial struct {
	manner
	verify  verification
	p       *process
	c       client
	token   func(i int) string
	cost    cost
	expired string // a token
}

// measure takes all figures of one number of sockets. The order matters: memory is
// measured while nothing has happened yet.
func measure(m *minter, kind string, eio, n int, how manner) (cost, error) {
	users := make([]string, 500)
	for i := range users {
		users[i] = prefix(kind) + m.token(fmt.Sprint("user ", i), time.Hour)
	}
	t := &trial{manner: how, verify: m.verify, expired: prefix(kind) + m.expired(), cost: cost{server: kind, eio: eio, n: n}, token: func(i int) string {
		if i%revokedOf == 0 && ours(kind) {
			return prefix(kind) + m.token(fmt.Sprint("victim ", i), time.Hour)
		}
		return users[i%len(users)]
	}}
	var flags []string
	if how.profile != "" {
		flags = []string{"-cpuprofile", fmt.Sprintf("%s/%s-%d-%d.cpu", how.profile, kind, eio, n)}
	}
	if err := t.on(flags, func() error { return t.all(how.work) }); err != nil {
		return cost{}, err
	}
	return t.cost, t.on(nil, t.reconnect)
}

// quiet is between two pings: they are not measured, for more of them come while more
// sockets are opened.
const quiet = 5 * time.Minute

// on runs f with a server that has just started.
func (t *trial) on(flags []string, f func() error) (err error) {
	flags = append(flags, "-ping", quiet.String())
	if t.trunked(t.cost.server) {
		flags = append(flags, "-trunks")
	}
	if t.p, err = start(t.verify, t.cost.server, "handshake", flags...); err != nil {
		return err
	}
	defer t.p.stop()
	t.c = client{url: t.p.url, ping: quiet}.of(t.cost.eio, "handshake")
	if t.trunked(t.cost.server) {
		trunks, err := dialTrunks(strings.TrimPrefix(t.p.url, "http://"))
		if err != nil {
			return err
		}
		defer trunks.close()
		t.c.dial = trunks.dial
	}
	if err := f(); err != nil {
		return fmt.Errorf("%w\n%s", err, t.p.log)
	}
	return nil
}
