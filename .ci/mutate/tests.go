package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reach runs each test alone, and notes which mutants it reaches.
func reach(p *pkg, binary string) {
	out := must(command(p, context.Background(), binary, "-test.list", ".").Output())
	took := map[string]time.Duration{}
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(name, "Benchmark") {
			continue
		}
		trace := filepath.Join(p.work, "trace")
		os.Remove(trace)
		ctx, cancel := context.WithTimeout(context.Background(), 5**limit)
		c := command(p, ctx, binary, "-test.short", "-test.run", "^"+name+"$")
		c.Env = append(os.Environ(), "MUTANT_TRACE="+trace)
		start := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s fails without a change and is left out: %v\n%s\n", name, err, tail(out))
			cancel()
			continue
		}
		cancel()
		took[name] = time.Since(start)
		data, _ := os.ReadFile(trace)
		for id := range strings.FieldsSeq(string(data)) {
			m := p.mutants[must(strconv.Atoi(id))-1]
			m.tests = append(m.tests, name)
		}
		for _, m := range p.mutants {
			if m.slow {
				m.tests = append(m.tests, name)
			}
		}
	}
	for _, m := range p.mutants { // the quick ones first
		slices.SortStableFunc(m.tests, func(a, b string) int { return int(took[a] - took[b]) })
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

func command(p *pkg, ctx context.Context, binary string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, args...)
	c.Dir = p.testsDir
	c.WaitDelay = time.Second
	return c
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// try runs the tests that reach a mutant: a few quick ones first, then the rest.
func (p *pkg) try(binary string, m *mutant) string {
	if len(m.tests) == 0 {
		return "survived"
	}
	n := min(len(m.tests), 8)
	verdict := p.runTests(binary, m, m.tests[:n])
	if verdict == "survived" && n < len(m.tests) {
		verdict = p.runTests(binary, m, m.tests[n:])
	}
	return verdict
}

func (p *pkg) runTests(binary string, m *mutant, tests []string) string {
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), *limit)
		defer cancel()
		c := command(p, ctx, binary, "-test.short", "-test.failfast", "-test.run", "^("+strings.Join(tests, "|")+")$")
		c.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(m.id))
		out, err := c.CombinedOutput()
		if ctx.Err() != nil {
			return "timeout"
		}
		if err == nil {
			return "survived"
		}
		name := failed.FindSubmatch(out)
		if name == nil {
			return "killed by a panic or exit"
		}
		if m.slow || p.passes(binary, string(name[1])) {
			return "killed by " + string(name[1])
		}
	}
	return "survived" // a test that fails without the change as well
}

// passes tells a test that noticed the change from one that fails for another reason.
func (p *pkg) passes(binary, test string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	return command(p, ctx, binary, "-test.short", "-test.run", "^"+test+"$").Run() == nil
}
