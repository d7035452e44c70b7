package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestGrammar: a text is a value exactly where encoding/json takes it for one.
func TestGrammar(t *testing.T) {
	pieces := strings.Split(`" \ u 00 d83d { } [ ] : , 0 7 - . e E + true null "a" "b": \n a F g / \" 19 9`, " ")
	pieces = append(pieces, " ")
	check := func(text string) {
		if strings.TrimSpace(text) != text || text == "" {
			return // white space around a value is the caller's affair
		}
		end, err := SkipValue(text, 0, 0)
		if got := err == nil && end == len(text); got != json.Valid([]byte(text)) {
			t.Errorf("%q: a value %v, its end is %d of %d (%v)", text, got, end, len(text), err)
		}
	}
	for _, a := range pieces {
		check(a)
		for _, b := range pieces {
			check(a + b)
			for _, c := range pieces {
				check(a + b + c)
				for _, d := range pieces {
					check(a + b + c + d)
				}
			}
		}
	}
	for c := range 128 {
		for _, place := range []string{`"\u~000"`, `"\u0~00"`, `"\u00~0"`, `"\u000~"`, `"\~"`, `"1234567~"`, `"12345678~9"`, `"~"`} {
			check(strings.Replace(place, "~", string(rune(c)), 1))
		}
	}
	for _, text := range []string{`"\u00`, `"\u0000`, `"\u000`, `"\`, `"`, `{"a"`, `{"a":`, `{"a":1`, `[1`, `[1,`, `-`, `1.`, `1e`, `1e+`, `tru`} {
		check(text)
	}
}

// TestHalves: half a surrogate pair is distinguished from a pair, wherever it stands.
func TestHalves(t *testing.T) {
	for text, want := range map[string]bool{
		`""`: false, `"a"`: false, `"\u0041"`: false, `"\ud83d\ude00"`: false, `"x\ud83d\ude00\u0041"`: false, `"\\ud83d"`: false, `"\n\ud83d\ude00"`: false,
		`"\ud83d"`: true, `"\ude00"`: true, `"\ud83d\ud83d"`: true, `"\ud83dx"`: true, `"\ud83d\n"`: true, `"\ud83d\u0041"`: true, `"\ud83d\ude00\ud83d"`: true,
		`"\ud83d\\ude00"`: true, `"\ud83dude00  "`: true,
	} {
		if got := Halves(text); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}
