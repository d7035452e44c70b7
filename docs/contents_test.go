package docs

import (
	"go/ast"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// screen is how many lines of go doc a reader sees at once.
const screen = 50

// TestContents: go doc of a public package fits one screen. If it does not, the package
// comment has a table of contents that names each exported type and function.
func TestContents(t *testing.T) {
	link := regexp.MustCompile(`\[(\w+)(?:\.\w+)?\]`)
	for _, p := range public(t) {
		cmd := exec.Command("go", "doc", "./"+p.name)
		cmd.Dir = ".."
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(p.name, err)
		}
		lines := strings.Count(string(out), "\n")
		if lines <= screen {
			continue
		}
		comment, names := "", []string{}
		for _, file := range p.files {
			if file.Doc != nil {
				comment = file.Doc.Text()
			}
			names = append(names, exportedNames(file)...)
		}
		listed := make(map[string]bool)
		for part := range strings.SplitSeq(comment, "\n# ") {
			if strings.HasPrefix(part, "Contents") {
				for _, m := range link.FindAllStringSubmatch(part, -1) {
					listed[m[1]] = true
				}
			}
		}
		for _, name := range names {
			if !listed[name] {
				t.Errorf("package %s: go doc has %d lines, and the contents in the package comment lack [%s]", p.name, lines, name)
			}
		}
	}
}

// exportedNames returns the types and functions of a file, without methods.
func exportedNames(file *ast.File) (all []string) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				all = append(all, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
					all = append(all, s.Name.Name)
				}
			}
		}
	}
	return all
}
