package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// decodePayload reads one MessagePack value as a payload.
func (r *reader) decodePayload() (Payload, error) {
	d := decoder{reader: r, out: make([]byte, 0, min(r.left()+r.left()/4+16, 1<<20))}
	if err := d.value(0); err != nil {
		return Payload{}, err
	}
	return Payload{JSON: d.out, Attachments: d.attachments}, nil
}

// decoder writes MessagePack as JSON.
type decoder struct {
	*reader
	out         []byte
	attachments [][]byte
}

func (d *decoder) value(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	h, err := d.next()
	if err != nil {
		return err
	}
	switch h.kind {
	case kindNil:
		d.out = append(d.out, "null"...)
	case kindBool:
		d.out = strconv.AppendBool(d.out, h.n == 1)
	case kindInt:
		d.out = strconv.AppendInt(d.out, h.int, 10)
	case kindUint:
		d.out = strconv.AppendUint(d.out, h.uint, 10)
	case kindFloat:
		d.out = appendJSONFloat(d.out, h.float)
	case kindString:
		d.out = appendQuoted(d.out, h.bytes)
	case kindTime:
		d.out, err = appendTime(d.out, h)
	case kindBinary:
		d.attachments = append(d.attachments, bytes.Clone(h.bytes))
		d.out = appendPlaceholder(d.out, len(d.attachments)-1)
	case kindArray:
		err = d.array(h.n, depth)
	case kindMap:
		err = d.object(h.n, depth)
	}
	return err
}

func (d *decoder) array(n, depth int) error {
	d.out = append(d.out, '[')
	for i := range n {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		if err := d.value(depth + 1); err != nil {
			return err
		}
	}
	d.out = append(d.out, ']')
	return nil
}

func (d *decoder) object(n, depth int) error {
	d.out = append(d.out, '{')
	for i := range n {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		key, err := d.expect(kindString, "a key")
		if err != nil {
			return err
		}
		d.out = append(appendQuoted(d.out, key.bytes), ':')
		if err := d.value(depth + 1); err != nil {
			return err
		}
	}
	d.out = append(d.out, '}')
	return nil
}

// appendJSONFloat writes what JSON.stringify writes: null for what is not a number.
func appendJSONFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// appendTime writes a JavaScript Date as JSON.stringify does. The bounds are those
// of four digits for the year.
func appendTime(b []byte, h head) ([]byte, error) {
	if h.uint >= 1e9 || h.int < -62167219200 || h.int > 253402300799 {
		return b, errors.New("a time is out of range")
	}
	return time.Unix(h.int, int64(h.uint)).UTC().AppendFormat(b, `"2006-01-02T15:04:05.000Z"`), nil
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes a string as JSON. What is not UTF-8 becomes U+FFFD.
func appendQuoted(b, s []byte) []byte {
	if !utf8.Valid(s) {
		s = validText(s)
	}
	b = append(b, '"')
	start := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// appendPayload appends a payload as one MessagePack value.
func appendPayload(b []byte, p Payload) ([]byte, error) {
	if !json.Valid(p.JSON) {
		return b, errors.New("cluster: a payload is not JSON")
	}
	e := encoder{out: b, text: p.JSON, attachments: p.Attachments}
	if err := e.value(0); err != nil {
		return b, err
	}
	return e.out, nil
}

// encoder writes JSON, which is valid, as MessagePack.
type encoder struct {
	out         []byte
	text        []byte
	pos         int
	attachments [][]byte
}

func (e *encoder) space() byte {
	for {
		switch c := e.text[e.pos]; c {
		case ' ', '\t', '\r', '\n':
			e.pos++
		default:
			return c
		}
	}
}

func (e *encoder) value(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	switch c := e.space(); c {
	case '{':
		return e.object(depth)
	case '[':
		return e.elements(depth, ']', 0x90, [2]byte{0xdc, 0xdd}, func() error { return e.value(depth + 1) })
	case '"':
		return e.string()
	case 't', 'f':
		e.out = appendBool(e.out, c == 't')
		e.pos += len("true")
		if c == 'f' {
			e.pos++
		}
	case 'n':
		e.out = append(e.out, 0xc0)
		e.pos += len("null")
	default:
		return e.number()
	}
	return nil
}

// elements writes an array or a map, whose length is known only behind it: few have
// more elements than the short form has room for.
func (e *encoder) elements(depth int, end byte, fix byte, codes [2]byte, element func() error) error {
	at, n := len(e.out), 0
	e.out = append(e.out, 0)
	e.pos++
	for e.space() != end {
		if n > 0 {
			e.pos++ // the comma
		}
		if err := element(); err != nil {
			return err
		}
		n++
	}
	e.pos++
	if n < 16 {
		e.out[at] = fix | byte(n)
		return nil
	}
	header := appendLength(make([]byte, 0, 5), n, fix, 16, [3]byte{0, codes[0], codes[1]})
	e.out = append(e.out, header[1:]...) // to make room
	copy(e.out[at+len(header):], e.out[at+1:len(e.out)-len(header)+1])
	copy(e.out[at:], header)
	return nil
}

func (e *encoder) object(depth int) error {
	if a, ok := e.placeholder(); ok {
		e.out = appendBinary(e.out, a)
		return nil
	}
	return e.elements(depth, '}', 0x80, [2]byte{0xde, 0xdf}, func() error {
		e.space()
		if err := e.string(); err != nil {
			return err
		}
		e.space()
		e.pos++ // the colon
		return e.value(depth + 1)
	})
}

// placeholder reads an object that stands for an attachment.
func (e *encoder) placeholder() ([]byte, bool) {
	if len(e.attachments) == 0 {
		return nil, false
	}
	end := bytes.IndexByte(e.text[e.pos:], '}')
	if end < 0 {
		return nil, false
	}
	object := e.text[e.pos : e.pos+end+1]
	if !bytes.Contains(object, []byte(`"_placeholder"`)) {
		return nil, false
	}
	var p struct {
		Placeholder bool `json:"_placeholder"`
		Num         *int `json:"num"`
	}
	if json.Unmarshal(object, &p) != nil || !p.Placeholder || p.Num == nil || *p.Num < 0 || *p.Num >= len(e.attachments) {
		return nil, false
	}
	e.pos += end + 1
	return e.attachments[*p.Num], true
}

func (e *encoder) string() error {
	start := e.pos + 1
	for i := start; ; i++ {
		switch e.text[i] {
		case '"':
			e.pos = i + 1
			e.out = appendString(e.out, validText(e.text[start:i]))
			return nil
		case '\\':
			return e.escaped(start - 1)
		}
	}
}

// escaped reads a string with escapes.
func (e *encoder) escaped(start int) error {
	i := start + 1
	for ; e.text[i] != '"'; i++ {
		if e.text[i] == '\\' {
			i++
		}
	}
	var s string
	if err := json.Unmarshal(e.text[start:i+1], &s); err != nil {
		return err
	}
	e.pos = i + 1
	e.out = appendString(e.out, s)
	return nil
}

func (e *encoder) number() error {
	start := e.pos
	for e.pos < len(e.text) && bytes.IndexByte([]byte("+-.0123456789eE"), e.text[e.pos]) >= 0 {
		e.pos++
	}
	text := string(e.text[start:e.pos])
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		e.out = appendInt(e.out, n)
		return nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		e.out = appendUint(e.out, n)
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return err
	}
	e.out = appendFloat(e.out, f)
	return nil
}
