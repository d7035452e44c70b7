package socketio

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are the files of the package, lowest first. A file names only what its own
// layer or a lower one declares, so that the package reads from the first layer to the
// last. Sessions and the registry share a layer: a session stands in the registry's rings.
var layers = [][]string{
	{"doc", "reasons", "refusal", "payload", "logger", "clock"},
	{"session", "pass", "identity", "decisions", "rooms", "registry", "users", "revocation", "revocations",
		"store", "follow", "presence", "reservation", "probe", "drain", "logout"},
	{"options", "options_live", "authenticator", "observer", "audit", "policy", "pattern", "failures", "shared"},
	{"authorizer", "callback", "verify", "decide", "roomtoken", "sweep", "waiting"},
	{"guard", "socket", "attempt", "ending", "expiry", "permit"},
}

// TestLayers: no file names what a higher layer declares, and every file has a layer.
func TestLayers(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]*ast.File)
	declared := make(map[string]int) // the layer of a name
	layerOf := func(name string) int {
		return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, name) })
	}
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".go")
		if strings.HasSuffix(name, "_test") {
			continue
		}
		layer := layerOf(name)
		if layer < 0 {
			t.Errorf("%s is in no layer", path)
			continue
		}
		// Without SkipObjectResolution the parser collects what a file does not declare.
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
		for object := range file.Scope.Objects {
			declared[object] = layer
		}
	}
	for name, file := range files {
		for _, id := range file.Unresolved {
			if layer, ok := declared[id.Name]; ok && layer > layerOf(name) {
				t.Errorf("%s.go names %s, which a higher layer declares", name, id.Name)
			}
		}
	}
}
