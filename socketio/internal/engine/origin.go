package engine

import (
	"net/http"
	"net/url"
	"strings"
)

// SameOrigin is the default origin check. JSONP polling fetches by a script element, which
// sends no Origin. If the browser says that such a request comes from another site, the
// server refuses it too.
func SameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "cross-site", "same-site":
			return false
		}
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	// A browser leaves out the default port of its scheme. A proxy may add it to Host.
	return strings.EqualFold(withoutDefaultPort(u.Host, u.Scheme), withoutDefaultPort(r.Host, u.Scheme))
}

// NormalOrigin returns an origin in lower case and without the default port of its
// scheme, so that equal origins are equal strings.
func NormalOrigin(origin string) string {
	scheme, host, found := strings.Cut(strings.ToLower(origin), "://")
	if !found {
		return origin
	}
	return scheme + "://" + withoutDefaultPort(host, scheme)
}

// withoutForeignCookies hides the cookies of a request from another origin. For a
// websocket, browsers send them regardless of CORS.
func withoutForeignCookies(r *http.Request) *http.Request {
	if SameOrigin(r) {
		return r
	}
	c := *r
	c.Header = r.Header.Clone()
	c.Header.Del("Cookie")
	return &c
}

// withoutDefaultPort strips the port that the scheme implies from a host.
func withoutDefaultPort(host, scheme string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// allowOrigin sets the headers that let the browser of an admitted origin read
// the answer.
func (e *Server) allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		if !e.config.NoCredentials {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		h.Add("Vary", "Origin")
	}
}

// preflight answers OPTIONS. An admitted origin may send any header: the engine does not
// know which headers hold tokens.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
