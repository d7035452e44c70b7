package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of arrays and objects, and so the recursion of compactor.
// Applications send far less.
const maxDepth = 64

// compactor validates one JSON text and copies it without the white space
// between its tokens.
//
// encoding/json is not enough: the library reads packets with its own scanner and
// with encoding/json in turn, and the two disagree on white space, on commas inside an
// event's name, and on what an attachment's placeholder is. Both read the same in the
// output of this type.
type compactor struct {
	src         []byte
	pos         int
	out         []byte
	attachments int
}

var errJSONEnd = errors.New("the JSON text ends too early")

// compactArray validates src, which must be one JSON array and nothing else,
// and appends its compact form to dst. first is the offset in the result just
// behind the array's first element, or 0 when the array is empty. Placeholders
// must refer to one of the packet's attachments.
func compactArray(dst, src []byte, attachments int) (out []byte, first int, err error) {
	c := compactor{src: src, out: dst, attachments: attachments}
	c.space()
	if c.peek() != '[' {
		return nil, 0, errors.New("the data is not a JSON array")
	}
	c.copy(1)
	c.space()
	if c.peek() == ']' {
		c.copy(1)
	} else {
		for {
			if err := c.value(1); err != nil {
				return nil, 0, err
			}
			if first == 0 {
				first = len(c.out)
			}
			more, err := c.next(']')
			if err != nil {
				return nil, 0, err
			}
			if !more {
				break
			}
		}
	}
	c.space()
	if c.pos != len(c.src) {
		return nil, 0, errors.New("data after the end of the JSON array")
	}
	return c.out, first, nil
}

// compactObject does the same for one JSON object.
func compactObject(dst, src []byte) ([]byte, error) {
	c := compactor{src: src, out: dst}
	c.space()
	if c.peek() != '{' {
		return nil, errors.New("the data is not a JSON object")
	}
	if err := c.object(1); err != nil {
		return nil, err
	}
	c.space()
	if c.pos != len(c.src) {
		return nil, errors.New("data after the end of the JSON object")
	}
	return c.out, nil
}

func (c *compactor) peek() byte {
	if c.pos < len(c.src) {
		return c.src[c.pos]
	}
	return 0
}

func (c *compactor) copy(n int) {
	c.out = append(c.out, c.src[c.pos:c.pos+n]...)
	c.pos += n
}

func (c *compactor) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// next reads what follows an element: a comma, or the closing bracket.
func (c *compactor) next(closing byte) (more bool, err error) {
	c.space()
	switch c.peek() {
	case ',':
		c.copy(1)
		return true, nil
	case closing:
		c.copy(1)
		return false, nil
	}
	return false, fmt.Errorf("expected a comma or %q in the JSON text", closing)
}

func (c *compactor) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the JSON text is nested deeper than %d", maxDepth)
	}
	c.space()
	switch b := c.peek(); {
	case b == '"':
		_, err := c.text()
		return err
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	case c.pos >= len(c.src):
		return errJSONEnd
	}
	return errors.New("expected a JSON value")
}

func (c *compactor) literal(word string) error {
	if !bytes.HasPrefix(c.src[c.pos:], []byte(word)) {
		return fmt.Errorf("expected %q in the JSON text", word)
	}
	c.copy(len(word))
	return nil
}

func (c *compactor) array(depth int) error {
	c.copy(1)
	c.space()
	if c.peek() == ']' {
		c.copy(1)
		return nil
	}
	for {
		if err := c.value(depth + 1); err != nil {
			return err
		}
		if more, err := c.next(']'); err != nil || !more {
			return err
		}
	}
}

