package docs

import (
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLimits: each row of limits.md names tests that there are.
func TestLimits(t *testing.T) {
	there := tests(t)
	rows := 0
	for line := range strings.Lines(read(t, "limits.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		shown := cells[len(cells)-1]
		if len(cells) < 4 || strings.Contains(line, "---") || strings.TrimSpace(shown) == "shown by" {
			continue
		}
		rows++
		names := named.FindAllStringSubmatch(shown, -1)
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

// TestFigures: the figures of limits.md are those of the sources.
func TestFigures(t *testing.T) {
	const config, zishang = "internal/engine/config.go", "zishang/options.go"
	page := read(t, "limits.md")
	for _, row := range []struct {
		begins, figure string // of a row of the page
		file, pattern  string // the source, and the expression in it
		unit           int64  // of the figure
	}{
		{"opens a connection", "10 s", config, `"HandshakeTimeout", .*, (.+)\),`, int64(time.Second)},
		{"opens a connection", "5 s", "options.go", `DefaultTimeout += (.+)`, int64(time.Second)},
		{"stays after", "5 s,", config, `"RefusalDelay", .*, (.+)\),`, int64(time.Second)},
		{"stays after", "5 s to", config, `"CloseTimeout", .*, (.+)\),`, int64(time.Second)},
		{"sends a large message before", "20 KiB", config, `DefaultMaxUnauthenticated = (.+)`, 1 << 10},
		{"sends a large message before", "40 KiB", zishang, `maxUnauthenticated = (.+)`, 1 << 10},
		{"sends a large message after", "1 MiB", config, `"MaxMessage", .*, (.+)\),`, 1 << 20},
		{"sends a large message after", "1,000,000 bytes", zishang, `MaxMessage: (\w+),`, 1},
		{"floods the server", "1,000 without", "internal/engine/inbound.go", `maxIdle = (.+)`, 1},
		{"sends faster", "1 MiB", config, `"MaxInbound", .*, (.+)\),`, 1 << 20},
		{"sends faster", "64 calls", "internal/engine/inbound.go", `maxCalls = (.+)`, 1},
		{"does not read", "4 MiB", config, `"MaxOutbound", .*, (.+)\),`, 1 << 20},
		{"does not read", "10 s", config, `"WriteTimeout", .*, (.+)\),`, int64(time.Second)},
		{"sends a POST", "20 s", config, `"ReadTimeout", .*, (.+)\),`, int64(time.Second)},
		{"enters many", "16 at", config, `"MaxNamespaces", .*, (.+)\),`, 1},
		{"enters many", "64;", zishang, `MaxNamespaces: (\w+),`, 1},
		{"never acknowledges", "64 ack", "internal/engine/connect.go", `maxOwnAcks += (\d+)`, 1},
		{"nests JSON", "64 levels", "internal/engine/jsontext.go", `maxDepth = (.+)`, 1},
		{"nests JSON", "64 attachments", config, `"MaxAttachments", .*, (.+)\),`, 1},
		{"presents tokens", "3 in", "options.go", `DefaultMaxAttempts = (.+)`, 1},
		{"presents a long", "16 KiB", "../verifier/options.go", `DefaultMaxTokenLength += (.+)`, 1 << 10},
		{"connections that", "4,096;", config, `"MaxHandshakes", .*, (.+)\),`, 1},
		{"sockets that", "10,000;", "failures.go", `DefaultMaxPending += (.+)`, 1},
		{"forged tokens from", "600 a", "failures.go", `DefaultMaxFailuresPerAddress = (.+)`, 1},
		{"forged tokens in", "30,000 a", "failures.go", `DefaultMaxFailures += (.+)`, 1},
	} {
		if !regexp.MustCompile(`(?m)^\| ` + row.begins + `.*[ |]` + regexp.QuoteMeta(row.figure)).MatchString(page) {
			t.Errorf("limits.md has no row that begins with %q and has %q", row.begins, row.figure)
		}
		m := regexp.MustCompile(row.pattern).FindStringSubmatch(read(t, "../socketio/"+row.file))
		if m == nil {
			t.Errorf("%s has nothing like %s", row.file, row.pattern)
			continue
		}
		number, _, _ := strings.Cut(strings.ReplaceAll(row.figure, ",", ""), " ")
		want, err := strconv.ParseInt(strings.Trim(number, ";"), 10, 64)
		if got := value(t, m[1]); err != nil || got != want*row.unit {
			t.Errorf("%q of limits.md is %d in %s: %s", row.figure, got/row.unit, row.file, m[0])
		}
	}
}

// value evaluates a constant expression of a source.
func value(t *testing.T, expression string) int64 {
	t.Helper()
	expression, _, _ = strings.Cut(expression, "//")
	expression = strings.ReplaceAll(expression, "time.Second", strconv.Itoa(int(time.Second)))
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expression)
	if err != nil || v.Value == nil {
		t.Fatalf("%s: %v", expression, err)
	}
	n, _ := constant.Int64Val(v.Value)
	return n
}
