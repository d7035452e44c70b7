// Package docs holds the tests of what is written here and in the README: that
// snippets compile, links resolve and the import rules hold.
package docs

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/seed15b1dee8/socketio-jwt"

// pages are the documents, by their path from the repository's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/README.md"} {
		paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			pages[strings.TrimPrefix(p, ".."+string(filepath.Separator))] = read(t, p)
		}
	}
	if _, ok := pages["README.md"]; !ok {
		t.Fatalf("the README is not among the pages: %d found", len(pages))
	}
	return pages
}

// goBlock is a Go snippet. One that has a name, "```go main.go", is a file of the
// program of its page.
var goBlock = regexp.MustCompile("(?ms)^```go *(\\S*)\n(.*?)^```$")

// TestSnippets compiles every Go snippet, which must be a whole program or a file
// of its page's, against this tree, and runs those that are tests.
func TestSnippets(t *testing.T) {
	programs := 0
	for page, text := range pages(t) {
		named := make(map[string]string) // the files of the program that spans the page
		for _, block := range goBlock.FindAllStringSubmatch(text, -1) {
			name, source := block[1], block[2]
			if !strings.HasPrefix(source, "package ") {
				t.Errorf("%s: a Go snippet is not a whole program, so that nothing compiles it:\n%s", page, source)
				continue
			}
			if formatted, err := format.Source([]byte(source)); err != nil || string(formatted) != source {
				t.Errorf("%s: a Go snippet is not formatted: %v\n%s", page, err, source)
			}
			programs++
			switch {
			case name != "":
				named[name] = source
			case strings.Contains(source, "\"testing\""):
				t.Run(page, func(t *testing.T) { runProgram(t, map[string]string{"snippet_test.go": source}) })
			default:
				t.Run(page, func(t *testing.T) { runProgram(t, map[string]string{"main.go": source}) })
			}
		}
		// Tests of the page's program that would not help its readers.
		more := filepath.Join("testdata", strings.TrimSuffix(filepath.Base(page), ".md")+"_snippets_test.go")
		if text, err := os.ReadFile(more); err == nil {
			named[filepath.Base(more)] = string(text)
		}
		if len(named) > 0 {
			t.Run(page, func(t *testing.T) { runProgram(t, named) })
		}
	}
	if programs == 0 {
		t.Error("no snippet was found")
	}
}

// runProgram compiles a program of these files and runs its tests, if it has any.
func runProgram(t *testing.T, files map[string]string) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := strings.Replace(read(t, "../go.mod"), "module "+module, "module snippet", 1) +
		"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + root + "\n"
	write(t, filepath.Join(dir, "go.mod"), mod)
	write(t, filepath.Join(dir, "go.sum"), read(t, "../go.sum"))
	args := []string{"vet", "-mod=mod", "./..."}
	for name, source := range files {
		write(t, filepath.Join(dir, name), source)
		if strings.HasSuffix(name, "_test.go") {
			args = []string{"test", "-mod=mod", "-v", "./..."} // which vets, too
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	// Tests of which none runs show nothing.
	if err != nil || args[0] == "test" && !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	title  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	marks  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)|[^\p{L}\p{N}_ -]`)
)

// anchors are the headings of a page, as GitHub names them in links.
func anchors(page string) map[string]bool {
	all := make(map[string]bool)
	for _, m := range title.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		name := strings.ReplaceAll(strings.ToLower(marks.ReplaceAllString(m[1], "$1")), " ", "-")
		for n := 1; all[name]; n++ {
			name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", n-1)), n)
		}
		all[name] = true
	}
	return all
}

// TestLinks checks that every relative link leads to a file, and to a heading if it has an
// anchor. Links of the Go sources to pages of docs count too.
func TestLinks(t *testing.T) {
	all, found := pages(t), 0
	check := func(from, dir, to string) {
		target, anchor, _ := strings.Cut(to, "#")
		path := filepath.Join(dir, target)
		if target == "" {
			path = from
		}
		if _, err := os.Stat(filepath.Join("..", path)); err != nil {
			t.Errorf("%s links to %s, which is not there", from, to)
		} else if anchor != "" {
			found++
			if page, ok := all[path]; !ok || !anchors(page)[anchor] {
				t.Errorf("%s links to %s: %s has no such heading", from, to, path)
			}
		}
	}
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if !strings.Contains(m[1], "://") {
				check(page, filepath.Dir(page), m[1])
			}
		}
	}
	inSource := regexp.MustCompile(`\bdocs/[\w-]+\.md(?:#[\w-]+)?`)
	for name, text := range files(t, ".go", ".mjs", ".js", ".html", ".ts", ".yml", ".conf") {
		if name == "docs/docs_test.go" {
			continue
		}
		for _, to := range inSource.FindAllString(text, -1) {
			check(name, "", to)
		}
	}
	if found < 50 {
		t.Errorf("%d links with an anchor: the search is broken", found)
	}
}

// TestIndex checks that docs/README.md links to every page beside it.
func TestIndex(t *testing.T) {
	all := pages(t)
	index := all[filepath.Join("docs", "README.md")]
	for page := range all {
		dir, name := filepath.Split(page)
		if dir == "docs"+string(filepath.Separator) && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not link to %s", name)
		}
	}
}

// TestExamples checks that the list of the examples has them all.
func TestExamples(t *testing.T) {
	list := pages(t)[filepath.Join("examples", "README.md")]
	programs, err := filepath.Glob("../examples/*/main.go")
	if err != nil || len(programs) < 5 {
		t.Fatalf("%d examples: %v", len(programs), err)
	}
	for _, p := range programs {
		name := filepath.Base(filepath.Dir(p))
		if !strings.Contains(list, "| ["+name+"]("+name+") |") {
			t.Errorf("examples/README.md does not list %s", name)
		}
	}
}

// TestCommands checks that the README gives the two commands, and that the
// first of them still exists; .ci/run runs both.
func TestCommands(t *testing.T) {
	readme := pages(t)["README.md"]
	for _, command := range []string{"    go run ./examples/quickstart\n", "    go test ./...\n"} {
		if !strings.Contains(readme, command) {
			t.Errorf("the README does not give the command %q", strings.TrimSpace(command))
		}
	}
	if _, err := os.Stat("../examples/quickstart/main.go"); err != nil {
		t.Error(err)
	}
	ci := read(t, "../.ci/run")
	for _, command := range []string{`go run "./$d" -once`, "go test -race -timeout 15m -p 3 ./..."} {
		if !strings.Contains(ci, command) {
			t.Errorf(".ci/run does not run %q", command)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFirstServer: the README's first server is as short as it looks.
func TestFirstServer(t *testing.T) {
	first := goBlock.FindStringSubmatch(pages(t)["README.md"])
	if first == nil {
		t.Fatal("the README has no server")
	}
	_, body, _ := strings.Cut(first[len(first)-1], "\nfunc main() {\n")
	body, _, found := strings.Cut(body, "\n}\n")
	if lines := strings.Count(body, "\n") + 1; !found || lines > 15 {
		t.Errorf("main has %d lines", lines)
	}
}
