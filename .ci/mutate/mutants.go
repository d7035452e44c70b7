package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// load parses and types the files of a package that are not tests, and finds its mutants.
func load(path string) *pkg {
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", path).Output()
	check(err)
	p := &pkg{path: path, fset: token.NewFileSet(), src: map[string][]byte{}, at: map[ast.Node][]*mutant{}, noConst: map[ast.Node]bool{},
		info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	exports := map[string]string{}
	var names []string
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			ImportPath, Dir, Export string
			GoFiles                 []string
		}
		if err := d.Decode(&l); err == io.EOF {
			break
		} else {
			check(err)
		}
		exports[l.ImportPath] = l.Export
		if l.ImportPath == path {
			p.dir, names = l.Dir, l.GoFiles
		}
	}
	p.tests, p.testsDir = path, p.dir
	if *by != "" {
		out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{.Dir}}", *by).Output()
		check(err)
		p.tests, p.testsDir, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	}
	p.work, err = os.MkdirTemp("", "mutate")
	check(err)
	var files []*ast.File
	for _, name := range names {
		file := filepath.Join(p.dir, name)
		p.src[file], err = os.ReadFile(file)
		check(err)
		f, err := parser.ParseFile(p.fset, file, p.src[file], parser.ParseComments)
		check(err)
		files = append(files, f)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	conf := types.Config{Importer: importer.ForCompiler(p.fset, "gc", lookup)}
	_, err = conf.Check(path, p.fset, files, p.info)
	check(err)
	for _, f := range files {
		p.find(f)
	}
	return p
}

var changes = map[token.Token][]token.Token{
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND}, token.INC: {token.DEC}, token.DEC: {token.INC},
}

func (p *pkg) find(f *ast.File) {
	constant := 0 // the depth of declarations in which only a constant may stand
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if n.Tok == token.CONST {
				constant++
				for _, s := range n.Specs {
					ast.Inspect(s, visit)
				}
				constant--
				return false
			}
		case *ast.ArrayType:
			return false
		case *ast.BinaryExpr:
			if t, ok := p.info.Types[n.X].Type.Underlying().(*types.Basic); n.Op == token.ADD && ok && t.Info()&types.IsString != 0 {
				return true
			}
			for _, to := range changes[n.Op] {
				p.add(n, n.OpPos, n.Op, to, constant > 0)
			}
		case *ast.IncDecStmt:
			p.add(n, n.TokPos, n.Tok, changes[n.Tok][0], false)
		case *ast.UnaryExpr:
			if n.Op == token.SUB {
				p.add(n, n.OpPos, token.SUB, token.ADD, constant > 0)
			}
		}
		return true
	}
	ast.Inspect(f, visit)
}

func (p *pkg) add(n ast.Node, pos token.Pos, from, to token.Token, constant bool) {
	at := p.fset.Position(pos)
	m := &mutant{id: len(p.mutants) + 1, file: at.Filename, offset: at.Offset, from: from.String(), to: to.String()}
	rel, _ := filepath.Rel(must(os.Getwd()), at.Filename)
	m.place = fmt.Sprintf("%s:%d:%d", rel, at.Line, at.Column)
	if e, ok := n.(ast.Expr); ok && (constant || p.info.Types[e].Value != nil) {
		m.slow = true
	} else {
		p.at[n] = append(p.at[n], m)
	}
	p.mutants = append(p.mutants, m)
}

func must[T any](v T, err error) T { check(err); return v }
