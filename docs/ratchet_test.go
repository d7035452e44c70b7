package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ratchet compares what a test found with what its list allows. The list may only
// become shorter: a higher number than listed is an error everywhere, and a lower
// one in CI. With -update the list is written anew.
func ratchet(t *testing.T, list string, found map[string]int, why map[string]string) {
	t.Helper()
	path := filepath.Join("testdata", list)
	if *update {
		var text strings.Builder
		for _, key := range slices.Sorted(maps.Keys(found)) {
			fmt.Fprintf(&text, "%s %d\n", key, found[key])
		}
		write(t, path, text.String())
	}
	allowed := make(map[string]int)
	for line := range strings.Lines(read(t, path)) {
		key, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		allowed[key] = n
	}
	for key, n := range found {
		if n > allowed[key] {
			t.Errorf("%s: %d, %s allows %d%s", key, n, path, allowed[key], why[key])
		}
	}
	for key, n := range allowed {
		if found[key] < n && os.Getenv("CI") != "" {
			t.Errorf("%s allows %d for %s, which has %d: go test ./docs -run %s -update", path, n, key, found[key], t.Name())
		}
	}
}

// files returns the contents of the repository's files whose name ends in one of
// these, by their path from the root.
func files(t *testing.T, suffixes ...string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".cache") {
			return filepath.SkipDir
		}
		if !d.IsDir() && slices.Contains(suffixes, filepath.Ext(path)) {
			all[filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))] = read(t, path)
		}
		return nil
	})
	if err != nil || len(all) < 5 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}
