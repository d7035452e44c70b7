package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/promsocketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// sources are the files that are not tests of the packages that users import.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := make(map[string]*ast.File)
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "socketio/interop") {
			continue
		}
		paths, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			if files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// TestReasons: every reason in the code is in the table of operations.md, once,
// and every reason there is in the code. What it says of codes and messages is in
// the code too.
func TestReasons(t *testing.T) {
	page := read(t, "operations.md")
	_, table, _ := strings.Cut(page, "\n## What each reason means\n")
	reasons, words, text := stringsOf(sources(t))
	if len(reasons) < 40 {
		t.Fatalf("the code has %d reasons: the search is broken", len(reasons))
	}
	there := make(map[string]bool)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || !strings.Contains(cells[0], "`") {
			continue
		}
		reason := strings.Trim(cells[0], " `")
		if there[reason] {
			t.Errorf("%s is in the table twice", reason)
		}
		there[reason] = true
		if !reasons[reason] {
			t.Errorf("%s is in the table, and no reason", reason)
		}
		for _, code := range quoted(cells[1]) {
			if !words[code] {
				t.Errorf("%s: the code %q is not in the sources", reason, code)
			}
		}
		for _, message := range quoted(cells[2]) {
			if !hasParts(text, message) {
				t.Errorf("%s: the message %q is not in the sources", reason, message)
			}
		}
		if strings.TrimSpace(cells[3]) == "" || strings.TrimSpace(cells[4]) == "" {
			t.Errorf("%s: the table does not say whether to retry, or who acts", reason)
		}
	}
	for reason := range reasons {
		if !there[reason] {
			t.Errorf("%s is a reason, and not in the table", reason)
		}
	}
}

// stringsOf returns the strings of some files: the reasons, all of them, and all of them
// as one text.
func stringsOf(files map[string]*ast.File) (reasons, words map[string]bool, text string) {
	reasons, words = make(map[string]bool), make(map[string]bool)
	var all strings.Builder
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if typeName(n.Type) == "Reason" && len(n.Values) == 1 {
					if l, ok := n.Values[0].(*ast.BasicLit); ok {
						word, _ := strconv.Unquote(l.Value)
						reasons[word] = true
					}
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					s, _ := strconv.Unquote(n.Value)
					words[s] = true
					all.WriteString(s + "\n")
				}
			}
			return true
		})
	}
	return reasons, words, all.String()
}

// typeName returns the name of a type without its package, "" if it has none.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// hasParts reports whether a text has all parts of a message that "…" separates.
func hasParts(text, message string) bool {
	for part := range strings.SplitSeq(message, "…") {
		if !strings.Contains(text, strings.TrimSpace(part)) {
			return false
		}
	}
	return true
}

var code = regexp.MustCompile("`([^`]+)`")

// quoted returns what a cell of a table has between backquotes.
func quoted(cell string) (all []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestMetrics: the metrics of operations.md are those of the code, in the table
// and in the alerts.
func TestMetrics(t *testing.T) {
	descs := make(chan *prometheus.Desc, 100)
	for _, c := range []prometheus.Collector{
		promsocketio.New(), promsocketio.Keys("", new(jwks.Provider)), promsocketio.Introspection("", new(introspection.Client)),
		promsocketio.TokenCache("", new(verifier.Verifier)), promsocketio.Registry("", socketio.NewRegistry(nil)),
	} {
		c.Describe(descs)
	}
	close(descs)
	name := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	var metrics []string
	for d := range descs {
		metrics = append(metrics, name.FindStringSubmatch(d.String())[1])
	}
	page := read(t, "operations.md")
	_, table, _ := strings.Cut(page, "\n## Metrics\n")
	table, alerts, _ := strings.Cut(table, "\n### Alerts\n")
	var there []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(socketio_jwt_[a-z_]+)").FindAllStringSubmatch(table, -1) {
		there = append(there, m[1])
	}
	slices.Sort(metrics)
	slices.Sort(there)
	if !slices.Equal(metrics, there) {
		t.Errorf("the table has\n\t%q\nthe code has\n\t%q", there, metrics)
	}
	found := 0
	for _, m := range regexp.MustCompile(`socketio_jwt_[a-z_]+`).FindAllString(alerts, -1) {
		found++
		if !slices.Contains(metrics, strings.TrimSuffix(m, "_bucket")) {
			t.Errorf("an alert is about %s, which is not a metric", m)
		}
	}
	if found < 8 {
		t.Errorf("the alerts name %d metrics", found)
	}
}
