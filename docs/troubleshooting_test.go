package docs

import (
	"slices"
	"strings"
	"testing"
)

// clientWords are what socket.io-client 4.8.4 says, in "connect_error" and "disconnect", and
// what is not a message.
var clientWords = []string{
	"xhr poll error", "xhr post error", "websocket error", "timeout",
	"io server disconnect", "transport close", "ping timeout", "disconnect",
	"unauthorized", "connect", "/chat",
	"login_required", // of the client helper
}

// TestTroubleshooting: each message that troubleshooting.md quotes as a symptom is one of the
// library's, or of the client's.
func TestTroubleshooting(t *testing.T) {
	reasons, words, text := stringsOf(sources(t))
	rows, quotes := 0, 0
	for line := range strings.Lines(read(t, "troubleshooting.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| symptom") {
			continue
		}
		rows++
		for _, said := range quoted(cells[0]) {
			quotes++
			message, expected := strings.CutSuffix(said, " X") // "expected: X"
			if !slices.Contains(clientWords, said) && !reasons[said] && !words[said] && !strings.Contains(text, message+"\n") && !(expected && strings.Contains(text, message)) {
				t.Errorf("neither the library nor a client says %q: %s", said, line)
			}
		}
	}
	if rows < 20 || quotes < 30 {
		t.Errorf("%d rows with %d messages: the search is broken", rows, quotes)
	}
}
