package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// scenario is one way to come to a server.
type scenario struct {
	name    string
	mode    string // of the server: event or handshake
	in      string // where the token is
	eio     int    // of the client, whichever the server knows
	refused bool
}

var scenarios = []scenario{
	{"event", "event", "event", 3, false},
	{"query", "handshake", "query", 3, false},
	{"auth", "handshake", "auth", 4, false},
	{"refused-query", "handshake", "query", 3, true},
	{"refused-auth", "handshake", "auth", 4, true},
}

// servers are all there are, and the revisions of Engine.IO that each speaks.
var servers = []struct {
	kind string
	eio  []int
	only string // the one scenario it is for
}{
	{"gosio", []int{3, 4}, ""},
	{"gosio-hand", []int{3}, ""},
	{"bare", []int{3}, "refused-query"},
	{"node2", []int{3}, ""},
	{"zishang", []int{3, 4}, ""},
	{"zishang-hand", []int{3, 4}, ""},
	{"node4", []int{4}, ""},
}

// result is what a run of many sockets came to.
type result struct {
	n       int
	took    time.Duration
	cpu     time.Duration // of the server, for 1,000
	latency []time.Duration
}

func (r result) percentile(p float64) time.Duration {
	if len(r.latency) == 0 {
		return 0
	}
	return r.latency[min(len(r.latency)-1, int(p*float64(len(r.latency))))]
}

// run opens n sockets, so many at a time, each of which leaves when it is let in
// or refused.
func (p *process) run(c client, n, width int, refused bool, token func(i int) string) (result, error) {
	before, err := p.ask("use")
	if err != nil {
		return result{}, err
	}
	r := result{n: n, latency: make([]time.Duration, n)}
	begin := time.Now()
	err = lanes(n, width, func(i int) error {
		began := time.Now()
		s, err := c.open(token(i), refused)
		if s != nil {
			s.leave()
		}
		r.latency[i] = time.Since(began)
		if refused && errors.Is(err, errRefused) {
			return nil
		}
		if refused && err == nil {
			return errors.New("a socket that was to be refused was let in")
		}
		return err
	})
	if err != nil {
		return r, err
	}
	r.took = time.Since(begin)
	slices.Sort(r.latency)
	// A server that leaks a session for every refusal never gets to none.
	after, err := p.settled(before.Sessions, 2*time.Second)
	if err != nil {
		return r, err
	}
	r.cpu = time.Duration(after.CPU-before.CPU) * 1000 / time.Duration(n)
	expected := before.Authenticated
	if !refused {
		expected += int64(n)
	}
	for end := time.Now().Add(2 * time.Second); c.in == "event" && after.Authenticated < expected && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if after, err = p.ask("use"); err != nil { // a handler may be behind
			return r, err
		}
	}
	// Who came by handshake hears that it is in before the handler runs, and may be
	// gone when it would. By event "authenticated" goes out first too, but the handler
	// has then begun.
	early := int64(0)
	if !refused && c.in != "event" {
		early = int64(n)
	}
	if after.Authenticated > expected || after.Authenticated < expected-early {
		return r, fmt.Errorf("%d of %d sockets were let in", after.Authenticated-before.Authenticated, n)
	}
	return r, nil
}

