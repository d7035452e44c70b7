package googollee

import "testing"

// TestAttachment: what is a placeholder of an attachment.
func TestAttachment(t *testing.T) {
	attachments := [][]byte{[]byte("a"), []byte("b")}
	for _, row := range []struct {
		v    any
		want string // "" for none
	}{
		{map[string]any{"_placeholder": true, "num": 0.0}, "a"},
		{map[string]any{"_placeholder": true, "num": 1.0}, "b"},
		{map[string]any{"_placeholder": true, "num": 2.0}, ""},
		{map[string]any{"_placeholder": true, "num": -1.0}, ""},
		{map[string]any{"_placeholder": true, "num": 0.5}, ""},
		{map[string]any{"_placeholder": true, "num": "0"}, ""},
		{map[string]any{"_placeholder": true}, ""},
		{map[string]any{"_placeholder": false, "num": 0.0}, ""},
		{map[string]any{"num": 0.0}, ""},
		{"text", ""},
		{nil, ""},
	} {
		got, ok := attachment(row.v, attachments)
		if string(got) != row.want || ok != (row.want != "") {
			t.Errorf("%v: got %q, %v", row.v, got, ok)
		}
	}
}
