package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// maxLeft is how much memory may be in use after all have gone, above what was
// before.
const maxLeft = 5 << 20

// inUse is what the heap and the stacks hold.
func (r report) inUse() int64 { return r.Heap + r.Stack }

// leftBehind says what a server holds, when all have gone, that it did not before.
func (r report) leftBehind(before report) error {
	left, goroutines := r.inUse()-before.inUse(), r.Goroutines-before.Goroutines
	if left > maxLeft || goroutines > 10 || r.Sessions > 0 {
		return fmt.Errorf("left behind: %d bytes, %d goroutines, %d sessions", left, goroutines, r.Sessions)
	}
	return nil
}

// churn opens sockets, or tries to with a bad token, and reports what the server
// still holds when all have gone. It fails if that is too much.
func churn(args []string, out io.Writer) error {
	f := flags("churn")
	n := f.Int("n", 30000, "sockets of each scenario")
	width := f.Int("width", 50, "sockets being opened at a time")
	upgrade := f.Bool("upgrade", false, "begin with polling and upgrade, rather than with a websocket")
	only := list(f, "servers", "gosio,zishang", "servers: gosio, gosio-hand, zishang, zishang-hand")
	cases := list(f, "scenarios", "event,query,auth,refused-query,refused-auth", "scenarios")
	memory := f.String("memprofile", "", "folder for profiles of what the servers hold in the end")
	m, table, err := begin(f, args, out, "server\tscenario\tn\tCPU s/1,000\tgoroutines\tsessions\tin use KiB")
	if err != nil {
		return err
	}
	defer table.Flush()
	for _, server := range servers {
		for _, s := range scenarios {
			if !slices.Contains(server.eio, s.eio) || !slices.Contains(only(), server.kind) || !slices.Contains(cases(), s.name) {
				continue
			}
			token := m.token("alice", 12*time.Hour)
			if s.refused {
				token = m.expired()
			}
			var flags []string
			if *memory != "" {
				flags = []string{"-memprofile", fmt.Sprintf("%s/%s-%s.heap", *memory, server.kind, s.name)}
			}
			p, err := start(m.verify, server.kind, s.mode, flags...)
			if err != nil {
				return err
			}
			err = p.churn(table, server.kind, s, *upgrade, *n, *width, token)
			p.stop()
			_ = table.Flush() // what there is so far
			if err != nil {
				return fmt.Errorf("%s, %s: %w", server.kind, s.name, err)
			}
		}
	}
	return nil
}

// churn does it in one scenario.
func (p *process) churn(out io.Writer, kind string, s scenario, upgrade bool, n, width int, token string) error {
	c := client{url: p.url, eio: s.eio, upgrade: upgrade, in: s.in}
	same := func(int) string { return token }
	rest := func() (report, error) {
		polls.CloseIdleConnections()
		return p.rested(10*time.Second, 200*time.Millisecond)
	}
	if _, err := p.run(c, min(n, 1000), width, s.refused, same); err != nil { // what is made once is made now
		return err
	}
	before, err := rest()
	if err != nil {
		return err
	}
	r, err := p.run(c, n, width, s.refused, same)
	if err != nil {
		return err
	}
	after, err := rest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\t%s\t%d\t%.4f\t%d, then %d\t%d\t%d, then %d\n", kind, s.name, n, r.cpu.Seconds(),
		before.Goroutines, after.Goroutines, after.Sessions, before.inUse()>>10, after.inUse()>>10)
	return after.leftBehind(before)
}
