// Package strictjson reads the members of a JSON object (RFC 8259) strictly: names
// are unique, letter case aside, and the text is UTF-8.
//
// There are two reasons not to use encoding/json for a token's header and claims.
// It keeps the last of two members of the same name, takes a name in another case
// for the same, and replaces broken UTF-8, all of which let two parties read one
// token differently. And it costs more than an HMAC.
package strictjson

import (
	"encoding/json"
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth bounds nesting, so that the recursion that skips a value is bounded.
const MaxDepth = 32

var (
	ErrNotObject = errors.New("not a JSON object (RFC 8259)")
	ErrDuplicate = errors.New("two members have the same name, letter case aside")
	ErrDepth     = errors.New("nested too deeply")
	errUTF8      = errors.New("not UTF-8")
)

// Object iterates over the members of a JSON object. Make it with [New], and call
// Next until it returns false; Err then tells whether the object was good to its
// end.
type Object struct {
	text string
	pos  int
	Err  error

	Name  string // of the current member, unescaped
	Value string // of the current member: its JSON text
	Loose bool   // names need not be unique, and are not compared

	seen    [24]string // names so far; further ones are kept in more
	sums    [24]uint32 // of the names in seen
	count   int
	more    map[string]struct{} // lower-cased names, once there are too many for seen
	started bool
	wide    bool // whether a name with a letter beyond ASCII occurred
}

func New(text string) Object {
	o := Object{text: text}
	if !utf8.ValidString(text) {
		o.Err = errUTF8
	}
	return o
}

// Next advances to the next member. It returns false at the end and on an
// error.
func (o *Object) Next() bool {
	if o.Err != nil {
		return false
	}
	s, i := o.text, SkipSpace(o.text, o.pos)
	before := byte(',')
	if !o.started {
		before = '{'
	} else if at(s, i) == '}' {
		return o.end(i + 1)
	}
	if at(s, i) != before {
		return o.fail(ErrNotObject)
	}
	i = SkipSpace(s, i+1)
	if !o.started {
		o.started = true
		if at(s, i) == '}' {
			return o.end(i + 1)
		}
	}

	end, escaped, ok := SkipString(s, i)
	if !ok {
		return o.fail(ErrNotObject)
	}
	o.Name = s[i+1 : end-1]
	if escaped {
		if o.Name, ok = unescape(s[i:end]); !ok {
			return o.fail(ErrNotObject)
		}
	}
	if !o.Loose && !o.remember(o.Name) {
		return o.fail(ErrDuplicate)
	}
	i = SkipSpace(s, end)
	if at(s, i) != ':' {
		return o.fail(ErrNotObject)
	}
	i = SkipSpace(s, i+1)
	end, err := SkipValue(s, i, 1)
	if err != nil {
		return o.fail(err)
	}
	o.Value, o.pos = s[i:end], end
	return true
}

func (o *Object) fail(err error) bool { o.Err = err; return false }

// end checks that nothing follows the object, which ended before i.
func (o *Object) end(i int) bool {
	if SkipSpace(o.text, i) != len(o.text) {
		o.Err = ErrNotObject
	}
	return false
}

// at returns the byte at s[i], and behind the end 0, which is none of JSON's.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// remember notes a member's name and reports whether it is new, letter case
// aside.
func (o *Object) remember(name string) bool {
	// Names that are equal except for the case of their ASCII letters have one sum
	// (FNV-1a), so that one comparison distinguishes all others.
	sum, all := uint32(2166136261), byte(0)
	for i := range len(name) {
		all |= name[i]
		sum = (sum ^ uint32(name[i]|' ')) * 16777619
	}
	if all >= utf8.RuneSelf {
		o.wide = true
	}
	if o.more == nil {
		for i, s := range o.sums[:o.count] {
			if (s == sum || o.wide) && strings.EqualFold(o.seen[i], name) {
				return false
			}
		}
		if o.count < len(o.seen) {
			o.seen[o.count], o.sums[o.count] = name, sum
			o.count++
			return true
		}
		o.more = make(map[string]struct{})
		for _, s := range o.seen {
			o.more[Fold(s)] = struct{}{}
		}
	}
	key := Fold(name)
	if _, ok := o.more[key]; ok {
		return false
	}
	o.more[key] = struct{}{}
	return true
}

// Fold maps names that strings.EqualFold holds for equal to one spelling:
// upper-casing first unites the letters that lower-casing keeps apart
// (K and the Kelvin sign, s and the long s).
func Fold(name string) string {
	if !ascii(name) {
		name = strings.ToUpper(name)
	}
	return strings.ToLower(name)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func SkipSpace(s string, i int) int {
	for i < len(s) && s[i] <= ' ' && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

// skipPlain returns where the characters that stand for themselves in a string
// end, from s[i] on. It looks at eight at a time, in each of which the subtraction
// sets the highest bit if it is one that does not; the first is told exactly.
func skipPlain(s string, i int) int {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(s) {
		c := s[i : i+8]
		x := uint64(c[0]) | uint64(c[1])<<8 | uint64(c[2])<<16 | uint64(c[3])<<24 |
			uint64(c[4])<<32 | uint64(c[5])<<40 | uint64(c[6])<<48 | uint64(c[7])<<56
		quote, slash := x^'"'*ones, x^'\\'*ones
		if found := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & highest; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
		i += 8
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// SkipString returns where the string that starts at s[i] ends, and whether it
// has an escape in it.
func SkipString(s string, i int) (end int, escaped, ok bool) {
	if i >= len(s) || s[i] != '"' {
		return 0, false, false
	}
	for i++; ; i++ {
		i = skipPlain(s, i)
		if i >= len(s) {
			return 0, false, false
		}
		if s[i] == '"' {
			return i + 1, escaped, true
		}
		if s[i] != '\\' || i+1 == len(s) {
			return 0, false, false
		}
		escaped = true
		i++
		switch s[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if i+4 >= len(s) || !hex(s[i+1]) || !hex(s[i+2]) || !hex(s[i+3]) || !hex(s[i+4]) {
				return 0, false, false
			}
			i += 4
		default:
			return 0, false, false
		}
	}
}

func hex(c byte) bool {
	return Digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func Digit(c byte) bool { return '0' <= c && c <= '9' }

// SkipValue returns where the value that starts at s[i] ends.
func SkipValue(s string, i, depth int) (int, error) {
	if i >= len(s) {
		return 0, ErrNotObject
	}
	switch c := s[i]; {
	case c == '"':
		if end, _, ok := SkipString(s, i); ok {
			return end, nil
		}
	case c == '{' || c == '[':
		return skipCompound(s, i, depth)
	case c == '-' || Digit(c):
		if end, ok := skipNumber(s, i); ok {
			return end, nil
		}
	default:
		for _, word := range [...]string{"true", "false", "null"} {
			if strings.HasPrefix(s[i:], word) {
				return i + len(word), nil
			}
		}
	}
	return 0, ErrNotObject
}

// skipCompound skips an object or array.
func skipCompound(s string, i, depth int) (int, error) {
	if depth >= MaxDepth {
		return 0, ErrDepth
	}
	named, last := s[i] == '{', byte(']')
	if named {
		last = '}'
	}
	i = SkipSpace(s, i+1)
	if i < len(s) && s[i] == last {
		return i + 1, nil
	}
	for {
		if named {
			end, _, ok := SkipString(s, i)
			if !ok {
				return 0, ErrNotObject
			}
			i = SkipSpace(s, end)
			if i >= len(s) || s[i] != ':' {
				return 0, ErrNotObject
			}
			i = SkipSpace(s, i+1)
		}
		end, err := SkipValue(s, i, depth+1)
		if err != nil {
			return 0, err
		}
		i = SkipSpace(s, end)
		if i >= len(s) {
			return 0, ErrNotObject
		}
		switch s[i] {
		case last:
			return i + 1, nil
		case ',':
			i = SkipSpace(s, i+1)
		default:
			return 0, ErrNotObject
		}
	}
}

// skipNumber returns where the number that starts at s[i] ends: [ minus ] int
// [ frac ] [ exp ] (RFC 8259 §6).
func skipNumber(s string, i int) (end int, ok bool) {
	if s[i] == '-' {
		i++
	}
	if at(s, i) == '0' {
		i++ // no digit may follow a leading zero
	} else if i, ok = skipDigits(s, i); !ok {
		return 0, false
	}
	if at(s, i) == '.' {
		if i, ok = skipDigits(s, i+1); !ok {
			return 0, false
		}
	}
	if c := at(s, i); c == 'e' || c == 'E' {
		i++
		if c := at(s, i); c == '+' || c == '-' {
			i++
		}
		if i, ok = skipDigits(s, i); !ok {
			return 0, false
		}
	}
	return i, true
}

// skipDigits skips the digits at s[i], of which there must be one.
func skipDigits(s string, i int) (end int, ok bool) {
	for end = i; Digit(at(s, end)); end++ {
	}
	return end, end > i
}

// String decodes the JSON text of a string; ok is false for any other
// value.
func String(text string) (s string, ok bool) {
	if len(text) < 2 || text[0] != '"' {
		return "", false
	}
	if !strings.Contains(text, `\`) {
		return text[1 : len(text)-1], true
	}
	s, ok = unescape(text)
	return s, ok && !Halves(text)
}

// unescape decodes the JSON text of a string with escapes in it. It stands
// apart because what it gives to encoding/json goes to the heap.
func unescape(text string) (s string, ok bool) {
	ok = json.Unmarshal([]byte(text), &s) == nil
	return s, ok
}

// Halves reports whether a JSON text, which must be valid, has an escape for one half
// of a surrogate pair without the other, which encoding/json replaces: two strings would become one.
func Halves(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		first, _ := strconv.ParseUint(text[i+1:i+5], 16, 16)
		i += 4
		if !utf16.IsSurrogate(rune(first)) {
			continue
		}
		if !strings.HasPrefix(text[i+1:], `\u`) {
			return true
		}
		second, _ := strconv.ParseUint(text[i+3:i+7], 16, 16)
		if utf16.DecodeRune(rune(first), rune(second)) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}
