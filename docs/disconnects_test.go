package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// endReason finds the engine's words for the end of a connection or of a socket.
var endReason = regexp.MustCompile(`(?:\breason: |\breason = |\breason\w+ += |\.fail\(|\.End\(|return left, |, reason = .*, )"([^"]+)"`)

// TestDisconnects: docs/disconnects.md lists every reason for which the engine ends a
// connection or a socket.
func TestDisconnects(t *testing.T) {
	page := read(t, "disconnects.md")
	paths, err := filepath.Glob("../socketio/internal/engine/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range endReason.FindAllStringSubmatch(read(t, path), -1) {
			found[m[1]] = true
		}
	}
	if len(found) < 15 {
		t.Errorf("only %d reasons were found", len(found))
	}
	for reason := range found {
		if shown := strings.TrimSuffix(reason, ": "); shown != reason {
			reason = shown + ": …"
		}
		if !strings.Contains(page, "`"+reason+"`") {
			t.Errorf("disconnects.md does not list %q", reason)
		}
	}
}
