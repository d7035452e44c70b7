package docs

import (
	"strings"
	"testing"
)

// TestLimits: each row of limits.md names tests that there are.
func TestLimits(t *testing.T) {
	there := tests(t)
	rows := 0
	for line := range strings.Lines(read(t, "limits.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.Contains(line, "---") || strings.TrimSpace(cells[3]) == "shown by" {
			continue
		}
		rows++
		names := named.FindAllStringSubmatch(cells[3], -1)
		if len(names) == 0 {
			t.Errorf("no test: %s", line)
		}
		for _, name := range names {
			if _, ok := there[name[1]]; !ok {
				t.Errorf("%s is not a test: %s", name[1], line)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows: the table has another form", rows)
	}
}
