package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tests are the tests, fuzz targets and benchmarks of the repository, by the name
// of their package and their own, with the source of the package's tests.
func tests(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, p := range list(t) {
		paths, err := filepath.Glob(filepath.Join(p.Dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		var source strings.Builder
		for _, path := range paths {
			text := read(t, path)
			source.WriteString(text)
			file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
					names = append(names, f.Name.Name)
				}
			}
		}
		for _, name := range names {
			found[filepath.Base(p.Dir)+"."+name] = source.String()
		}
	}
	return found
}

var named = regexp.MustCompile("`(\\w+\\.(?:Test|Fuzz|Benchmark)\\w+)(?:/([^`]+))?`")

// TestSecurity: each defence in security.md names a test that there is.
func TestSecurity(t *testing.T) {
	there := tests(t)
	all := strings.Join(slices.Collect(maps.Keys(there)), "\n")
	rows, shown, fault := 0, false, false
	for line := range strings.Lines(read(t, "security.md")) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			shown, fault = false, false
			continue
		case cells[len(cells)-1] == "shown by":
			shown = true
			continue
		case strings.HasPrefix(line, "| | fault"):
			fault = true
			continue
		case strings.HasPrefix(cells[0], "---"):
			continue
		}
		rows++
		switch {
		case fault:
			if !strings.Contains(all, "googollee.TestFault"+cells[0]) {
				t.Errorf("fault %s has no test", cells[0])
			}
		case shown:
			names := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
			if len(names) == 0 {
				t.Errorf("no test shows the defence against: %s", cells[0])
			}
			for _, m := range names {
				switch source, ok := there[m[1]]; {
				case !ok:
					t.Errorf("there is no %s, against: %s", m[1], cells[0])
				case !strings.Contains(source, `"`+m[2]):
					t.Errorf("%s has no %q, against: %s", m[1], m[2], cells[0])
				}
			}
		default:
			t.Errorf("a table does not say what shows it: %s", line)
		}
	}
	if rows < 40 {
		t.Errorf("security.md has %d rows: the search is broken", rows)
	}
}
