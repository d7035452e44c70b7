package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProviders runs the programs of the providers' page against fake providers with
// the shapes of the real ones, and checks that each row of its table has a program.
func TestProviders(t *testing.T) {
	page := pages(t)[filepath.Join("docs", "providers.md")]
	tests := read(t, filepath.Join("testdata", "providers_test.go"))
	files := map[string]string{"providers_test.go": tests}
	programs := 0
	for _, block := range goBlock.FindAllStringSubmatch(page, -1) {
		files[block[1]] = block[2]
		m := regexp.MustCompile(`(?m)^func (\w+)\(o \.\.\.jwks\.Option\)`).FindStringSubmatch(block[2])
		if m == nil {
			t.Errorf("%s has no verifier", block[1])
			continue
		}
		programs++
		if !strings.Contains(tests, "\n\t\""+m[1]+"\":") {
			t.Errorf("no test runs the program %s", m[1])
		}
	}
	if rows := regexp.MustCompile(`(?m)^\| \[`).FindAllString(page, -1); len(rows) != programs || programs < 25 {
		t.Errorf("the table has %d rows, and there are %d programs", len(rows), programs)
	}
	t.Run("programs", func(t *testing.T) { runProgram(t, files) })
}
