package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/tickets"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// TestOptions: every option in the code is in the reference, in the section of its
// package, and every option there is in the code.
func TestOptions(t *testing.T) {
	written := make(map[string][]string) // names by section
	section := ""
	heading := regexp.MustCompile("^## `(.+)`$")
	row := regexp.MustCompile("^\\| `([A-Za-z0-9]+)")
	for line := range strings.Lines(read(t, "options.md")) {
		line = strings.TrimSuffix(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if m := row.FindStringSubmatch(line); m != nil {
			written[section] = append(written[section], m[1])
		}
	}
	options := 0
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "examples/") || strings.Contains(name, "internal") || strings.HasPrefix(name, "socketio/interop") {
			continue
		}
		for kind, names := range optionsOf(t, p.Dir) {
			heading := name
			if kind != "" {
				heading += "." + kind
			}
			slices.Sort(names)
			there := slices.Sorted(slices.Values(written[heading]))
			if !slices.Equal(names, there) {
				t.Errorf("options.md has under %q\n\t%q\nthe code has\n\t%q", heading, there, names)
			}
			options += len(names)
			delete(written, heading)
		}
	}
	for heading := range written {
		t.Errorf("options.md has a section %q, which is not a package's, or whose options no longer exist", heading)
	}
	if options < 60 {
		t.Errorf("the code has %d options: the search is broken", options)
	}
}

// TestDefaults: the defaults that have a name are in the reference as they are.
func TestDefaults(t *testing.T) {
	page := read(t, "options.md")
	for row, defaults := range map[string][]any{
		"verifier/MaxTokenLength":                {verifier.DefaultMaxTokenLength},
		"jwks/TTL":                               {jwks.DefaultTTL},
		"jwks/MaxStale":                          {jwks.DefaultMaxStale},
		"jwks/MaxIssuers":                        {jwks.DefaultMaxIssuers},
		"socketio/Timeout":                       {socketio.DefaultTimeout},
		"socketio/MaxAttempts":                   {socketio.DefaultMaxAttempts},
		"socketio/ExpiryNotice":                  {socketio.EventTokenExpiring, socketio.DefaultExpiryNotice},
		"socketio/MaxPending":                    {socketio.DefaultMaxPending},
		"socketio/MaxFailures":                   {socketio.DefaultMaxFailuresPerAddress, socketio.DefaultMaxFailures},
		"socketio/tickets.Options/Lifetime":      {tickets.DefaultLifetime},
		"socketio/tickets.Options/Name":          {tickets.DefaultName},
		"socketio/signals.Options/TokenLifetime": {socketio.DefaultRevocationTTL},
		"socketio.LogoutOptions/TokenLifetime":   {socketio.DefaultRevocationTTL},
		"verifier/dpop/MaxAge":                   {dpop.DefaultMaxAge},
		"verifier/dpop/ClockTolerance":           {dpop.DefaultClockTolerance},
		"verifier/dpop/CacheSize":                {dpop.DefaultCacheSize},
		"verifier/introspection/TTL":             {introspection.DefaultTTL},
		"verifier/introspection/CacheSize":       {introspection.DefaultCacheSize},
	} {
		section, option := path.Split(row)
		_, rest, _ := strings.Cut(page, "\n## `"+strings.TrimSuffix(section, "/")+"`\n")
		rest, _, _ = strings.Cut(rest, "\n## ")
		_, rest, _ = strings.Cut(rest, "\n| `"+option+"` |")
		cell, _, _ := strings.Cut(rest, "|")
		for _, d := range defaults {
			if !strings.Contains(cell, fmt.Sprintf("`%v`", d)) {
				t.Errorf("the default of %s is %v, options.md says %q", row, d, cell)
			}
		}
	}
}

// optionsOf returns the options of the package in a folder: under "" the functions
// whose result is an option, and under its name the fields of each struct of
// options.
func optionsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, source := range files {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if makesOption(d) {
					all[""] = append(all[""], d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Options") {
						all[s.Name.Name] = append(all[s.Name.Name], exportedFields(s.Type)...)
					}
				}
			}
		}
	}
	return all
}

// makesOption reports whether a function is exported and returns an option.
func makesOption(d *ast.FuncDecl) bool {
	return d.Recv == nil && d.Name.IsExported() && d.Type.Results.NumFields() == 1 && isOption(d.Type.Results.List[0].Type)
}

// exportedFields returns the names of the exported fields of a struct type.
func exportedFields(typ ast.Expr) (names []string) {
	s, ok := typ.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			if n.IsExported() {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// isOption reports whether a type is named Option, here or in another package.
func isOption(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.HasSuffix(e.Name, "Option") && e.IsExported()
	case *ast.SelectorExpr:
		return isOption(e.Sel)
	}
	return false
}
