package engine

import (
	"net/http"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// textEncoding is how the client of one session writes text into a text payload.
//
// Clients 2.x write UTF-8. Clients 1.x in a browser encode a packet as UTF-8, take each
// byte for a character, and encode these as UTF-8 again. (Clients 1.x in Node.js always
// send binary payloads, which are unambiguous.) A request does not say which client sent
// it. Text of a client 1.x has no character above U+00FF, and its characters are the
// bytes of valid UTF-8. Text that breaks this rule shows that the session's client is a
// 2.x. Until such text comes, the engine decodes text twice if it obeys the rule.
type textEncoding struct{ plain atomic.Bool }

// begin reads the handshake. A client 1.x in Node.js writes text payloads only if it
// asked for base64.
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
