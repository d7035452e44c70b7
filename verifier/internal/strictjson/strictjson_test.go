package strictjson

import (
	"strings"
	"testing"
)

// TestSkipPlain: every byte, at every place of a word and behind it.
func TestSkipPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("\x80", at) + string([]byte{byte(c)}) + strings.Repeat("\"", 20)
			want := at
			if c >= ' ' && c != '"' && c != '\\' {
				want++
			}
			if got := skipPlain(s, 0); got != want {
				t.Errorf("skipPlain(%q) = %d, want %d", s, got, want)
			}
			if got := skipPlain(s[:at+1], 0); got != want {
				t.Errorf("skipPlain(%q) = %d, want %d", s[:at+1], got, want)
			}
		}
	}
}
