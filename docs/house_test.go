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

// TestHouse: files and functions are small enough to read at once. Those that are
// not yet are listed in testdata/house.txt.
func TestHouse(t *testing.T) {
	found := make(map[string]int)
	largest := make(map[string]int)
	note := func(key string, n, most int) {
		kind, _, _ := strings.Cut(key, ":")
		if largest[kind] < n && !strings.Contains(key, "_test.go") {
			largest[kind] = n
			t.Logf("%s: %d", key, n)
		}
		if n > most {
			found[key] = max(n, found[key])
		}
	}
	for name, text := range files(t, ".go") {
		note("file:"+name, strings.Count(text, "\n"), maxFile)
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
				key := name + ":" + f.Name.Name
				note("function:"+key, length(set, part), maxFunction)
				note("complexity:"+key, complexity(part), maxComplexity)
			}
		}
	}
	ratchet(t, "house.txt", found, nil)
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
