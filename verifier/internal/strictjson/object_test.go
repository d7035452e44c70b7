package strictjson

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// members reads an object to its end.
func members(text string, loose bool) (pairs []string, err error) {
	o := New(text)
	for o.Loose = loose; o.Next(); {
		pairs = append(pairs, o.Name+"="+o.Value)
	}
	return pairs, o.Err
}

// many has n members, of different names.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	return b.String()
}

func TestObject(t *testing.T) {
	for _, row := range []struct {
		text string
		want string // the members, in angle brackets
		err  error
	}{
		{`{}`, ``, nil},
		{" \t\r\n{ } ", ``, nil},
		{`{"a":1}`, `<a=1>`, nil},
		{" { \"a\" :\n[ 1 , {\"x\" : 2}, [ ] ] ,\t\"b\" : \"\\u0041\" } ", `<a=[ 1 , {"x" : 2}, [ ] ]><b="\u0041">`, nil},
		{`{"a\n\u0041":-1.5e+3}`, "<a\nA=-1.5e+3>", nil},
		{`{"":true,"x":null}`, `<=true><x=null>`, nil},
		{``, ``, ErrNotObject},
		{`[]`, ``, ErrNotObject},
		{`"a":1}`, ``, ErrNotObject},
		{`{`, ``, ErrNotObject},
		{`{,}`, ``, ErrNotObject},
		{`{a:1}`, ``, ErrNotObject},
		{`{"a`, ``, ErrNotObject},
		{`{"a"`, ``, ErrNotObject},
		{`{"a"}`, ``, ErrNotObject},
		{`{"a",1}`, ``, ErrNotObject},
		{`{"a":}`, ``, ErrNotObject},
		{`{"a":1`, `<a=1>`, ErrNotObject},
		{`{"a":1,}`, `<a=1>`, ErrNotObject},
		{`{"a":1]`, `<a=1>`, ErrNotObject},
		{`{"a":1 "b":2}`, `<a=1>`, ErrNotObject},
		{`{"a":1}x`, `<a=1>`, ErrNotObject},
		{`{} {}`, ``, ErrNotObject},
		{"{\"\xff\":1}", ``, errUTF8},
		{"{\"a\":\"\xc3\"}", ``, errUTF8},
	} {
		pairs, err := members(row.text, false)
		got := ""
		for _, p := range pairs {
			got += "<" + p + ">"
		}
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%q: got %s (%v), want %s (%v)", row.text, got, err, row.want, row.err)
		}
	}
}

// TestDuplicate: names that are equal except for their case are two of one name, however
// many there are, whatever their letters, and wherever they stand.
func TestDuplicate(t *testing.T) {
	for _, n := range []int{0, 1, 22, 23, 24, 25, 60} {
		for _, pair := range [][2]string{{"a", "a"}, {"a", "A"}, {"exp", "eXp"}, {"é", "É"}, {"k", "\u212a"}, {"\u017f", "S"}, {"a", `\u0061`}, {"", ""}, {"ς", "σ"}} {
			for _, text := range []string{
				fmt.Sprintf(`{"%s":1,%s"%s":2}`, pair[0], many(n), pair[1]),
				fmt.Sprintf(`{%s"%s":1,"%s":2}`, many(n), pair[0], pair[1]),
			} {
				if _, err := members(text, false); !errors.Is(err, ErrDuplicate) {
					t.Errorf("%q and %q, with %d others: %v", pair[0], pair[1], n, err)
				}
				if pairs, err := members(text, true); err != nil || len(pairs) != n+2 {
					t.Errorf("%q and %q, with %d others, where that is allowed: %d members, %v", pair[0], pair[1], n, len(pairs), err)
				}
			}
		}
		// Other names are not: these differ in a bit or in the order of their bytes.
		text := `{` + many(n) + `"ab":1,"ba":2,"[":3,"{":4,"é":5,"è":6,"@":7,"` + "`" + `":8}`
		if pairs, err := members(text, false); err != nil || len(pairs) != n+8 {
			t.Errorf("%d different names: %d members, %v", n+8, len(pairs), err)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{"": "", "aBZ": "abz", "É": "é", "\u212a": "k", "\u017fA": "sa", "\x7f": "\x7f"} {
		if got := Fold(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestDepth: values nest up to MaxDepth, the object itself included.
func TestDepth(t *testing.T) {
	for _, brackets := range []string{"[]", `{"a":}`} {
		opening, closing := brackets[:len(brackets)-1], brackets[len(brackets)-1:]
		nested := func(n int) string { return strings.Repeat(opening, n) + "1" + strings.Repeat(closing, n) }
		if _, err := members(`{"x":`+nested(MaxDepth-1)+`}`, false); err != nil {
			t.Errorf("%s: %v", brackets, err)
		}
		if _, err := members(`{"x":`+nested(MaxDepth)+`}`, false); !errors.Is(err, ErrDepth) {
			t.Errorf("%s, one deeper: %v", brackets, err)
		}
	}
}

func TestString(t *testing.T) {
	for text, want := range map[string]string{`""`: "", `"a"`: "a", `"\u0041\n"`: "A\n", `"\ud83d\ude00"`: "😀", `"a\\"`: `a\`} {
		if got, ok := String(text); !ok || got != want {
			t.Errorf("%s is %q, %v", text, got, ok)
		}
	}
	for _, text := range []string{``, `"`, `1`, `12`, `null`, `["a"]`, `"\ud83d"`, `"\ude00x"`} {
		if got, ok := String(text); ok {
			t.Errorf("%s is %q", text, got)
		}
	}
}
