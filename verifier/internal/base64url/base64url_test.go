package base64url

import (
	"encoding/base64"
	"strings"
	"testing"
)

// FuzzBase64 holds the decoder against the one of the standard library, whose
// strict mode differs only in line breaks: it passes over them.
func FuzzBase64(f *testing.F) {
	for _, s := range []string{
		"", "e", "eyI", "eyJ9", "eyJhbGciOiJIUzI1NiJ9", "AA", "AB", "AAA", "AAB", "QQ==", "Q Q", "Q\nQ", "eyJh\r\neyJh",
		"+/+/", "-_-_", "AAAAAAAA\x80", "AAAAAAA\xff", strings.Repeat("abcdefgh", 100) + "abc",
	} {
		f.Add(s)
	}
	strict := base64.RawURLEncoding.Strict()
	f.Fuzz(func(t *testing.T, s string) {
		want, err := strict.DecodeString(s)
		good := err == nil && !strings.ContainsAny(s, "\r\n")
		dirty := make([]byte, len(s)%100)
		got, ok := Decode(dirty, s)
		if ok != good {
			t.Fatalf("Decode(%q) says %t, want %t", s, ok, good)
		}
		if ok && string(got) != string(want) {
			t.Fatalf("Decode(%q) = %q, want %q", s, got, want)
		}
	})
}
