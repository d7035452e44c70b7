package zishang

import (
	"net/url"
	"slices"
	"strings"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// withoutToken removes credentials from the library's copy of a handshake, which
// FetchSockets of any node publishes: what is in the usual places of a token, the raw
// token, and every copy of either. The caller is the only one who knows the handshake
// yet.
func withoutToken(h *socket.Handshake, raw string) {
	r := redaction{raw}
	for _, value := range []any{h.Query[tokenName], h.Auth[tokenName], h.Headers["Authorization"]} {
		r = append(r, texts(value)...)
	}
	for name, value := range h.Headers {
		switch {
		case strings.EqualFold(name, "Authorization"), strings.EqualFold(name, "Sec-WebSocket-Protocol"):
			delete(h.Headers, name)
		case strings.EqualFold(name, "Cookie"):
			r.set(h.Headers, name, r.cookies(value))
		default:
			r.set(h.Headers, name, value)
		}
	}
	for name, value := range h.Query {
		r.set(h.Query, name, value)
	}
	auth := make(map[string]any, len(h.Auth)) // the original is the authenticator's
	for name, value := range h.Auth {
		r.set(auth, name, value)
	}
	delete(h.Query, tokenName)
	delete(auth, tokenName)
	if h.Auth != nil {
		h.Auth = auth
	}
	h.Url = r.url(h.Url)
}

// tokenName is where the default extractor looks, in the query and in the payload.
const tokenName = "token"

// texts returns the texts of a value, without the name of a scheme.
func texts(value any) []string {
	var all []string
	switch v := value.(type) {
	case string:
		all = []string{v}
	case []string:
		all = slices.Clone(v)
	}
	for i, text := range all {
		if scheme, token, ok := strings.Cut(strings.TrimSpace(text), " "); ok && strings.EqualFold(scheme, "Bearer") {
			all[i] = strings.TrimSpace(token)
		}
	}
	return all
}

// redaction lists the texts to remove.
type redaction []string

// minSubstring is the length from which a token is looked for inside of longer texts.
const minSubstring = 16

func (r redaction) in(text string) bool {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		plain = text
	}
	return slices.ContainsFunc(r, func(token string) bool {
		switch {
		case token == "":
			return false
		case len(token) < minSubstring:
			return text == token || plain == token
		}
		return strings.Contains(text, token) || strings.Contains(plain, token)
	})
}

// set stores what is left of a value, or deletes it.
func (r redaction) set(m map[string]any, name string, value any) {
	if value = r.clean(value); value == nil || r.in(name) {
		delete(m, name)
		return
	}
	m[name] = value
}

// clean returns a value without the token, nil if nothing is left.
func (r redaction) clean(value any) any {
	switch v := value.(type) {
	case string:
		if r.in(v) {
			return nil
		}
	case []string:
		kept := slices.DeleteFunc(slices.Clone(v), r.in)
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		kept := make([]any, 0, len(v))
		for _, member := range v {
			if member == nil {
				kept = append(kept, nil)
			} else if member = r.clean(member); member != nil {
				kept = append(kept, member)
			}
		}
		return kept
	case map[string]any:
		kept := make(map[string]any, len(v))
		for name, member := range v {
			r.set(kept, name, member)
		}
		return kept
	}
	return value
}

// cookies returns the value of a Cookie header without the cookies that hold the token.
func (r redaction) cookies(value any) any {
	one := func(line string) string {
		var kept []string
		for cookie := range strings.SplitSeq(line, ";") {
			_, content, _ := strings.Cut(cookie, "=")
			if !r.in(strings.Trim(strings.TrimSpace(content), `"`)) {
				kept = append(kept, strings.TrimSpace(cookie))
			}
		}
		return strings.Join(kept, "; ")
	}
	switch v := value.(type) {
	case string:
		return one(v)
	case []string:
		var kept []string
		for _, line := range v {
			kept = append(kept, one(line))
		}
		return kept
	}
	return value
}

// url returns a request's URI without the token.
func (r redaction) url(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	if !found {
		return uri
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != tokenName && !r.in(name) && !r.in(value) {
			kept = append(kept, pair)
		}
	}
	return path + "?" + strings.Join(kept, "&")
}
