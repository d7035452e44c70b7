package verifier

import (
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/base64url"
)

// scratch has the buffers of one verification. No Token refers to them.
type scratch struct {
	input   []byte // what was signed: header and payload
	decoded []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// decode decodes base64url. What it returns is good until the next call.
func (s *scratch) decode(segment string) (out []byte, ok bool) {
	s.decoded, ok = base64url.Decode(s.decoded, segment)
	return s.decoded, ok
}
