package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	accepted  = "accepted"
	refused   = "refused"
	unchecked = "not verified" // decode verifies nothing
)

// report is what is found out about a token, as -json prints it.
type report struct {
	Verdict  string          `json:"verdict"`
	Problem  string          `json:"problem,omitempty"` // why it cannot be read
	Client   json.RawMessage `json:"client,omitempty"`  // what the client is told
	Header   json.RawMessage `json:"header,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`
	Times    []member        `json:"times,omitempty"`
	Checks   []check         `json:"checks,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`

	decoded *decoded
}

// member is a claim that is a date, in words.
type member struct {
	Claim string    `json:"claim"`
	Time  time.Time `json:"time"`
	Words string    `json:"words"`
}

// check is one thing that a server looks at.
type check struct {
	Name     string `json:"name"`
	Result   string `json:"result"` // ok, failed or skipped
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	Hint     string `json:"hint,omitempty"`
}

const (
	ok      = "ok"
	failed  = "failed"
	skipped = "skipped" // the server has no opinion, or something before it failed
)

// reportOf begins a report with what the token says of itself.
func (c *command) reportOf(d *decoded) *report {
	r := &report{Verdict: unchecked, Header: d.headText, Claims: d.claimsText, Warnings: d.warnings(), decoded: d}
	for _, name := range []string{"iat", "nbf", "exp"} {
		if t, ok := d.date(name); ok {
			r.Times = append(r.Times, member{name, t, when(name, t, c.now())})
		}
	}
	return r
}

// when says of a date in a token what it means now.
func when(name string, t, now time.Time) string {
	verb := map[string][2]string{
		"exp": {"expires", "expired"}, "nbf": {"will be good", "has been good since"}, "iat": {"issued", "issued"},
	}[name]
	if t.After(now) {
		return verb[0] + " " + ago(t, now)
	}
	return verb[1] + " " + ago(t, now)
}

// show prints the report.
func (c *command) show(r *report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	p := &page{w: c.out, color: c.color}
	if r.decoded.header != nil {
		p.heading("Header")
		p.members(r.decoded.header, []string{"alg", "kid", "typ"}, nil)
	}
	if r.decoded.claims != nil {
		p.heading("Claims")
		p.members(r.decoded.claims, []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}, r.Times)
	}
	if len(r.Checks) > 0 {
		p.heading("Checks")
		for _, k := range r.Checks {
			p.check(k)
		}
	}
	if len(r.Warnings) > 0 {
		p.heading("Warnings")
		for _, w := range r.Warnings {
			p.line("  %s %s", p.paint(yellow, "!"), w)
		}
	}
	if p.begun {
		p.line("")
	}
	switch r.Verdict {
	case accepted:
		p.line("%s", p.paint(green, "A server that is set up so accepts this token."))
	case refused:
		p.line("%s", p.paint(red, "A server refuses this token."))
		if r.Problem != "" {
			p.line("It cannot be read: %s.", r.Problem)
		}
		if r.Client != nil {
			p.line("The client is told %s", r.Client)
		}
	default:
		p.line("%s", p.paint(yellow, "Nothing of this is verified: anybody could have written it. See token explain."))
	}
	return p.err
}

// page writes lines for people.
type page struct {
	w     io.Writer
	color bool
	begun bool
	err   error
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
)

func (p *page) paint(color, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *page) heading(text string) {
	if p.begun {
		p.line("")
	}
	p.begun = true
	p.line("%s", p.paint(bold, text))
}

// members prints the members of an object, those that everybody knows first.
func (p *page) members(m map[string]any, first []string, times []member) {
	names := slices.Sorted(maps.Keys(m))
	order := slices.DeleteFunc(slices.Clone(first), func(n string) bool { return m[n] == nil })
	for _, n := range names {
		if !slices.Contains(order, n) {
			order = append(order, n)
		}
	}
	width := 0
	for _, n := range order {
		width = max(width, len(printable(n)))
	}
	for _, n := range order {
		line := fmt.Sprintf("  %-*s  %s", width, printable(n), printable(text(m[n])))
		for _, t := range times {
			if t.Claim == n {
				line += "  " + t.Words + " (" + t.Time.Format(time.RFC3339) + ")"
			}
		}
		p.line("%s", line)
	}
}

func (p *page) check(k check) {
	mark := map[string]string{ok: p.paint(green, "ok  "), failed: p.paint(red, "FAIL"), skipped: "-   "}[k.Result]
	what := k.Got
	if k.Result == failed && k.Expected != "" {
		what = "expected " + k.Expected
	}
	p.line("  %s  %-10s  %s", mark, k.Name, printable(what))
	if k.Result == failed && k.Expected != "" {
		p.line("                    got %s", printable(k.Got))
	}
	if k.Hint != "" {
		p.line("                    %s %s", p.paint(yellow, "→"), printable(k.Hint))
	}
}

// printable shows text of a token so that it cannot harm a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, s)
}
