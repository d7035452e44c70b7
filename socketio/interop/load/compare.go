package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
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
	{"floor", []int{3, 4}, "open sockets"},
	{"node2", []int{3}, ""},
	{"zishang", []int{3, 4}, ""},
	{"zishang-hand", []int{3, 4}, ""},
	{"node4", []int{4}, ""},
}

// speaks reports whether a server speaks a revision of Engine.IO.
func speaks(kind string, eio int) bool {
	for _, s := range servers {
		if s.kind == kind {
			return slices.Contains(s.eio, eio)
		}
	}
	return false
}

// comparison measures all servers in all scenarios, in rounds, so that what else the
// machine does meets all of them.
type comparison struct {
	n, rounds, width, idle int
	ping                   time.Duration
	upgrade                bool
	only, cases            []string
	profile, memory        string // folders

	m         *minter
	good, bad []string // tokens
	out       io.Writer
	table     *tabwriter.Writer

	results map[measured][]result
	failed  map[measured]error // of others' servers
	order   []measured
}

// measured is a server in a scenario.
type measured struct{ kind, scenario string }

// compare measures what it costs to come, to be refused and to go, or with -sockets
// what open sockets cost.
func compare(args []string, out io.Writer) error {
	f := flags("compare")
	n := f.Int("n", 10000, "sockets of each scenario, over all rounds; a fifth for Node")
	rounds := f.Int("rounds", 5, "rounds; the median is told")
	width := f.Int("width", 50, "sockets being opened at a time")
	idle := f.Int("idle", 0, "idle sockets to measure the memory of instead")
	sockets := f.String("sockets", "", "numbers of open sockets, to measure events, broadcasts, memory, connecting and leaving instead (see scale)")
	charts := f.String("svg", "", "folder for two pictures, with -sockets")
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
	if *sockets != "" {
		kinds := only()
		if len(kinds) == 0 {
			kinds = []string{"gosio", "gosio-hand", "node2", "zishang", "zishang-hand", "node4"}
		}
		return scale([]string{"-sockets", *sockets, "-eio", "3,4", "-servers", strings.Join(kinds, ","), "-svg", *charts}, out)
	}
	m, err := newMinter(*algorithm)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 14, 0, 2, ' ', 0)
	defer table.Flush()
	c := &comparison{
		n: *n, rounds: *rounds, width: *width, idle: *idle, ping: *ping, upgrade: *upgrade, only: only(), cases: cases(),
		profile: *profile, memory: *memory, m: m, out: out, table: table,
		results: make(map[measured][]result), failed: make(map[measured]error),
	}
	for i := range 500 {
		c.good, c.bad = append(c.good, m.token(fmt.Sprint("user ", i), time.Hour)), append(c.bad, m.expired())
	}
	if *idle > 0 {
		return c.memoryOfIdle()
	}
	for range *rounds {
		if err := c.each(c.round); err != nil {
			return err
		}
	}
	c.report()
	return nil
}

// each starts every server in every scenario. Servers of one scenario come one after
// another: they are compared with each other.
func (c *comparison) each(do func(kind string, s scenario, p *process, cl client) error) error {
	for _, s := range scenarios {
		for _, server := range servers {
			if !slices.Contains(server.eio, s.eio) || server.only != "" && (server.only != s.name || c.upgrade) || !wanted(c.only, server.kind) || !wanted(c.cases, s.name) {
				continue
			}
			var flags []string
			if c.profile != "" {
				flags = append(flags, "-cpuprofile", fmt.Sprintf("%s/%s-%s.cpu", c.profile, server.kind, s.name))
			}
			if c.memory != "" {
				flags = append(flags, "-memprofile", fmt.Sprintf("%s/%s-%s.heap", c.memory, server.kind, s.name))
			}
			p, err := start(c.m.verify, server.kind, s.mode, flags...)
			if err != nil {
				return err
			}
			err = do(server.kind, s, p, client{url: p.url, eio: s.eio, upgrade: c.upgrade, in: s.in})
			p.stop()
			if err != nil {
				return fmt.Errorf("%s, %s: %w\n%s", server.kind, s.name, err, p.log)
			}
		}
	}
	return nil
}

