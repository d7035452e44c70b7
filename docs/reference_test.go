package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestReference: reference.md has a section for each package, and the names in it exist.
func TestReference(t *testing.T) {
	page := read(t, "reference.md")
	exists := make(map[string]string) // what a package exports
	for line := range strings.Lines(read(t, "api.txt")) {
		name, what, _ := strings.Cut(line, ": ")
		exists[name] += what
	}
	quoted := regexp.MustCompile("`([A-Z]\\w*)(?:\\.([A-Z]\\w*))?`")
	for name, exported := range exists {
		_, section, found := strings.Cut(page, "\n## "+name+"\n")
		if !found {
			t.Errorf("reference.md has no section %q", name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		if !strings.Contains(section, "(https://pkg.go.dev/"+module+"/"+name+")") {
			t.Errorf("the section %q does not link to the documentation", name)
		}
		if anchor := "(#" + strings.NewReplacer("/", "").Replace(name) + ")"; !strings.Contains(page, anchor) {
			t.Errorf("the table does not link to %s", anchor)
		}
		for _, m := range quoted.FindAllStringSubmatch(section, -1) {
			pattern := `(?m)^(func|type) ` + m[1] + `\b`
			if m[2] != "" {
				pattern = `(?m)^func \(\w+ \*?` + m[1] + `\) ` + m[2] + `\b`
			}
			if !regexp.MustCompile(pattern).MatchString(exported) {
				t.Errorf("%s has no %s", name, m[0])
			}
		}
	}
}
