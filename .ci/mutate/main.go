// Command mutate changes one operator at a time and reports the changes that no test
// of the package notices. It compiles all changes of a package into one test binary, in
// which an environment variable switches one of them on, and runs for each change only
// the tests that reach it:
//
//	go run .ci/mutate/*.go ./verifier ./jwks
//	go run .ci/mutate/*.go -sample 200 ./socketio
//	go run .ci/mutate/*.go -tests ./verifier ./verifier/internal/strictjson
//
// The changes are those of gremlins (conditions negated, boundaries moved, arithmetic
// exchanged, ++ and --, the sign) and && for ||. A changed constant needs a separate
// build, and runs all tests. A test that fails without the change too does not count.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	sample  = flag.Int("sample", 0, "try at most so many changes per package, drawn at random")
	seed    = flag.Uint64("seed", 1, "of the sample")
	limit   = flag.Duration("timeout", time.Minute, "of the tests of one change")
	only    = flag.String("only", "", "only changes whose place (file:line) matches this expression")
	by      = flag.String("tests", "", "run the tests of this package rather than those of the changed one")
	verbose = flag.Bool("v", false, "print each change and which test noticed it")
)

func main() {
	flag.Parse()
	out, err := exec.Command("go", append([]string{"list"}, flag.Args()...)...).Output()
	check(err)
	fmt.Println("| package | changes | tried | noticed | timed out | survived | of those tried |\n| --- | --- | --- | --- | --- | --- | --- |")
	var survivors []string
	for path := range strings.FieldsSeq(string(out)) {
		survivors = append(survivors, run(path)...)
	}
	fmt.Println("\n" + strings.Join(survivors, "\n"))
}

func check(err error) {
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			fmt.Fprintf(os.Stderr, "%s\n", exit.Stderr)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A mutant is one change: what the operator at a place becomes.
type mutant struct {
	id       int
	place    string // file:line:column
	from, to string
	offset   int // of the operator, for a change that needs a separate build
	file     string
	slow     bool
	tests    []string // that reach it
}

// A pkg is a package under test, with the sources that hold its mutants.
type pkg struct {
	dir, path, work string
	tests, testsDir string // the package whose tests run, and its folder
	fset            *token.FileSet
	info            *types.Info
	src             map[string][]byte
	mutants         []*mutant
	at              map[ast.Node][]*mutant
	noConst         map[ast.Node]bool // operators in a place where only a constant may stand
}

func run(path string) (survivors []string) {
	p := load(path)
	if len(p.mutants) == 0 {
		return nil
	}
	defer os.RemoveAll(p.work)
	binary := p.build(p.instrument())
	reach(p, binary)
	all := p.mutants
	if *only != "" {
		re := regexp.MustCompile(*only)
		all = slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return !re.MatchString(m.place) })
	}
	if *sample > 0 && *sample < len(all) {
		r := rand.New(rand.NewPCG(*seed, 0))
		all = slices.Clone(all)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:*sample]
	}
	var killed, timeouts int
	for _, m := range all {
		b := binary
		if m.slow {
			if b = p.buildOne(m); b == "" {
				killed++ // does not compile
				continue
			}
		}
		verdict := p.try(b, m)
		if *verbose {
			fmt.Fprintf(os.Stderr, "%s %s → %s: %s\n", m.place, m.from, m.to, verdict)
		}
		switch verdict {
		case "survived":
			survivors = append(survivors, fmt.Sprintf("%s %s → %s", m.place, m.from, m.to))
			if len(m.tests) == 0 {
				survivors[len(survivors)-1] += " (no test reaches it)"
			}
		case "timeout":
			timeouts++
		default:
			killed++
		}
	}
	slices.Sort(survivors)
	fmt.Printf("| %s | %d | %d | %d | %d | %d | %.1f %% |\n", path, len(p.mutants), len(all), killed, timeouts, len(survivors), 100*float64(len(survivors))/float64(max(1, len(all))))
	return survivors
}
