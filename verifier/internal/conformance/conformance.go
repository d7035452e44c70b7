// Package conformance fetches test vectors that others publish, for tests that
// hold this library against them. No vector is kept in the repository.
package conformance

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Wycheproof is the module with the vectors of https://github.com/C2SP/wycheproof,
// and its version.
const Wycheproof = "github.com/C2SP/wycheproof@v0.0.0-20250901140545-b51abcfb8daf"

// fetched returns the folder of the vectors, or why they cannot be fetched. It goes
// through the Go module proxy, so that GOPROXY, GOFLAGS and the module cache count.
var fetched = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", Wycheproof)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	cmd.Dir = os.TempDir() // outside of any module
	out, err := cmd.Output()
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", err
	}
	return filepath.Join(module.Dir, "testvectors_v1"), nil
})

// File is a file of vectors of which the groups are a G.
type File[G any] struct {
	NumberOfTests int
	TestGroups    []G
}

// Vectors reads a file of vectors. It skips the test where they cannot be fetched,
// and fails it if that must not be (WYCHEPROOF=required).
func Vectors[G any](t *testing.T, name string) File[G] {
	t.Helper()
	if testing.Short() {
		t.Skip("the vectors of Wycheproof are a download of 28 MB")
	}
	dir, err := fetched()
	if err != nil {
		if os.Getenv("WYCHEPROOF") == "required" {
			t.Fatalf("the vectors of Wycheproof cannot be fetched: %v", err)
		}
		t.Skipf("the vectors of Wycheproof cannot be fetched: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var file File[G]
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.NumberOfTests == 0 || len(file.TestGroups) == 0 {
		t.Fatalf("%s has no vectors: its format is another", name)
	}
	return file
}