func (c *comparison) memoryOfIdle() error {
	fmt.Fprintln(c.table, "server\tscenario\tidle\tin use KB\tresident KB\tgoroutines")
	return c.each(func(kind string, s scenario, p *process, cl client) error {
		if s.refused {
			return nil
		}
		h, err := p.hold(cl, c.idle, c.ping, func(i int) string { return prefix(kind) + c.good[i%len(c.good)] })
		if err == nil {
			fmt.Fprintf(c.table, "%s\t%s\t%d\t%.1f\t%.1f\t%d\n", kind, s.name, h.n, float64(h.inUse)/1000, float64(h.rss)/1000, h.goroutines)
			_ = c.table.Flush() // what there is so far
		}
		return err
	})
}

// round measures one server in one scenario once.
func (c *comparison) round(kind string, s scenario, p *process, cl client) error {
	tokens := c.good
	if s.refused {
		tokens = c.bad
	}
	count := c.n / c.rounds
	if kind[:4] == "node" {
		count /= 5
	}
	token := func(i int) string { return prefix(kind) + tokens[i%len(tokens)] }
	k := measured{kind, s.name}
	if c.failed[k] != nil {
		return nil
	}
	_, err := p.run(cl, min(count, 200), c.width, s.refused, token) // what is made once is made now
	var r result
	if err == nil {
		r, err = p.run(cl, count, c.width, s.refused, token)
	}
	if err != nil {
		if ours(kind) {
			return err
		}
		c.failed[k] = err
		return nil
	}
	if c.results[k] == nil {
		c.order = append(c.order, k)
	}
	c.results[k] = append(c.results[k], r)
	return nil
}

// median is the result of the round in the middle, by processor time.
func (c *comparison) median(k measured) result {
	all := slices.Clone(c.results[k])
	slices.SortFunc(all, func(a, b result) int { return int(a.cpu - b.cpu) })
	return all[len(all)/2]
}

// times is how much more one costs than the other: the median of what it is in each
// round, since a machine is not the same from one to the next.
func (c *comparison) times(one, other measured) (float64, bool) {
	var all []float64
	for i := range min(len(c.results[one]), len(c.results[other])) {
		all = append(all, float64(c.results[one][i].cpu)/float64(c.results[other][i].cpu))
	}
	slices.Sort(all)
	if len(all) == 0 || c.failed[one] != nil || c.failed[other] != nil {
		return 0, false
	}
	return all[len(all)/2], true
}

func (c *comparison) report() {
	slices.SortStableFunc(c.order, func(a, b measured) int { return strings.Compare(a.kind, b.kind) })
	fmt.Fprintln(c.table, "server\tscenario\tCPU s/1,000\tto hand-written\tNode's to it\tsockets/s\tp50\tp99\tn")
	for k, err := range c.failed {
		fmt.Fprintf(c.out, "%s, %s: does not serve all of them: %v\n", k.kind, k.scenario, err)
	}
	for _, k := range c.order {
		if c.failed[k] != nil {
			continue
		}
		r := c.median(k)
		hand, node := "", ""
		if ours(k.kind) {
			if x, ok := c.times(k, measured{k.kind + "-hand", k.scenario}); ok {
				hand = fmt.Sprintf("%.2f", x)
			}
			for _, other := range []string{"node2", "node4"} {
				if x, ok := c.times(measured{other, k.scenario}, k); ok {
					node = fmt.Sprintf("%.1f", x)
				}
			}
		}
		fmt.Fprintf(c.table, "%s\t%s\t%.4f\t%s\t%s\t%.0f\t%v\t%v\t%d\n", k.kind, k.scenario, r.cpu.Seconds(), hand, node,
			float64(r.n)/r.took.Seconds(), r.percentile(.5).Round(100*time.Microsecond), r.percentile(.99).Round(100*time.Microsecond), r.n*len(c.results[k]))
	}
}

func wanted(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// prefix is what stands before a token: @thream/socketio-jwt wants a scheme.
func prefix(kind string) string {
	if kind == "node4" {
		return "Bearer "
	}
	return ""
}
