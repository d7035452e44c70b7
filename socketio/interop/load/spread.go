package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

// spreadNodes is how many nodes share the broadcasts.
const spreadNodes = 3

// spread has one of three nodes broadcast to the sockets of all, through Redis, and tells
// what a broadcast costs the three: ours beside Node's, in turn.
func spread(args []string, out io.Writer) error {
	f := flags("spread")
	sizes := list(f, "sockets", "10,100,500", "numbers of sockets at each node")
	times := f.Int("n", 1000, "broadcasts")
	batch := f.Int("batch", 10, "broadcasts that are sent one right after another, before all sockets must have them")
	rounds := f.Int("rounds", 3, "rounds, of which the median counts")
	only := list(f, "servers", "gosio,zishang,node4", "servers: gosio, zishang, node4")
	m, table, err := begin(f, args, out, "server\tsockets\tbroadcasts/s\tCPU of a delivery µs\tof Node's, round by round")
	if err != nil {
		return err
	}
	defer table.Flush()
	for _, text := range sizes() {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("spread: the number of sockets %q: expected 1 or more", text)
		}
		all := make(map[string][]spreadCost)
		for range *rounds {
			for _, kind := range only() {
				c, err := spreadOne(m, kind, n, *times, *batch)
				if err != nil {
					return fmt.Errorf("%s: %w", kind, err)
				}
				all[kind] = append(all[kind], c)
			}
		}
		for _, kind := range only() {
			fmt.Fprintf(table, "%s\t%d × %d\t%.0f\t%.2f\t%s\n", kind, spreadNodes, n,
				median(all[kind], func(c spreadCost) float64 { return c.perSecond }),
				median(all[kind], func(c spreadCost) float64 { return micros(c.delivery) }), besideNode(all[kind], all["node4"]))
		}
		_ = table.Flush() // what there is so far
	}
	return nil
}

// spreadCost is what broadcasts cost the three nodes together.
type spreadCost struct {
	perSecond float64
	delivery  time.Duration // processor time of one socket's share
}

func median(all []spreadCost, of func(spreadCost) float64) float64 {
	var values []float64
	for _, c := range all {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// besideNode returns a delivery's cost in terms of Node's in the same round.
func besideNode(ours, nodes []spreadCost) (text string) {
	for i := range min(len(ours), len(nodes)) {
		text += fmt.Sprintf("%.2f ", float64(ours[i].delivery)/float64(nodes[i].delivery))
	}
	return text
}

// spreadOne measures three nodes of a kind with so many sockets each.
func spreadOne(m *minter, kind string, n, times, batch int) (c spreadCost, err error) {
	redis, err := outage.NewRedis()
	if err != nil {
		return c, err
	}
	defer redis.Close()
	g := &group{n: n}
	defer g.stop()
	for range spreadNodes {
		if err := g.add(m, kind, redis.Address()); err != nil {
			return c, err
		}
	}
	if err := g.send(max(times/2, 500), batch); err != nil { // until Node has compiled what it needs
		return c, err
	}
	used, err := g.used()
	if err != nil {
		return c, err
	}
	began := time.Now()
	if err := g.send(times, batch); err != nil {
		return c, err
	}
	took := time.Since(began)
	after, err := g.used()
	return spreadCost{float64(times) / took.Seconds(), (after - used) / time.Duration(times*n*spreadNodes)}, err
}

// group is nodes that share broadcasts, with n sockets each.
type group struct {
	n      int
	nodes  []*process
	swarms []*swarm
}

// add starts a node and connects its sockets.
func (g *group) add(m *minter, kind, redis string) error {
	v := m.verify
	v.Broadcasts = redis
	p, err := start(v, kind, "handshake")
	if err != nil {
		return err
	}
	g.nodes = append(g.nodes, p)
	token := func(i int) string { return prefix(kind) + m.token(fmt.Sprint("user ", i), time.Hour) }
	s, err := gather(client{url: p.url, eio: 4, in: "auth"}, g.n, 50, token)
	if err == nil {
		g.swarms = append(g.swarms, s)
	}
	return err
}

// send has the first node broadcast so many times, and waits after each batch until all
// sockets of all nodes have it.
func (g *group) send(times, batch int) error {
	for sent := 0; sent < times; sent += batch {
		before := make([]int64, len(g.swarms))
		for i, s := range g.swarms {
			before[i] = s.deliveries.Load()
		}
		if _, err := g.nodes[0].ask(fmt.Sprint("broadcasts ", batch)); err != nil {
			return err
		}
		for i, s := range g.swarms {
			if err := await("deliveries", s.deliveries.Load, before[i]+int64(g.n*batch)); err != nil {
				return err
			}
		}
	}
	return nil
}

// used is the processor time that the nodes have used.
func (g *group) used() (sum time.Duration, err error) {
	for _, p := range g.nodes {
		r, err := p.ask("use")
		if err != nil {
			return 0, err
		}
		sum += time.Duration(r.CPU)
	}
	return sum, nil
}

func (g *group) stop() {
	for _, s := range g.swarms {
		s.scatter()
	}
	for _, p := range g.nodes {
		p.stop()
	}
}
