package googollee_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	gosio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

// TestMigrationPage: docs/migration.md names each exported method of go-socket.io's
// Server, Conn and Namespace and each of its options in a left column, and what it
// names of ours in the right columns exists.
func TestMigrationPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## From go-socket.io\n")
	if !ok {
		t.Fatal("the page has no section From go-socket.io")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	left := make(map[string]string) // the left columns by their table's heading
	right, heading := "", ""
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 4:
			heading = ""
		case heading == "":
			heading = strings.TrimSpace(cells[1])
		default:
			left[heading] += cells[1]
			right += strings.Join(cells[2:], "|")
		}
	}
	for heading, names := range map[string][]string{
		"`Server`":            methods(reflect.TypeFor[*gosio.Server]()),
		"`Conn`, `Namespace`": append(methods(reflect.TypeFor[gosio.Conn]()), methods(reflect.TypeFor[gosio.Namespace]())...),
		"`engineio.Options`":  fields(reflect.TypeFor[engineio.Options]()),
	} {
		if len(names) < 5 {
			t.Errorf("%s has only %q", heading, names)
		}
		for _, name := range names {
			if !regexp.MustCompile("`" + name + `\b`).MatchString(left[heading]) {
				t.Errorf("the table %s does not name %s", heading, name)
			}
		}
	}
	for prefix, ours := range map[string][]string{
		"c":       methods(reflect.TypeFor[*googollee.Conn]()),
		"n":       methods(reflect.TypeFor[*googollee.Namespace]()),
		"Options": fields(reflect.TypeFor[googollee.Options]()),
	} {
		named := regexp.MustCompile(`\b`+prefix+`\.([A-Z]\w*)`).FindAllStringSubmatch(right, -1)
		if len(named) < 4 {
			t.Errorf("the right columns name only %q of %s", named, prefix)
		}
		for _, m := range named {
			if !strings.Contains(" "+strings.Join(ours, " ")+" ", " "+m[1]+" ") {
				t.Errorf("the page names %s.%s, which does not exist", prefix, m[1])
			}
		}
	}
}

func methods(t reflect.Type) (names []string) {
	for m := range t.Methods() {
		names = append(names, m.Name)
	}
	return names
}

func fields(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() {
			names = append(names, f.Name)
		}
	}
	return names
}
