package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// The largest that a Go file and a function may be, in lines, and the highest
// cyclomatic complexity of a function. Tables (composite literals) do not count.
const (
	maxFile       = 400
	maxFunction   = 60
	maxComplexity = 15
)

// TestHouse: files and functions are small enough to read at once. It logs the largest.
func TestHouse(t *testing.T) {
	largest := make(map[string]measure) // of each kind
	note := func(kind, where string, n, most int) {
		if n > most {
			t.Errorf("%s %s: %d, expected at most %d", kind, where, n, most)
		}
		if n > largest[kind].n {
			largest[kind] = measure{n, where}
		}
	}
	for name, text := range files(t, ".go") {
		note("file", name, strings.Count(text, "\n"), maxFile)
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			for _, part := range append(subtests(f), f) {
				function := f.Name.Name + " in " + name
				note("function", function, length(set, part), maxFunction)
				note("complexity", function, complexity(part), maxComplexity)
			}
		}
	}
	for kind, m := range largest {
		t.Logf("largest %s: %d, %s", kind, m.n, m.where)
	}
}

type measure struct {
	n     int
	where string
}

// subtests returns the functions that a test gives to t.Run and synctest.Test. Each
// counts by itself.
func subtests(f ast.Node) (all []ast.Node) {
	ast.Inspect(f, func(n ast.Node) bool {
		if literal := subtest(n); literal != nil {
			all = append(all, literal)
		}
		return true
	})
	return all
}

func subtest(n ast.Node) *ast.FuncLit {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return nil
	}
	if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Run" && f.Sel.Name != "Test" {
		return nil
	}
	literal, _ := call.Args[1].(*ast.FuncLit)
	return literal
}

// within goes through a function without its tables and its subtests.
func within(f ast.Node, visit func(n ast.Node), skipped func(n ast.Node)) {
	ast.Inspect(f, func(n ast.Node) bool {
		_, table := n.(*ast.CompositeLit)
		if literal := subtest(n); table || literal != nil {
			skipped(n)
			return false
		}
		visit(n)
		return true
	})
}

// length counts the lines of a function. A table or a subtest counts as one.
func length(set *token.FileSet, f ast.Node) int {
	lines := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1 }
	sum := lines(f)
	within(f, func(ast.Node) {}, func(n ast.Node) { sum -= lines(n) - 1 })
	return sum
}

// complexity counts the ways through a function, as gocyclo does.
func complexity(f ast.Node) int {
	sum := 1
	within(f, func(n ast.Node) {
		if branches(n) {
			sum++
		}
	}, func(ast.Node) {})
	return sum
}

func branches(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
		return true
	case *ast.CaseClause:
		return n.List != nil
	case *ast.CommClause:
		return n.Comm != nil
	case *ast.BinaryExpr:
		return n.Op == token.LAND || n.Op == token.LOR
	}
	return false
}
