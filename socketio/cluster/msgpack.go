package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// A reader reads MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md)
// from bytes that may be anything. It allocates nothing by what a length claims: a
// length that exceeds the bytes that are left is an error.
type reader struct {
	data []byte
	pos  int
}

// kind is what a MessagePack value is.
type kind int

const (
	kindNil kind = iota
	kindBool
	kindInt    // that fits an int64
	kindUint   // that does not
	kindFloat  // of 32 or 64 bits
	kindString //
	kindBinary //
	kindArray  // its elements follow
	kindMap    // its keys and values follow
	kindTime   // extension type -1
)

// head is a value without its elements.
type head struct {
	kind  kind
	n     int     // of an array, elements; of a map, pairs; of a bool, 0 or 1
	int   int64   // of an int; of a time, seconds
	uint  uint64  // of a uint; of a time, nanoseconds
	float float64 // of a float
	bytes []byte  // of a string or binary: part of the reader's data
}

var errTruncated = errors.New("cut off, or a length is too large")

func (r *reader) left() int { return len(r.data) - r.pos }

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(r.left()) {
		return nil, errTruncated
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// number reads an unsigned integer of 1, 2, 4 or 8 bytes.
func (r *reader) number(size uint64) (uint64, error) {
	b, err := r.take(size)
	if err != nil {
		return 0, err
	}
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// next reads a value, of arrays and maps only the length.
func (r *reader) next() (head, error) {
	code, err := r.number(1)
	if err != nil {
		return head{}, err
	}
	switch {
	case code < 0x80:
		return head{kind: kindInt, int: int64(code)}, nil
	case code < 0x90:
		return r.elements(kindMap, code&0x0f)
	case code < 0xa0:
		return r.elements(kindArray, code&0x0f)
	case code < 0xc0:
		return r.text(kindString, code&0x1f)
	case code >= 0xe0:
		return head{kind: kindInt, int: int64(int8(code))}, nil
	}
	switch code {
	case 0xc0:
		return head{kind: kindNil}, nil
	case 0xc2, 0xc3:
		return head{kind: kindBool, n: int(code - 0xc2)}, nil
	case 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return r.extension(code)
	case 0xca, 0xcb:
		return r.float(code)
	case 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3:
		return r.integer(code)
	case 0xc1:
		return head{}, errors.New("the code 0xc1, which is never used")
	}
	return r.sized(code)
}

// sized reads a string, binary, array or map whose length follows its code.
func (r *reader) sized(code uint64) (head, error) {
	k, size := kindMap, uint64(2)<<(code-0xde)
	switch {
	case code <= 0xc6:
		k, size = kindBinary, 1<<(code-0xc4)
	case code <= 0xdb:
		k, size = kindString, 1<<(code-0xd9)
	case code <= 0xdd:
		k, size = kindArray, 2<<(code-0xdc)
	}
	n, err := r.number(size)
	if err != nil {
		return head{}, err
	}
	if k == kindString || k == kindBinary {
		return r.text(k, n)
	}
	return r.elements(k, n)
}

func (r *reader) text(k kind, n uint64) (head, error) {
	b, err := r.take(n)
	return head{kind: k, bytes: b}, err
}

// elements checks the length of an array or a map: each element has a byte.
func (r *reader) elements(k kind, n uint64) (head, error) {
	if k == kindMap && n > uint64(r.left())/2 || n > uint64(r.left()) {
		return head{}, errTruncated
	}
	return head{kind: k, n: int(n)}, nil
}

func (r *reader) float(code uint64) (head, error) {
	if code == 0xca {
		n, err := r.number(4)
		return head{kind: kindFloat, float: float64(math.Float32frombits(uint32(n)))}, err
	}
	n, err := r.number(8)
	return head{kind: kindFloat, float: math.Float64frombits(n)}, err
}

func (r *reader) integer(code uint64) (head, error) {
	n, err := r.number(1 << (code & 3))
	switch code {
	case 0xcf:
		if n > math.MaxInt64 {
			return head{kind: kindUint, uint: n}, err
		}
	case 0xd0:
		return head{kind: kindInt, int: int64(int8(n))}, err
	case 0xd1:
		return head{kind: kindInt, int: int64(int16(n))}, err
	case 0xd2:
		return head{kind: kindInt, int: int64(int32(n))}, err
	}
	return head{kind: kindInt, int: int64(n)}, err
}

// extension reads a time, of type -1, or what old versions of notepack.io made of
// an ArrayBuffer, of type 0. Nothing else is sent between nodes.
func (r *reader) extension(code uint64) (head, error) {
	var size uint64
	var err error
	if code >= 0xd4 {
		size = 1 << (code - 0xd4)
	} else if size, err = r.number(1 << (code - 0xc7)); err != nil {
		return head{}, err
	}
	t, err := r.number(1)
	if err != nil {
		return head{}, err
	}
	b, err := r.take(size)
	if err != nil {
		return head{}, err
	}
	switch {
	case int8(t) == 0 && code < 0xd4:
		return head{kind: kindBinary, bytes: b}, nil
	case int8(t) == -1 && size == 4:
		return head{kind: kindTime, int: int64(binary.BigEndian.Uint32(b))}, nil
	case int8(t) == -1 && size == 8:
		v := binary.BigEndian.Uint64(b)
		return head{kind: kindTime, int: int64(v & (1<<34 - 1)), uint: v >> 34}, nil
	case int8(t) == -1 && size == 12:
		return head{kind: kindTime, uint: uint64(binary.BigEndian.Uint32(b)), int: int64(binary.BigEndian.Uint64(b[4:]))}, nil
	}
	return head{}, fmt.Errorf("an extension of type %d with %d bytes", int8(t), size)
}

// maxDepth bounds how deep arrays and objects lie in each other.
const maxDepth = 128

var errTooDeep = fmt.Errorf("arrays and objects lie in each other more than %d deep", maxDepth)

// skip reads a value and what is in it.
func (r *reader) skip(depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	h, err := r.next()
	n := 0
	switch h.kind {
	case kindArray:
		n = h.n
	case kindMap:
		n = 2 * h.n
	}
	for i := 0; i < n && err == nil; i++ {
		err = r.skip(depth + 1)
	}
	return err
}

// expect reads a value of one kind.
func (r *reader) expect(k kind, what string) (head, error) {
	h, err := r.next()
	if err == nil && h.kind != k {
		err = errors.New(what + " has another type")
	}
	return h, err
}

// fields reads a map with keys that are strings and calls f for each key, with the
// reader at the value, which f must read.
func (r *reader) fields(what string, f func(key string) error) error {
	h, err := r.expect(kindMap, what)
	for i := 0; i < h.n && err == nil; i++ {
		var key head
		if key, err = r.expect(kindString, "a key of "+what); err == nil {
			err = f(string(key.bytes))
		}
	}
	return err
}

// The rest appends values in the shortest form.

func appendLength(b []byte, n int, fix byte, fixMax int, codes [3]byte) []byte {
	switch {
	case n < fixMax:
		return append(b, fix|byte(n))
	case n <= math.MaxUint8 && codes[0] != 0:
		return append(b, codes[0], byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, codes[1]), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, codes[2]), uint32(n))
}

func appendArray(b []byte, n int) []byte {
	return appendLength(b, n, 0x90, 16, [3]byte{0, 0xdc, 0xdd})
}

func appendMap(b []byte, n int) []byte {
	return appendLength(b, n, 0x80, 16, [3]byte{0, 0xde, 0xdf})
}

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(appendLength(b, len(s), 0xa0, 32, [3]byte{0xd9, 0xda, 0xdb}), s...)
}

func appendBinary(b, data []byte) []byte {
	return append(appendLength(b, len(data), 0, 0, [3]byte{0xc4, 0xc5, 0xc6}), data...)
}

func appendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(b, uint64(n))
	case n >= -32:
		return append(b, byte(n))
	case n >= math.MinInt8:
		return append(b, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func appendUint(b []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n <= math.MaxUint8:
		return append(b, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
}

func appendFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

// validText returns text as UTF-8, with U+FFFD for what is not.
func validText(s []byte) []byte {
	if utf8.Valid(s) {
		return s
	}
	return []byte(string([]rune(string(s))))
}
