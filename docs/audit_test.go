package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestAuditTable: the table of docs/authorization.md has each action and each attribute
// of an audit record, and no other.
func TestAuditTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../socketio/audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	actions, attributes := constants(t, file, "auditAction"), constants(t, file, "auditAttribute")
	if len(actions) < 5 || len(attributes) < 10 {
		t.Fatalf("audit.go has the actions %q and the attributes %q", actions, attributes)
	}
	_, section, found := strings.Cut(read(t, "authorization.md"), "\n## Audit\n")
	if !found {
		t.Fatal("authorization.md has no section Audit")
	}
	names := regexp.MustCompile("`([a-z]+)`")
	documented := make(map[string]bool)
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, m := range names.FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
		}
		if strings.TrimSpace(cells[1]) == "`action`" {
			var listed []string
			for _, m := range names.FindAllStringSubmatch(cells[2], -1) {
				listed = append(listed, m[1])
			}
			slices.Sort(listed)
			if !slices.Equal(listed, actions) {
				t.Errorf("the table lists the actions %q, audit.go has %q", listed, actions)
			}
		}
	}
	if listed := slices.Sorted(maps.Keys(documented)); !slices.Equal(listed, attributes) {
		t.Errorf("the table lists the attributes %q, audit.go has %q", listed, attributes)
	}
}

// constants returns the values of a file's string constants of a type, sorted.
func constants(t *testing.T, file *ast.File, name string) (all []string) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != name {
			return true
		}
		for _, v := range spec.Values {
			s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return true
	})
	slices.Sort(all)
	return all
}
