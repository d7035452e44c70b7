package docs

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// former are names that a page says how to replace.
var former = map[string]bool{
	"verifier.FirstOf": true, "dpop.ErrScheme": true, "zishang.Logger": true,
	"zishang.Harden": true, "zishang.Authorize": true, "zishang.Handler": true,
}

// TestNames: each name of this module's packages that a page mentions exists, in the text and
// in the comments of snippets, which the compiler does not read.
func TestNames(t *testing.T) {
	exists := make(map[string]bool)
	packages := make(map[string]bool)
	declared := regexp.MustCompile(`^(?:func|type|const|var) (\w+)`)
	for line := range strings.Lines(read(t, "api.txt")) {
		name, what, _ := strings.Cut(line, ": ")
		packages[path.Base(name)] = true
		if m := declared.FindStringSubmatch(what); m != nil {
			exists[path.Base(name)+"."+m[1]] = true
		}
	}
	goSocketIO := regexp.MustCompile(`(?ms)^package main\n[^` + "`" + `]*socketio "github.com/googollee/go-socket.io".*?^` + "```$")
	mention := regexp.MustCompile(`\b([a-z][a-z0-9]+)\.([A-Z]\w*)`)
	found := 0
	for page, text := range pages(t) {
		for _, m := range mention.FindAllStringSubmatch(goSocketIO.ReplaceAllString(text, ""), -1) {
			if !packages[m[1]] || regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)`).MatchString(m[2]) {
				continue
			}
			if found++; !exists[m[0]] && !former[m[0]] {
				t.Errorf("%s mentions %s, which does not exist", page, m[0])
			}
		}
	}
	if found < 500 {
		t.Errorf("%d names: the search is broken", found)
	}
}
