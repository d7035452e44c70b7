package docs

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

// TestAPITable: what the table of the Socket.IO API in migration.md calls exists.
func TestAPITable(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "migration.md"), "\n## The Socket.IO API\n")
	section, _, _ = strings.Cut(section, "\n## ")
	columns := []map[string]reflect.Type{2: {
		"n":      reflect.TypeFor[*googollee.Namespace](),
		"c":      reflect.TypeFor[*googollee.Conn](),
		"server": reflect.TypeFor[*googollee.Server](),
	}, 3: {
		"n":      reflect.TypeFor[socket.Namespace](),
		"s":      reflect.TypeFor[*socket.Socket](),
		"server": reflect.TypeFor[*zishang.Server](),
	}}
	call := regexp.MustCompile(`\b(n|c|s|server)\.([A-Z]\w*)`)
	found := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for i, types := range columns {
			for _, m := range call.FindAllStringSubmatch(cells[i], -1) {
				if types[m[1]] == nil || !slices.Contains(methods(types[m[1]]), m[2]) {
					t.Errorf("%s does not exist:\n%s", m[0], line)
				}
				found++
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d calls were found", found)
	}
}

func methods(t reflect.Type) (names []string) {
	for m := range t.Methods() {
		names = append(names, m.Name)
	}
	return names
}
