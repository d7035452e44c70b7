package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// instrument returns the overlay for go build: the sources with all mutants in them.
func (p *pkg) instrument() map[string]string {
	overlay := map[string]string{}
	for _, file := range slices.Sorted(keysOf(p.src)) {
		f := must(parser.ParseFile(token.NewFileSet(), file, p.src[file], parser.PackageClauseOnly))
		if overlay[filepath.Join(p.dir, "zz_mutate.go")] == "" {
			overlay[filepath.Join(p.dir, "zz_mutate.go")] = p.write("zz_mutate.go", "package "+f.Name.Name+fmt.Sprintf(helper, len(p.mutants)+1))
		}
		overlay[file] = p.write(filepath.Base(file), p.rewrite(file))
	}
	return overlay
}

func keysOf[M ~map[K]V, K comparable, V any](m M) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

const helper = `

import (
	mutOS "os"
	mutConv "strconv"
)

var (
	mutActive, _ = mutConv.Atoi(mutOS.Getenv("MUTANT"))
	mutTrace, _ = mutOS.OpenFile(mutOS.Getenv("MUTANT_TRACE"), mutOS.O_WRONLY|mutOS.O_APPEND|mutOS.O_CREATE, 0o600)
	mutHit [%d]bool
)

func mutOn(id int) bool {
	if mutTrace != nil && !mutHit[id] {
		mutHit[id] = true
		mutTrace.WriteString(mutConv.Itoa(id) + "\n")
	}
	return id == mutActive
}

type mutNum interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

type mutInt interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

func mutADD[T mutNum](id int, a, b T) T { if mutOn(id) { return a - b }; return a + b }
func mutSUB[T mutNum](id int, a, b T) T { if mutOn(id) { return a + b }; return a - b }
func mutMUL[T mutNum](id int, a, b T) T { if mutOn(id) { return a / b }; return a * b }
func mutQUO[T mutNum](id int, a, b T) T { if mutOn(id) { return a * b }; return a / b }
func mutREM[T mutInt](id int, a, b T) T { if mutOn(id) { return a * b }; return a %% b }
func mutNEG[T mutNum](id int, a T) T { if mutOn(id) { return a }; return -a }
func mutINC[T mutNum](id int, a T) T { if mutOn(id) { return a - 1 }; return a + 1 }
func mutDEC[T mutNum](id int, a T) T { if mutOn(id) { return a + 1 }; return a - 1 }
`

var names = map[token.Token]string{token.ADD: "ADD", token.SUB: "SUB", token.MUL: "MUL", token.QUO: "QUO", token.REM: "REM", token.INC: "INC", token.DEC: "DEC"}

func (p *pkg) rewrite(file string) string {
	var nodes []ast.Node
	for n := range p.at {
		if p.fset.Position(n.Pos()).Filename == file {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b ast.Node) int {
		if a.Pos() != b.Pos() {
			return int(a.Pos() - b.Pos())
		}
		return int(b.End() - a.End())
	})
	src, base := p.src[file], 0
	p.fset.Iterate(func(f *token.File) bool {
		if f.Name() == file {
			base = f.Base()
		}
		return true
	})
	raw := func(n ast.Node) string { return string(src[int(n.Pos())-base : int(n.End())-base]) }
	var emit func(from, to token.Pos, but ast.Node) string
	emit = func(from, to token.Pos, but ast.Node) string {
		var b strings.Builder
		i, _ := slices.BinarySearchFunc(nodes, from, func(n ast.Node, p token.Pos) int { return int(n.Pos() - p) })
		for at := from; at < to; {
			for i < len(nodes) && (nodes[i].Pos() < at || nodes[i] == but || nodes[i].End() > to) {
				i++
			}
			if i == len(nodes) || nodes[i].Pos() >= to {
				b.Write(src[int(at)-base : int(to)-base])
				break
			}
			n := nodes[i]
			b.Write(src[int(at)-base : int(n.Pos())-base])
			part := func(e ast.Expr) string { return emit(e.Pos(), e.End(), nil) }
			b.WriteString(p.variants(n, raw, part))
			at = n.End()
		}
		return b.String()
	}
	f := token.Pos(base)
	return emit(f, f+token.Pos(len(src)), nil)
}

// variants writes a node with its mutants.
func (p *pkg) variants(n ast.Node, raw func(ast.Node) string, part func(ast.Expr) string) string {
	ms := p.at[n]
	switch n := n.(type) {
	case *ast.IncDecStmt:
		return fmt.Sprintf("%s = mut%s(%d, %s)", raw(n.X), names[n.Tok], ms[0].id, part(n.X))
	case *ast.UnaryExpr:
		return fmt.Sprintf("mutNEG(%d, %s)", ms[0].id, part(n.X))
	case *ast.BinaryExpr:
		if name := names[n.Op]; name != "" {
			return fmt.Sprintf("mut%s(%d, %s, %s)", name, ms[0].id, part(n.X), part(n.Y))
		}
		var changed, off string
		for _, m := range ms {
			changed += fmt.Sprintf("mutOn(%d) && (%s %s %s) || ", m.id, raw(n.X), m.to, raw(n.Y))
			off += fmt.Sprintf("!mutOn(%d) && ", m.id)
		}
		return fmt.Sprintf("(%s%s(%s %s %s))", changed, off, part(n.X), n.Op, part(n.Y))
	}
	panic("unknown node")
}

func (p *pkg) write(name, text string) string {
	file := filepath.Join(p.work, name)
	check(os.WriteFile(file, []byte(text), 0o600))
	return file
}

func (p *pkg) build(overlay map[string]string) string {
	file := p.write("overlay.json", string(must(json.Marshal(map[string]any{"Replace": overlay}))))
	binary := filepath.Join(p.work, "all.test")
	if out, err := exec.Command("go", "test", "-vet=off", "-c", "-overlay", file, "-o", binary, p.tests).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
		check(err)
	}
	return binary
}

// buildOne builds a mutant of a constant.
func (p *pkg) buildOne(m *mutant) string {
	src := p.src[m.file]
	text := string(src[:m.offset]) + m.to + string(src[m.offset+len(m.from):])
	overlay := map[string]string{m.file: p.write("one.go", text)}
	file := p.write("one.json", string(must(json.Marshal(map[string]any{"Replace": overlay}))))
	binary := filepath.Join(p.work, "one.test")
	if exec.Command("go", "test", "-vet=off", "-c", "-overlay", file, "-o", binary, p.tests).Run() != nil {
		return ""
	}
	return binary
}
