package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func header(table io.Writer) {
	fmt.Fprint(table, "server\tEIO\tsockets")
	for _, c := range columns {
		name := c.name
		if c.unit != "" {
			name += " " + c.unit
		}
		fmt.Fprint(table, "\t", name)
	}
	fmt.Fprintln(table, "\t")
}

func row(table io.Writer, c cost) {
	fmt.Fprintf(table, "%s\t%d\t%d", c.server, c.eio, c.n)
	for _, col := range columns {
		figure(table, col.value(c))
	}
	fmt.Fprintln(table, "\t")
}

func figure(table io.Writer, v float64) {
	switch {
	case v == 0:
		fmt.Fprint(table, "\t")
	case v < 10:
		fmt.Fprintf(table, "\t%.1f", v)
	default:
		fmt.Fprintf(table, "\t%.0f", v)
	}
}

// ratios ends a row with what each cost is in terms of another server's, or of the same
// server's with other numbers; nothing where one of them was not measured.
func ratios(table io.Writer, of, to cost) {
	for _, col := range columns {
		if v := col.value(to); v != 0 && col.value(of) != 0 {
			fmt.Fprintf(table, "\t×%.2f", col.value(of)/v)
		} else {
			fmt.Fprint(table, "\t")
		}
	}
	fmt.Fprintln(table, "\t")
}

// growth says for each server how many times the cost with the fewest sockets the
// cost with the most is.
func growth(table io.Writer, all []cost) {
	for i, least := range all {
		if i > 0 && all[i-1].server == least.server && all[i-1].eio == least.eio {
			continue
		}
		most := least
		for _, c := range all[i:] {
			if c.server == least.server && c.eio == least.eio {
				most = c
			}
		}
		if most.n == least.n {
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%d to %d", least.server, least.eio, most.n, least.n)
		ratios(table, most, least)
	}
}

// titles are what servers are called in a picture.
var titles = map[string]string{
	"gosio": "package googollee", "gosio-hand": "go-socket.io", "node2": "socket.io 2.5.1 (Node)",
	"zishang": "package zishang", "zishang-hand": "socket.io for Go", "node4": "socket.io 4.8.4 (Node)",
}

// drawCharts writes the two pictures of docs/benchmarks.md, of the newest revision of
// Engine.IO that was measured.
func drawCharts(dir string, all []cost) error {
	newest := 0
	for _, one := range all {
		newest = max(newest, one.eio)
	}
	for _, c := range []struct {
		file, title, unit string
		value             func(c cost) float64
	}{
		{"delivery.svg", "Processor time to deliver a broadcast to one socket", "µs", func(c cost) float64 { return micros(c.delivery) }},
		{"memory.svg", "Memory of an idle socket", "KB", func(c cost) float64 { return float64(c.bytes) / 1000 }},
	} {
		ch := chart{title: c.title, unit: c.unit}
		for _, one := range all {
			if one.eio == newest {
				ch.add(titles[one.server], float64(one.n), c.value(one))
			}
		}
		if err := os.WriteFile(filepath.Join(dir, c.file), ch.svg(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// beside says how many times the costs of Node's server, and of the library with a hand-written
// check, ours are, for the same number of sockets and revision of Engine.IO.
func beside(table io.Writer, all []cost) {
	for _, one := range all {
		for _, other := range all {
			if !ours(one.server) && one.server != "floor" || other.n != one.n || other.eio != one.eio || other.server != one.server+"-hand" && !strings.HasPrefix(other.server, "node") {
				continue
			}
			fmt.Fprintf(table, "%s to %s\t%d\t%d", one.server, other.server, one.eio, one.n)
			ratios(table, one, other)
		}
	}
}
