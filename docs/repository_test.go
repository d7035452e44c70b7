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
