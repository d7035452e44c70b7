package verifier

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// credentialNames are the names under which clients present credentials, whatever
// the extractor. They are compared in lower case, in headers, query and auth payload.
var credentialNames = map[string]bool{
	"token": true, "access_token": true, "refresh_token": true, "id_token": true, "jwt": true, "ticket": true,
	"authorization": true, "proxy-authorization": true, "dpop": true,
}

// WithoutToken returns a copy of the handshake without credentials, to be stored, logged or passed on
// after the client has authenticated. It drops every value that contains one of the raw tokens. It
// also drops the places that usually hold credentials: the headers Authorization, Proxy-Authorization
// and DPoP, and the members of query and auth payload that are called token, access_token,
// refresh_token, id_token, jwt or ticket. Other headers, cookies and members stay. The copy shares
// nothing with h that can be changed, except TLS.
func (h *Handshake) WithoutToken(raw ...string) *Handshake {
	r := redaction(raw)
	c := *h
	c.Header = r.header(h.Header)
	c.Query = r.values(h.Query)
	c.Auth = r.auth(h.Auth, 0)
	if h.URL != nil {
		u := *h.URL
		u.RawQuery = r.rawQuery(u.RawQuery)
		if r.in(u.Path) {
			u.Path, u.RawPath = "", ""
		}
		if r.in(u.Fragment) {
			u.Fragment, u.RawFragment = "", ""
		}
		u.User = nil
		c.URL = &u
	}
	return &c
}

// redaction is the raw tokens to be dropped. Empty ones are none.
type redaction []string

func (r redaction) in(s string) bool {
	return slices.ContainsFunc(r, func(raw string) bool { return raw != "" && strings.Contains(s, raw) })
}

func (r redaction) drops(name, value string) bool {
	return credentialNames[strings.ToLower(name)] || r.in(value)
}

func (r redaction) header(header http.Header) http.Header {
	if header == nil {
		return nil
	}
	kept := make(http.Header, len(header))
	for name, values := range header {
		for _, v := range values {
			switch {
			case strings.EqualFold(name, "cookie"):
				if v = r.cookies(v); v == "" {
					continue
				}
			case strings.EqualFold(name, "referer"):
				if u, err := url.Parse(v); err != nil || u.RawQuery != r.rawQuery(u.RawQuery) {
					continue
				}
			}
			if !r.drops(name, v) {
				kept[name] = append(kept[name], v)
			}
		}
	}
	return kept
}

// cookies drops the cookies that contain the token from a Cookie header.
func (r redaction) cookies(line string) string {
	if !r.in(line) {
		return line
	}
	var kept []string
	for _, pair := range strings.Split(line, ";") {
		if !r.in(pair) {
			kept = append(kept, strings.TrimSpace(pair))
		}
	}
	return strings.Join(kept, "; ")
}

func (r redaction) values(values url.Values) url.Values {
	if values == nil {
		return nil
	}
	kept := make(url.Values, len(values))
	for name, list := range values {
		for _, v := range list {
			if !r.drops(name, v) {
				kept[name] = append(kept[name], v)
			}
		}
	}
	return kept
}

// rawQuery keeps a query as it is written unless something in it is dropped. What
// cannot be parsed is dropped as a whole.
func (r redaction) rawQuery(query string) string {
	if query == "" {
		return ""
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	kept := r.values(values)
	if maps.EqualFunc(values, kept, func(a, b []string) bool { return len(a) == len(b) }) {
		return query
	}
	return kept.Encode()
}

// maxAuthDepth bounds how deep a payload is looked into; what lies deeper is dropped.
const maxAuthDepth = 32

// auth copies a payload as encoding/json decodes it. Values of another type, which the
// application's own decoder made, cannot be looked into and are dropped.
func (r redaction) auth(payload any, depth int) any {
	if depth > maxAuthDepth {
		return nil
	}
	switch p := payload.(type) {
	case map[string]any:
		if p == nil {
			return p
		}
		kept := make(map[string]any, len(p))
		for name, v := range p {
			if text, _ := v.(string); r.in(name) || r.drops(name, text) {
				continue
			}
			kept[name] = r.auth(v, depth+1)
		}
		return kept
	case []any:
		kept := make([]any, len(p))
		for i, v := range p {
			kept[i] = r.auth(v, depth+1)
		}
		return kept
	case string:
		if r.in(p) {
			return ""
		}
		return p
	case bool, float64, int, int64, uint64, nil:
		return p
	case interface{ Float64() (float64, error) }: // json.Number
		return p
	}
	return nil
}
