package clientjs_test

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

var (
	//go:embed testdata/types/package.json
	typesPackage []byte
	//go:embed testdata/types/package-lock.json
	typesLock []byte
)

var (
	found  = regexp.MustCompile(`(?m)^(\w+\.ts)\((\d+),\d+\): error (TS\d+)`)
	wanted = regexp.MustCompile(`// (TS\d+)$`)
)

// TestTypes has the TypeScript compiler check the declarations: uses that must compile,
// and uses that must not, each with its error.
func TestTypes(t *testing.T) {
	installed, err := npm.Install("types", typesPackage, typesLock)
	npm.Check(t, err)
	dir := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("client.mjs", clientjs.Module())
	write("client.d.mts", clientjs.Types())
	var want []string
	for _, name := range []string{"good.ts", "bad.ts", "script.ts"} {
		content, err := os.ReadFile(filepath.Join("testdata", "types", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, content)
		for i, line := range strings.Split(string(content), "\n") {
			if code := wanted.FindStringSubmatch(line); code != nil {
				want = append(want, place(name, i+1, code[1]))
			}
		}
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	compile := func(resolution ...string) {
		t.Helper()
		args := append([]string{filepath.Join(installed, "node_modules", "typescript", "bin", "tsc"),
			"--noEmit", "--strict", "--pretty", "false", "--target", "es2022", "--lib", "es2022,dom", "--moduleDetection", "legacy"}, resolution...)
		cmd := exec.Command("node", append(args, "client.d.mts", "good.ts", "bad.ts", "script.ts")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		var got []string
		for _, m := range found.FindAllSubmatch(out, -1) {
			got = append(got, string(m[1])+":"+string(m[2])+" "+string(m[3]))
		}
		slices.Sort(got)
		slices.Sort(want)
		if err == nil || len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%v: the compiler reports\n%q, want\n%q\n%s", resolution, got, want, out)
		}
	}
	compile("--module", "nodenext")
	compile("--module", "esnext", "--moduleResolution", "bundler")
}

func place(name string, line int, code string) string {
	return name + ":" + strconv.Itoa(line) + " " + code
}