// object copies an object. If a member has the name of a placeholder's, the object must be
// a complete placeholder. encoding/json, which reads it later, folds the case of names and
// takes the last of two equal ones, so that it could take any other form for a reference
// that this check did not see.
func (c *compactor) object(depth int) error {
	c.copy(1)
	c.space()
	if c.peek() == '}' {
		c.copy(1)
		return nil
	}
	members, flag, num, suspect := 0, false, -1, false
	for more := true; more; {
		name, value, err := c.member(depth)
		if err != nil {
			return err
		}
		members++
		switch {
		case name == "_placeholder":
			suspect = true
			flag = string(value) == "true"
		case strings.EqualFold(name, "_placeholder"):
			suspect, members = true, 3
		case name == "num":
			num = smallNumber(string(value))
		}
		if more, err = c.next('}'); err != nil {
			return err
		}
	}
	if suspect && (members != 2 || !flag || num < 0 || num >= c.attachments) {
		return fmt.Errorf("a placeholder refers to none of the packet's %d attachments", c.attachments)
	}
	return nil
}

// member copies a member of an object, and returns its name, and its value until the
// output grows.
func (c *compactor) member(depth int) (name string, value []byte, err error) {
	c.space()
	if c.peek() != '"' {
		return "", nil, errors.New("expected a name in the JSON object")
	}
	raw, err := c.text()
	if err != nil {
		return "", nil, err
	}
	if name, err = unquote(raw); err != nil {
		return "", nil, err
	}
	c.space()
	if c.peek() != ':' {
		return "", nil, errors.New("expected a colon in the JSON object")
	}
	c.copy(1)
	start := len(c.out)
	err = c.value(depth + 1)
	return name, c.out[start:], err
}

// smallNumber reads a plain decimal of at most four digits, or answers -1.
func smallNumber(s string) int {
	if s == "" || len(s) > 4 {
		return -1
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// text copies a string and returns it as it stands in the output, quotes
// included. The bytes are valid until the output grows.
func (c *compactor) text() ([]byte, error) {
	start := len(c.out)
	begin := c.pos
	for c.pos++; ; {
		if c.pos >= len(c.src) {
			return nil, errJSONEnd
		}
		switch b := c.src[c.pos]; {
		case b == '"':
			c.pos++
			c.out = append(c.out, c.src[begin:c.pos]...)
			return c.out[start:], nil
		case b == '\\':
			n, err := escape(c.src[c.pos:])
			if err != nil {
				return nil, err
			}
			c.pos += n
		case b < ' ':
			return nil, errors.New("a control character stands in a JSON string")
		case b < utf8.RuneSelf:
			c.pos++
		default:
			r, n := utf8.DecodeRune(c.src[c.pos:])
			if r == utf8.RuneError && n == 1 {
				return nil, errors.New("a JSON string is not valid UTF-8")
			}
			c.pos += n
		}
	}
}

func escape(s []byte) (int, error) {
	if len(s) < 2 {
		return 0, errJSONEnd
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		if len(s) < 6 {
			return 0, errJSONEnd
		}
		for _, b := range s[2:6] {
			if !(b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F') {
				return 0, errors.New("expected four hexadecimal digits in a JSON string")
			}
		}
		return 6, nil
	}
	return 0, errors.New("an unknown escape stands in a JSON string")
}

// unquote gives the meaning of a string that [compactor.text] accepted.
func unquote(raw []byte) (string, error) {
	for _, b := range raw {
		if b == '\\' {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err
		}
	}
	return string(raw[1 : len(raw)-1]), nil
}

func (c *compactor) number() error {
	i := c.pos
	digits := func() bool {
		from := i
		for i < len(c.src) && c.src[i] >= '0' && c.src[i] <= '9' {
			i++
		}
		return i > from
	}
	at := func() byte {
		if i < len(c.src) {
			return c.src[i]
		}
		return 0
	}
	bad := errors.New("a number in the JSON text is malformed")
	if at() == '-' {
		i++
	}
	if at() == '0' {
		i++
	} else if !digits() {
		return bad
	}
	if at() == '.' {
		i++
		if !digits() {
			return bad
		}
	}
	if at() == 'e' || at() == 'E' {
		i++
		if at() == '+' || at() == '-' {
			i++
		}
		if !digits() {
			return bad
		}
	}
	c.copy(i - c.pos)
	return nil
}
