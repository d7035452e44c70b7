package signals

import (
	"encoding/json"
	"strings"
)

// begins is how the members of some formats must begin (RFC 9493 §3.2.1, §3.2.5, §3.2.6).
var begins = map[string]string{"account": "acct:", "phone_number": "+", "did": "did:"}

// subject reads a simple subject identifier, whose members must be strings that are
// not empty (RFC 9493 §3.2, SSF 1.0 §3.4).
func subject(format, role string, raw json.RawMessage) (*Subject, *refusal) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, refuse("invalid_request", "a subject must be an object")
	}
	s := &Subject{Format: format, Role: role}
	required := map[string]*string{}
	switch format {
	case "iss_sub":
		required["iss"], required["sub"] = &s.Issuer, &s.Subject
	case "jwt_id", "jwt-id": // the spelling of earlier drafts
		s.Format = "jwt_id"
		required["iss"], required["jti"] = &s.Issuer, &s.TokenID
	case "opaque":
		required["id"] = &s.ID
	case "email":
		required["email"] = &s.Email
	case "phone_number":
		required["phone_number"] = &s.PhoneNumber
	case "account", "uri":
		required["uri"] = &s.URI
	case "did":
		required["url"] = &s.URI
	default: // its members may name anybody
		return nil, refuse("invalid_request", "subjects of the format %.40q are not known here", format)
	}
	for name, field := range required {
		if json.Unmarshal(m[name], field) != nil || *field == "" {
			return nil, refuse("invalid_request", "a subject of the format %s must have %s", s.Format, name)
		}
		if start := begins[format]; !strings.HasPrefix(*field, start) {
			return nil, refuse("invalid_request", "%s of a subject of the format %s must begin with %s", name, format, start)
		}
	}
	return s, nil
}
