package jwks_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
)

// behaviour is something that is expected of a cache of key sets, by the name
// that the comparison in docs/jwks.md has for it.
type behaviour struct {
	name    string
	options []jwks.Option
	show    func(w *world)
	fetches int // how many requests for the key set the issuer gets; -1 if show counts them itself
}

// behaviours are all of them, each about one subject.
var behaviours = slices.Concat(agesOfSets, unknownKIDs, issuersAnswers, storesOfSets)

func TestBehaviours(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, b.options...)
				b.show(w)
				if b.fetches >= 0 {
					w.fetched(b.fetches)
				}
			})
		})
	}
}

// TestBehavioursAreDocumented: every line of the comparison is shown by a test of
// its name.
func TestBehavioursAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/jwks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| behaviour | here | others |\n| --- | --- | --- |\n")
	lines := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			t.Fatalf("a line is not of the table: %s", line)
		}
		name := strings.TrimSpace(cells[1])
		if !slices.ContainsFunc(behaviours, func(b behaviour) bool { return strings.HasPrefix(b.name, name) }) {
			t.Errorf("no test shows %q", name)
		}
		lines++
	}
	if lines < 20 {
		t.Errorf("the table has %d lines", lines)
	}
}
