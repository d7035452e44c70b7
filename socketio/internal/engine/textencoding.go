package engine

import (
	"net/http"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// textEncoding is how the client of one session writes text into a text payload.
//
// Clients 2.x write it as it is. Clients 1.x in a browser encode a packet as UTF-8,
// take the bytes for characters, and write those as UTF-8 again. (In Node.js clients
// 1.x always send binary payloads, which have no such ambiguity.) No request says
// which client it is. What a client 1.x writes has no character above U+00FF, and its
// characters are the bytes of valid UTF-8. So text that breaks this rule proves a
// client 2.x, for the whole session; until then text that obeys it is decoded twice.
type textEncoding struct{ plain atomic.Bool }

// begin starts with what the handshake tells. In Node.js a client 1.x writes text
// payloads only if it asked for base64.
func (e *textEncoding) begin(r *http.Request, base64 bool) {
	if !base64 && strings.HasPrefix(r.UserAgent(), "node-XMLHttpRequest") {
		e.plain.Store(true)
	}
}

// decode returns the text that the application sent.
func (e *textEncoding) decode(b []byte) []byte {
	if e.plain.Load() || isASCII(b) {
		return b
	}
	once := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r > 0xff {
			e.plain.Store(true)
			return b
		}
		once = append(once, byte(r))
		i += size
	}
	if !utf8.Valid(once) {
		e.plain.Store(true)
		return b
	}
	return once
}
