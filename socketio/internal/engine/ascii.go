package engine

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// appendASCII appends JSON with everything beyond ASCII written as \u escapes:
// over polling, clients 1.x count the length of a packet in UTF-8 bytes and
// clients 2.x in UTF-16 units, and only for ASCII are the two the same.
func appendASCII(dst, src []byte) []byte {
	const hex = "0123456789abcdef"
	unit := func(u uint16) {
		dst = append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	for i := 0; i < len(src); {
		if b := src[i]; b < utf8.RuneSelf {
			dst = append(dst, b)
			i++
			continue
		}
		r, n := utf8.DecodeRune(src[i:])
		i += n
		if r >= 0x10000 {
			high, low := utf16.EncodeRune(r)
			unit(uint16(high))
			unit(uint16(low))
		} else {
			unit(uint16(r))
		}
	}
	return dst
}

func isASCII(b []byte) bool {
	for _, x := range b {
		if x >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// marshal is json.Marshal for what goes to a client.
func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if isASCII(b) {
		return b, nil
	}
	return appendASCII(make([]byte, 0, len(b)+len(b)/2), b), nil
}
