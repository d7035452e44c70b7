package docs

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write api.txt and the lists of testdata anew")

// TestAPI holds what is exported against api.txt, so that a change of it is seen
// in review, and is meant.
func TestAPI(t *testing.T) {
	var lines []string
	for _, p := range public(t) {
		found := exported(t, p)
		lines = append(lines, found...)
		t.Logf("%-24s %3d exported", p.name, len(found))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		write(t, "api.txt", got)
		return
	}
	want := read(t, "api.txt")
	if got == want {
		return
	}
	listed := strings.Split(strings.TrimSpace(want), "\n")
	for _, line := range lines {
		if !slices.Contains(listed, line) {
			t.Errorf("new:  %s", line)
		}
	}
	for _, line := range listed {
		if !slices.Contains(lines, line) {
			t.Errorf("gone: %s", line)
		}
	}
	t.Error("the exported API is not that of docs/api.txt; if that is meant:\n\n\tgo test ./docs -run API -update\n")
}

// TestPublic: what api.txt lists are the packages that architecture.md describes.
func TestPublic(t *testing.T) {
	page := pages(t)[filepath.Join("docs", "architecture.md")]
	for _, p := range public(t) {
		if !strings.Contains(page, "`"+p.name+"`") {
			t.Errorf("architecture.md says nothing of package %s", p.name)
		}
	}
}

type publicPackage struct {
	name  string // its path in the module
	files []*ast.File
	set   *token.FileSet
}

// public are the packages that a user may import.
func public(t *testing.T) []publicPackage {
	t.Helper()
	var all []publicPackage
	for _, l := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(l.ImportPath, module), "/")
		top, _, _ := strings.Cut(name, "/")
		if top == "examples" || top == "docs" || strings.Contains(name, "internal") || strings.HasPrefix(name, "socketio/interop") {
			continue
		}
		found, err := build.ImportDir(l.Dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := publicPackage{name: name, set: token.NewFileSet()}
		for _, f := range found.GoFiles {
			file, err := parser.ParseFile(p.set, filepath.Join(l.Dir, f), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			p.files = append(p.files, file)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("%d public packages were found", len(all))
	}
	return all
}

// exported returns a line for each exported identifier of the package, and fails
// where one has no comment.
func exported(t *testing.T, p publicPackage) (lines []string) {
	t.Helper()
	add := func(comment string, node ast.Node, format string, args ...any) {
		line := p.name + ": " + strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
		lines = append(lines, line)
		if strings.TrimSpace(comment) == "" {
			t.Errorf("%s has no comment: %s", line, p.set.Position(node.Pos()))
		}
	}
	text := func(node any) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, p.set, node); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	documented := false
	for _, file := range p.files {
		documented = documented || file.Doc.Text() != ""
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					add(d.Doc.Text(), d, "%s", text(&ast.FuncDecl{Recv: d.Recv, Name: d.Name, Type: d.Type}))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						addType(d, s, add, text)
					case *ast.ValueSpec:
						addValues(d, s, add, text)
					}
				}
			}
		}
	}
	if !documented {
		t.Errorf("package %s has no comment", p.name)
	}
	return lines
}

type (
	adder  func(comment string, node ast.Node, format string, args ...any)
	texter func(node any) string
)

// addType adds an exported type and its members.
func addType(d *ast.GenDecl, s *ast.TypeSpec, add adder, text texter) {
	if !s.Name.IsExported() {
		return
	}
	add(d.Doc.Text()+s.Doc.Text(), s, "type %s %s", s.Name, kind(s.Type, text))
	for _, m := range members(s.Type) {
		comment := m.comment
		if i, ok := s.Type.(*ast.InterfaceType); !ok || len(i.Methods.List) == 1 {
			comment += d.Doc.Text() // which may tell of the fields, and does of an only method
		}
		add(comment, s, "%s.%s %s", s.Name, m.name, strings.TrimPrefix(text(m.typ), "func"))
	}
}

// addValues adds exported constants and variables.
func addValues(d *ast.GenDecl, s *ast.ValueSpec, add adder, text texter) {
	for i, name := range s.Names {
		if !name.IsExported() {
			continue
		}
		typ, value := "", ""
		if s.Type != nil {
			typ = text(s.Type)
		}
		if d.Tok == token.CONST && i < len(s.Values) {
			value = "= " + text(s.Values[i])
		}
		add(d.Doc.Text()+s.Doc.Text()+s.Comment.Text(), s, "%s %s %s %s", d.Tok, name, typ, value)
	}
}

// receiver is the name of the type that the method is of.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// kind is what a type is of, without the members of a struct or interface.
func kind(typ ast.Expr, text func(any) string) string {
	switch typ.(type) {
	case *ast.StructType:
		return "struct"
	case *ast.InterfaceType:
		return "interface"
	}
	return text(typ)
}

type member struct {
	name, comment string
	typ           ast.Expr
}

// members are the exported fields of a struct, or the methods of an interface.
func members(typ ast.Expr) (all []member) {
	var fields *ast.FieldList
	switch x := typ.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return nil
	}
	for _, f := range fields.List {
		comment := f.Doc.Text() + f.Comment.Text()
		if name, ok := f.Type.(*ast.Ident); len(f.Names) == 0 && (!ok || name.IsExported()) {
			all = append(all, member{"embedded", comment + "what it embeds", f.Type})
		}
		for _, name := range f.Names {
			if name.IsExported() {
				all = append(all, member{name.Name, comment, f.Type})
			}
		}
	}
	return all
}
