package dpop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/proxy"
)

// normalize returns the URL in the one spelling that all its equivalents have
// (RFC 3986 §6.2.2, §6.2.3), without query and fragment (RFC 9449 §4.3), and
// with http for ws and https for wss.
func normalize(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("it cannot be read as a URL")
	}
	scheme, port := "", ""
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
		scheme, port = "http", "80"
	case "https", "wss":
		scheme, port = "https", "443"
	default:
		return "", fmt.Errorf("its scheme is %.20q: expected https, http, wss or ws", u.Scheme)
	}
	if name := u.Hostname(); name == "" || u.User != nil || strings.Contains(name, ":") != strings.HasPrefix(u.Host, "[") {
		return "", errors.New("expected scheme://host/path")
	}
	host := strings.ToLower(u.Host)
	if p := u.Port(); p == "" || p == port {
		host = strings.TrimSuffix(host, ":"+p)
	}
	// What was encoded needlessly may be a dot, so this comes before dot segments,
	// which ResolveReference resolves.
	if u, err = url.Parse(scheme + "://" + host + unescape(u.EscapedPath())); err != nil {
		return "", errors.New("it cannot be read as a URL")
	}
	path := u.ResolveReference(u).EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, nil
}

// unescape undoes percent-encoding where it was not needed, and spells the rest
// in capitals. The path is one that EscapedPath returned.
func unescape(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		triplet := strings.ToUpper(path[i : i+3])
		if c, _ := strconv.ParseUint(triplet[1:], 16, 8); unreserved(byte(c)) {
			b.WriteByte(byte(c))
		} else {
			b.WriteString(triplet)
		}
		i += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// forwarded tells the URL of a handshake by the headers that a trusted proxy
// added.
func forwarded(trusted proxy.Trusted, h *verifier.Handshake) (string, error) {
	if !trusted.Sent(h.RemoteAddr) {
		return "", errors.New("the handshake came from no trusted proxy")
	}
	if h.URL == nil {
		return "", errors.New("the handshake has no URL")
	}
	single := func(name, fallback string) (string, error) {
		switch values := h.Header.Values(name); {
		case len(values) == 0 && fallback != "":
			return fallback, nil
		case len(values) != 1 || values[0] == "" || strings.ContainsAny(values[0], ", /?#@"):
			return "", fmt.Errorf("%s is not one value", name)
		default:
			return values[0], nil
		}
	}
	scheme, err := single("X-Forwarded-Proto", schemeOf(h.TLS))
	if err != nil {
		return "", err
	}
	host, err := single("X-Forwarded-Host", h.Host)
	if err != nil {
		return "", err
	}
	return normalize(scheme + "://" + host + h.URL.EscapedPath())
}

func schemeOf(state *tls.ConnectionState) string {
	if state != nil {
		return "https"
	}
	return "http"
}
