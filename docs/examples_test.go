package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestConstructorsHaveExamples: an Example of its package uses every exported
// function that makes something: constructors and options. Packages that lack some
// are listed in testdata/examples.txt.
func TestConstructorsHaveExamples(t *testing.T) {
	found, why := make(map[string]int), make(map[string]string)
	for _, p := range public(t) {
		used := make(map[string]bool)
		var makers []string
		paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(p.name), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				switch {
				case !ok || f.Recv != nil:
				case !strings.HasSuffix(path, "_test.go"):
					if f.Name.IsExported() && f.Type.Results.NumFields() > 0 {
						makers = append(makers, f.Name.Name)
					}
				case strings.HasPrefix(f.Name.Name, "Example"):
					ast.Inspect(f, func(n ast.Node) bool {
						if name, ok := n.(*ast.SelectorExpr); ok {
							used[name.Sel.Name] = true
						}
						return true
					})
				}
			}
		}
		for _, name := range makers {
			if !used[name] {
				found[p.name]++
				why[p.name] += "\n\tno example uses " + name
			}
		}
	}
	ratchet(t, "examples.txt", found, why)
}
