package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// chart draws lines over a logarithmic number of sockets.
type chart struct {
	title, unit string
	lines       []line
}

type line struct {
	name   string
	points [][2]float64
}

// add adds a point to the line of this name. A zero was not measured.
func (c *chart) add(name string, x, y float64) {
	if y == 0 {
		return
	}
	i := slices.IndexFunc(c.lines, func(l line) bool { return l.name == name })
	if i < 0 {
		i = len(c.lines)
		c.lines = append(c.lines, line{name: name})
	}
	c.lines[i].points = append(c.lines[i].points, [2]float64{x, y})
}

// The picture's size and the room around the lines, in pixels.
const (
	chartWidth, chartHeight = 720, 360
	chartLeft, chartRight   = 60, 220
	chartTop, chartBottom   = 50, 45
)

// Colours that differ on white and on black, also for colour-blind readers.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// svg draws it. Text is grey, which is legible on a light and on a dark page.
func (c *chart) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="sans-serif" font-size="13" fill="#888">`+"\n",
		chartWidth, chartHeight, html.EscapeString(c.title))
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15">%s, %s</text>`+"\n", chartLeft, html.EscapeString(c.title), html.EscapeString(c.unit))
	least, most, top := math.Inf(1), 0.0, 0.0
	for _, l := range c.lines {
		for _, p := range l.points {
			least, most, top = min(least, p[0]), max(most, p[0]), max(top, p[1])
		}
	}
	step := tick(top)
	top = step * math.Ceil(top/step)
	x := func(v float64) float64 {
		if most == least {
			return chartLeft
		}
		return chartLeft + (chartWidth-chartLeft-chartRight)*math.Log(v/least)/math.Log(most/least)
	}
	y := func(v float64) float64 { return chartHeight - chartBottom - (chartHeight-chartTop-chartBottom)*v/top }
	for v := 0.0; v <= top; v += step {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#888" stroke-opacity=".3"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			chartLeft, y(v), chartWidth-chartRight, chartLeft-8, y(v)+4, v)
	}
	var marked []float64
	for i, l := range c.lines {
		colour := colours[i%len(colours)]
		var path string
		for j, p := range l.points {
			command := "L"
			if j == 0 {
				command = "M"
			}
			path += fmt.Sprintf("%s%.1f %.1f", command, x(p[0]), y(p[1]))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s, %.0f sockets: %.1f %s</title></circle>`+"\n",
				x(p[0]), y(p[1]), colour, html.EscapeString(l.name), p[0], p[1], html.EscapeString(c.unit))
			if !slices.Contains(marked, p[0]) {
				marked = append(marked, p[0])
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", x(p[0]), chartHeight-chartBottom+20, p[0])
			}
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path, colour)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="14" height="4" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			chartWidth-chartRight+15, chartTop+5+22*i, colour, chartWidth-chartRight+36, chartTop+12+22*i, html.EscapeString(l.name))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">open sockets</text>`+"\n</svg>\n", (chartLeft+chartWidth-chartRight)/2, chartHeight-6)
	return b.Bytes()
}

// tick is a round distance between grid lines, of which there are about five.
func tick(top float64) float64 {
	if top <= 0 {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(top/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if top/(f*base) <= 5.5 {
			return f * base
		}
	}
	return 10 * base
}
