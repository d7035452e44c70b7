package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var pinned = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)

// TestActionsArePinned: the workflows name every action by its commit, which nobody
// can move, unlike a tag.
func TestActionsArePinned(t *testing.T) {
	workflows, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(workflows) == 0 {
		t.Fatalf("%d workflows: %v", len(workflows), err)
	}
	uses := 0
	for _, path := range workflows {
		for line := range strings.Lines(read(t, path)) {
			_, action, found := strings.Cut(line, "uses: ")
			if !found {
				continue
			}
			uses++
			action, _, _ = strings.Cut(strings.TrimSpace(action), " ")
			if !pinned.MatchString(action) {
				t.Errorf("%s: %s is not pinned to a commit", path, action)
			}
		}
	}
	if uses == 0 {
		t.Error("no workflow uses an action")
	}
}

// TestBadges: the badges of the README say what the repository says.
func TestBadges(t *testing.T) {
	readme := read(t, "../README.md")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if version == nil {
		t.Fatal("go.mod names no version of Go")
	}
	licence, _, _ := strings.Cut(read(t, "../LICENSE"), " ")
	for _, want := range []string{
		"/badge/Go-" + version[1] + "-", "[Go " + version[1] + "]", "/badge/licence-" + licence + "-",
		strings.TrimPrefix(strings.Fields(read(t, "../go.mod"))[1], "https://") + "/actions/workflows/ci.yml/badge.svg",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("no badge of README.md has %q", want)
		}
	}
}
