package verifier

import (
	"bytes"
	"errors"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// Header is the protected header of a token (RFC 7515 §4). Only what a
// verifier may act on is kept: jku, jwk, x5u and x5c are never looked at.
type Header struct {
	Algorithm   Algorithm // alg
	KeyID       string    // kid, "" if absent
	Type        string    // typ, "" if absent
	ContentType string    // cty, "" if absent
}

var (
	errHeaderBase64   = errors.New("the header is not base64url without padding (RFC 7515 §2)")
	errPayloadBase64  = errors.New("the payload is not base64url without padding (RFC 7515 §2)")
	errSignBase64     = errors.New("the signature is not base64url without padding (RFC 7515 §2)")
	errHeaderLong     = errors.New("the header is too long, see MaxTokenLength")
	errHeaderMembers  = errors.New("the header has too many members")
	errHeaderMember   = errors.New("alg, kid, typ and cty must be strings (RFC 7515 §4.1)")
	errHeaderAlg      = errors.New("the header has no alg (RFC 7515 §4.1.1)")
	errHeaderCritical = errors.New("the header has crit, and no extension is understood (RFC 7515 §4.1.11)")
	errHeaderB64      = errors.New("an unencoded payload is not supported (RFC 7797)")
)

// maxHeaderMembers bounds what an unsigned header may have us compare; the
// registered ones are eleven.
const maxHeaderMembers = 16

// bringsKey tells by the beginning of a header whether it has a reason to be long:
// a key or certificates, which are not read beyond the fact that they are there.
// So what is merely long is not decoded.
func bringsKey(segment string) bool {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	start, ok := s.decode(segment[:min(len(segment), 512)])
	return ok && (bytes.Contains(start, []byte(`"x5c"`)) || bytes.Contains(start, []byte(`"jwk"`)))
}

func parseHeader(segment string) (Header, error) {
	var h Header
	// The first character of "{" in base64url is "e" except for white space before
	// it: what is not a JSON object is told before it is decoded.
	if segment == "" || segment[0] != 'e' && segment[0] != 'I' && segment[0] != 'C' && segment[0] != 'D' {
		return h, strictjson.ErrNotObject
	}
	s := scratches.Get().(*scratch)
	decoded, ok := s.decode(segment)
	text := string(decoded)
	scratches.Put(s)
	if !ok {
		return h, errHeaderBase64
	}
	o := strictjson.New(text)
	members := 0
	for o.Next() {
		if members++; members > maxHeaderMembers {
			return h, errHeaderMembers
		}
		if err := h.set(o.Name, o.Value); err != nil {
			return h, err
		}
	}
	if o.Err != nil {
		return h, o.Err
	}
	if h.Algorithm == "" {
		return h, errHeaderAlg
	}
	if len(text) > cache.MaxKey { // which would otherwise be kept for the sake of its parts
		h.Algorithm, h.KeyID = Algorithm(strings.Clone(string(h.Algorithm))), strings.Clone(h.KeyID)
		h.Type, h.ContentType = strings.Clone(h.Type), strings.Clone(h.ContentType)
	}
	return h, nil
}

// set notes a member of the header.
func (h *Header) set(name, value string) error {
	ok := true
	switch name {
	case "alg":
		var s string
		if s, ok = strictjson.String(value); ok {
			h.Algorithm = Algorithm(s)
		}
	case "kid":
		h.KeyID, ok = strictjson.String(value)
	case "typ":
		h.Type, ok = strictjson.String(value)
	case "cty":
		h.ContentType, ok = strictjson.String(value)
	case "crit":
		return errHeaderCritical
	case "b64":
		if value != "true" {
			return errHeaderB64
		}
	}
	if !ok {
		return errHeaderMember
	}
	return nil
}
