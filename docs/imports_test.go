package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list tells of a package.
type listed struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// allowed says which of our packages each may import. A package below another
// has its parent's rights, unless it is named itself. Examples may import all.
var allowed = map[string][]string{
	"verifier":              {"verifier/internal"},
	"verifier/verifiertest": {"verifier"},
	// Its tests load keys as a server does.
	"verifier/internal/conformance": {"verifier", "keys"},
	"keys":                          {"verifier"},
	"jwks":                          {"verifier", "keys"},
	"socketio":                      {"verifier"},
	"socketio/googollee":            {"verifier", "socketio", "socketio/cluster", "socketio/internal/engine", "socketio/internal/binding"},
	"socketio/redisstore":           {"socketio", "socketio/cluster", "socketio/internal/outage"},
	"socketio/cluster":              {"verifier"},
	"socketio/internal":             measured,
	// The engine knows neither tokens nor server libraries.
	"socketio/internal/engine":    {"socketio/internal/flood", "socketio/internal/tasks"},
	"socketio/internal/binding":   {"verifier", "socketio", "socketio/internal/engine", "socketio/internal/tasks"},
	"socketio/internal/rawclient": {},
	"socketio/promsocketio":       measured,
	"socketio/otelsocketio":       measured,
	"socketio/clientjs":           {},
	"socketio/sockettest":         {"verifier", "socketio", "socketio/cluster"},
	"socketio/bindingtest":        {"verifier", "verifier/verifiertest", "socketio", "socketio/internal/rawclient"},
	"socketio/zishang":            {"verifier", "socketio", "socketio/cluster", "socketio/internal/engine", "socketio/internal/binding"},
	"socketio/interop":            {"verifier", "keys", "socketio", "socketio/googollee", "socketio/zishang"},
	"docs":                        {},
	"socketio/signals":            {"verifier", "socketio"},
	"socketio/httpauth":           {"verifier", "socketio"},
	"socketio/tickets":            {"verifier", "socketio", "socketio/httpauth"},
}

// measured is what the packages that measure read, and what they share.
var measured = []string{"verifier", "verifier/introspection", "jwks", "socketio", "socketio/internal/metric"}

// owners says who may import a library that must not spread.
var owners = map[string][]string{
	"github.com/lestrrat-go/jwx/v2":         {"verifier", "keys"},
	"github.com/googollee/go-socket.io":     {"socketio/googollee", "socketio/interop"},
	"github.com/zishang520/socket.io":       {"socketio/zishang", "socketio/interop"},
	"github.com/hashicorp/golang-lru/v2":    {"verifier", "jwks", "socketio"},
	"github.com/gorilla/websocket":          {"socketio/internal/engine", "socketio/internal/rawclient", "socketio/interop"},
	"github.com/golang-jwt/jwt/v5":          {},
	"github.com/redis/go-redis/v9":          {"socketio/redisstore"},
	"github.com/prometheus/client_golang":   {"socketio/promsocketio"},
	"go.opentelemetry.io/otel":              {"socketio/otelsocketio"},
	"github.com/auth0/go-jwt-middleware/v2": {},
}

// TestImports holds the import rules of architecture.md.
func TestImports(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "examples/") {
			continue
		}
		rights, parent, ok := rightsOf(name)
		if !ok {
			t.Errorf("%s is in no place that holds code: see allowed", name)
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module+"/"); ok && !below(ours, parent) && !slices.Contains(rights, ours) {
				t.Errorf("%s may not import %s", name, ours)
			}
			for library, who := range owners {
				if below(i, library) && !slices.ContainsFunc(who, func(w string) bool { return below(name, w) }) {
					t.Errorf("%s may not import %s: only %v may", name, i, who)
				}
			}
		}
		// Tests and test kits may use the test kits too; nothing else of ours may.
		kits := []string{"verifier/verifiertest", "socketio/sockettest", "socketio/bindingtest", "socketio/cluster/clustertest"}
		for _, kit := range kits {
			if slices.Contains(p.Imports, module+"/"+kit) && !slices.Contains(kits, name) {
				t.Errorf("%s imports %s outside of its tests", name, kit)
			}
		}
	}
}

// TestNobodyPaysForMetrics: who imports neither of the packages that measure does
// not build the libraries that they need.
func TestNobodyPaysForMetrics(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./verifier/...", "./keys", "./jwks", "./socketio", "./socketio/googollee", "./socketio/zishang", "./socketio/redisstore")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"/socketio/zishang") {
		t.Fatalf("go list found %d packages, and not ours", len(deps))
	}
	for _, p := range deps {
		if below(p, "github.com/prometheus") || below(p, "go.opentelemetry.io") {
			t.Errorf("%s is built for everybody", p)
		}
	}
}

// TestJWXIsContained: moving to another major version of jwx must stay a change
// of a handful of files.
func TestJWXIsContained(t *testing.T) {
	files := make(map[string]bool)
	for _, p := range list(t) {
		paths, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range paths {
			if !strings.HasSuffix(f, "_test.go") && strings.Contains(read(t, f), `"github.com/lestrrat-go/jwx/`) {
				files[f] = true
			}
		}
	}
	if len(files) == 0 || len(files) > 5 {
		t.Errorf("jwx is imported in %d files, want 1 to 5: %v", len(files), files)
	}
}

// rightsOf returns what the package may import, and the package it stands below.
func rightsOf(name string) (rights []string, parent string, ok bool) {
	for parent = name; parent != "."; parent = filepath.Dir(parent) {
		if rights, ok = allowed[parent]; ok {
			return rights, parent, true
		}
	}
	return nil, "", false
}

func below(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}