// lanes runs f for every number below n, so many at a time, up to the first
// error.
func lanes(n, width int, f func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Pointer[error]
	for range width {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// held is the memory of idle sockets, each.
type held struct {
	n                      int
	inUse, rss, goroutines int64 // in use: heap and stacks
}

// hold opens n sockets, keeps them with pings, and measures.
func (p *process) hold(c client, n int, ping time.Duration, token func(i int) string) (held, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var holding sync.WaitGroup
	defer holding.Wait()
	defer cancel()
	var lost atomic.Pointer[error]
	open := func(n int) error {
		return lanes(n, 50, func(i int) error {
			s, err := c.open(token(i), false)
			if err != nil {
				return err
			}
			holding.Go(func() {
				defer s.leave()
				if err := s.hold(ctx, ping); err != nil {
					lost.CompareAndSwap(nil, &err)
				}
			})
			return nil
		})
	}
	rest := func() (report, error) { time.Sleep(ping + ping/2); return p.ask("rest") } // a ping at least
	if err := open(200); err != nil {                                                  // what is made once is made now
		return held{}, err
	}
	before, err := rest()
	if err != nil {
		return held{}, err
	}
	if err := open(n); err != nil {
		return held{}, err
	}
	after, err := rest()
	if err != nil {
		return held{}, err
	}
	if err := lost.Load(); err != nil {
		return held{}, fmt.Errorf("a socket that was held was lost: %w", *err)
	}
	return held{
		n, (after.inUse() - before.inUse()) / int64(n),
		(after.RSS - before.RSS) / int64(n), int64(after.Goroutines-before.Goroutines) / int64(n),
	}, nil
}

// compare measures all servers in all scenarios, in rounds, so that what else
// the machine does meets all of them.
func compare(args []string, out io.Writer) error {
	f := flags("compare")
	n := f.Int("n", 10000, "sockets of each scenario, over all rounds; a fifth for Node")
	rounds := f.Int("rounds", 5, "rounds; the median is told")
	width := f.Int("width", 50, "sockets being opened at a time")
	idle := f.Int("idle", 0, "idle sockets to measure the memory of instead")
	ping := f.Duration("ping", time.Second, "how often idle sockets ping, where that is the client's part")
	algorithm := f.String("alg", "HS256", "HS256 or RS256")
	upgrade := f.Bool("upgrade", false, "begin with polling and upgrade, rather than with a websocket")
	only := list(f, "servers", "", "servers to measure: gosio, gosio-hand, bare, node2, zishang, zishang-hand, node4")
	cases := list(f, "scenarios", "", "scenarios to measure: event, query, auth, refused-query, refused-auth")
	profile := f.String("cpuprofile", "", "folder for profiles of the servers in Go")
	memory := f.String("memprofile", "", "folder for profiles of what the servers in Go hold")
	if err := f.Parse(args); err != nil {
		return err
	}
	m, err := newMinter(*algorithm)
	if err != nil {
		return err
	}
	good, bad := make([]string, 500), make([]string, 500)
	for i := range good {
		good[i], bad[i] = m.token(fmt.Sprint("user ", i), time.Hour), m.expired()
	}
	each := func(do func(kind string, s scenario, p *process, c client) error) error {
		// Servers of one scenario after another: they are compared with each other.
		for _, s := range scenarios {
			for _, server := range servers {
				if !slices.Contains(server.eio, s.eio) || server.only != "" && (server.only != s.name || *upgrade) || !wanted(only(), server.kind) || !wanted(cases(), s.name) {
					continue
				}
				var flags []string
				if *profile != "" {
					flags = append(flags, "-cpuprofile", fmt.Sprintf("%s/%s-%s.cpu", *profile, server.kind, s.name))
				}
				if *memory != "" {
					flags = append(flags, "-memprofile", fmt.Sprintf("%s/%s-%s.heap", *memory, server.kind, s.name))
				}
				p, err := start(m.verify, server.kind, s.mode, flags...)
				if err != nil {
					return err
				}
				err = do(server.kind, s, p, client{url: p.url, eio: s.eio, upgrade: *upgrade, in: s.in})
				p.stop()
				if err != nil {
					return fmt.Errorf("%s, %s: %w\n%s", server.kind, s.name, err, p.log)
				}
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 14, 0, 2, ' ', 0)
	defer table.Flush()
	if *idle > 0 {
		fmt.Fprintln(table, "server\tscenario\tidle\tin use KB\tresident KB\tgoroutines")
		return each(func(kind string, s scenario, p *process, c client) error {
			if s.refused {
				return nil
			}
			h, err := p.hold(c, *idle, *ping, func(i int) string { return prefix(kind) + good[i%len(good)] })
			if err == nil {
				fmt.Fprintf(table, "%s\t%s\t%d\t%.1f\t%.1f\t%d\n", kind, s.name, h.n, float64(h.inUse)/1000, float64(h.rss)/1000, h.goroutines)
				_ = table.Flush() // what there is so far
			}
			return err
		})
	}
	type key struct{ kind, scenario string }
	results := make(map[key][]result)
	failed := make(map[key]error) // of others' servers
	var order []key
	for range *rounds {
		err := each(func(kind string, s scenario, p *process, c client) error {
			tokens := good
			if s.refused {
				tokens = bad
			}
			count := *n / *rounds
			if kind[:4] == "node" {
				count /= 5
			}
			token := func(i int) string { return prefix(kind) + tokens[i%len(tokens)] }
			k := key{kind, s.name}
			if failed[k] != nil {
				return nil
			}
			_, err := p.run(c, min(count, 200), *width, s.refused, token) // what is made once is made now
			var r result
			if err == nil {
				r, err = p.run(c, count, *width, s.refused, token)
			}
			if err != nil && kind != "gosio" && kind != "zishang" {
				failed[k] = err
				return nil
			}
			if err != nil {
				return err
			}
			if results[k] == nil {
				order = append(order, k)
			}
			results[k] = append(results[k], r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	median := func(k key) result {
		all := slices.Clone(results[k])
		slices.SortFunc(all, func(a, b result) int { return int(a.cpu - b.cpu) })
		return all[len(all)/2]
	}
	// times is how much more one costs than the other: the median of what it is in
	// each round, since a machine is not the same from one to the next.
	times := func(one, other key) (float64, bool) {
		var all []float64
		for i := range min(len(results[one]), len(results[other])) {
			all = append(all, float64(results[one][i].cpu)/float64(results[other][i].cpu))
		}
		slices.Sort(all)
		if len(all) == 0 || failed[one] != nil || failed[other] != nil {
			return 0, false
		}
		return all[len(all)/2], true
	}
	slices.SortStableFunc(order, func(a, b key) int { return strings.Compare(a.kind, b.kind) })
	fmt.Fprintln(table, "server\tscenario\tCPU s/1,000\tto by hand\tNode's to it\tsockets/s\tp50\tp99\tn")
	for k, err := range failed {
		fmt.Fprintf(out, "%s, %s: does not serve all of them: %v\n", k.kind, k.scenario, err)
	}
	for _, k := range order {
		if failed[k] != nil {
			continue
		}
		r := median(k)
		hand, node := "", ""
		for suffix, other := range map[string]string{"gosio": "node2", "zishang": "node4"} {
			if k.kind != suffix {
				continue
			}
			if x, ok := times(k, key{suffix + "-hand", k.scenario}); ok {
				hand = fmt.Sprintf("%.2f", x)
			}
			if x, ok := times(key{other, k.scenario}, k); ok {
				node = fmt.Sprintf("%.1f", x)
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%.4f\t%s\t%s\t%.0f\t%v\t%v\t%d\n", k.kind, k.scenario, r.cpu.Seconds(), hand, node,
			float64(r.n)/r.took.Seconds(), r.percentile(.5).Round(100*time.Microsecond), r.percentile(.99).Round(100*time.Microsecond), r.n*len(results[k]))
	}
	return nil
}

func wanted(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// prefix is what stands before a token: @thream/socketio-jwt wants a scheme.
func prefix(kind string) string {
	if kind == "node4" {
		return "Bearer "
	}
	return ""
}
