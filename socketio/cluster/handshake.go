package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Handshake is what other nodes are told of the request that opened a socket, in
// the form of Socket.IO's socket.handshake.
//
// It never carries a credential. Before it is sent, the auth payload is emptied; the
// headers Authorization, Proxy-Authorization, Cookie, DPoP and Sec-WebSocket-Protocol,
// and query parameters such as "token", are removed; and so is each value that
// contains a JWT or one of [Socket.Secrets].
type Handshake struct {
	Headers map[string]string `json:"headers"` // names in lower case
	Time    string            `json:"time"`
	Address string            `json:"address"`
	XDomain bool              `json:"xdomain"` // whether there was an Origin header
	Secure  bool              `json:"secure"`  // whether the connection had TLS
	Issued  int64             `json:"issued"`  // milliseconds since 1970
	URL     string            `json:"url"`
	Query   map[string]string `json:"query"`
	Auth    struct{}          `json:"auth"` // always empty
}

// NewHandshake describes a handshake that came at that time.
func NewHandshake(h *verifier.Handshake, at time.Time) Handshake {
	d := Handshake{
		Headers: make(map[string]string, len(h.Header)+1),
		Query:   make(map[string]string, len(h.Query)),
		Time:    at.UTC().Format(http.TimeFormat),
		Issued:  at.UnixMilli(),
		Address: h.RemoteAddr,
		XDomain: h.Header.Get("Origin") != "",
		Secure:  h.TLS != nil,
	}
	for name, values := range h.Header {
		d.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if h.Host != "" {
		d.Headers["host"] = h.Host
	}
	for name, values := range h.Query {
		if len(values) > 0 {
			d.Query[name] = values[len(values)-1]
		}
	}
	if h.URL != nil {
		d.URL = h.URL.RequestURI()
	}
	return d
}

// credentialHeaders carry credentials by their purpose.
var credentialHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Set-Cookie", "Dpop", "Sec-Websocket-Protocol",
	"X-Auth-Token", "X-Access-Token", "X-Api-Key", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Accesstoken",
	"X-Forwarded-Client-Cert", "X-Goog-Iap-Jwt-Assertion", "Cf-Access-Jwt-Assertion", "X-Forwarded-Access-Token",
}

// credentialParameters are what a query parameter that carries a credential is
// called. A name counts that contains one of them.
var credentialParameters = []string{"token", "jwt", "auth", "secret", "password", "ticket", "bearer", "assertion", "api_key", "apikey", "cookie"}

// jwt finds compact tokens: a JOSE header in base64url begins with `{"`.
var jwt = regexp.MustCompile(`ey[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)

// withoutCredentials returns a copy that others may be told.
func (h Handshake) withoutCredentials(secrets []string) Handshake {
	secret := func(value string) bool {
		return jwt.MatchString(value) || slices.ContainsFunc(secrets, func(s string) bool {
			return s != "" && (strings.Contains(value, s) || strings.Contains(value, url.QueryEscape(s)))
		})
	}
	headers := make(map[string]string, len(h.Headers))
	for name, value := range h.Headers {
		if !slices.Contains(credentialHeaders, textproto.CanonicalMIMEHeaderKey(name)) && !secret(value) && !hasCredentialParameter(value) {
			headers[name] = value
		}
	}
	query := make(map[string]string, len(h.Query))
	for name, value := range h.Query {
		if !isCredentialParameter(name) && !secret(value) && !secret(name) {
			query[name] = value
		}
	}
	h.Headers, h.Query = headers, query
	h.URL = urlWithoutCredentials(h.URL, secret)
	return h
}

func isCredentialParameter(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(credentialParameters, func(p string) bool { return strings.Contains(name, p) })
}

// hasCredentialParameter reports whether a header, such as Referer, is a URL whose
// query has a credential.
func hasCredentialParameter(value string) bool {
	_, query, ok := strings.Cut(value, "?")
	if !ok {
		return false
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return true // it may contain anything
	}
	for name := range parameters {
		if isCredentialParameter(name) {
			return true
		}
	}
	return false
}

func urlWithoutCredentials(raw string, secret func(string) bool) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		query = nil
	}
	for name, values := range query {
		if isCredentialParameter(name) || secret(name) || slices.ContainsFunc(values, secret) {
			query.Del(name)
		}
	}
	u.RawQuery, u.User, u.Fragment = query.Encode(), nil, ""
	if text := u.String(); !secret(text) {
		return text
	}
	return ""
}

// decodeHandshake reads what another node says of a handshake. What has another form
// is passed over: it is the other's.
func decodeHandshake(text json.RawMessage) Handshake {
	var raw struct {
		Headers map[string]any `json:"headers"`
		Time    any            `json:"time"`
		Address any            `json:"address"`
		XDomain any            `json:"xdomain"`
		Secure  any            `json:"secure"`
		Issued  any            `json:"issued"`
		URL     any            `json:"url"`
		Query   map[string]any `json:"query"`
	}
	_ = json.Unmarshal(text, &raw)
	h := Handshake{Headers: texts(raw.Headers), Query: texts(raw.Query)}
	h.Time, _ = raw.Time.(string)
	h.Address, _ = raw.Address.(string)
	h.XDomain, _ = raw.XDomain.(bool)
	h.Secure, _ = raw.Secure.(bool)
	h.URL, _ = raw.URL.(string)
	if issued, ok := raw.Issued.(float64); ok {
		h.Issued = int64(issued)
	}
	return h.withoutCredentials(nil)
}

// texts makes text of the values of headers or of a query: of a list the elements,
// separated by commas.
func texts(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for name, v := range m {
		switch v := v.(type) {
		case string:
			out[name] = v
		case []any:
			parts := make([]string, len(v))
			for i, e := range v {
				parts[i] = fmt.Sprint(e)
			}
			out[name] = strings.Join(parts, ", ")
		case float64, bool:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}
