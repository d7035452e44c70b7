package verifier

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
)

// Handshake is what a client presented when it opened a connection or a
// namespace: the input of every [Extractor]. A Socket.IO server fills it in. The
// zero value presents nothing. Do not change it after you have passed it on.
type Handshake struct {
	// Method and URL are those of the HTTP request that opened the
	// connection. URL is nil where there was none.
	Method string
	URL    *url.URL

	// Host is the Host header of that request.
	Host string

	// Header holds its headers.
	Header http.Header

	// Query holds the query parameters the client gave: those of the
	// connection, with those of the namespace's CONNECT packet laid over them.
	Query url.Values

	// Auth is what the client sent inside Socket.IO: the auth payload of
	// clients 3.x and later, or the argument of an "authenticate" event, as
	// encoding/json decodes it into an any. Nil if it sent none.
	Auth any

	// InBand says that Auth is the argument of an "authenticate" event, sent
	// over a connection that was opened earlier. The connection's query and
	// Authorization header are then no longer what the client presents, and
	// [Query] and [BearerHeader] find nothing; [Cookie] still does.
	InBand bool

	// Namespace is the Socket.IO namespace to be entered, "/" by default.
	Namespace string

	// RemoteAddr is the peer's network address, as in [http.Request].
	RemoteAddr string

	// TLS is the state of the connection, nil without TLS.
	TLS *tls.ConnectionState
}

// HandshakeFromRequest describes the HTTP request r as a handshake of the
// namespace "/". The header and TLS state are shared with r, not copied.
func HandshakeFromRequest(r *http.Request) *Handshake {
	return &Handshake{
		Method:     r.Method,
		URL:        r.URL,
		Host:       r.Host,
		Header:     r.Header,
		Query:      r.URL.Query(),
		Namespace:  "/",
		RemoteAddr: r.RemoteAddr,
		TLS:        r.TLS,
	}
}

// errCookieConflict is the cause when a cookie has two values.
var errCookieConflict = errors.New("the cookie occurs with two different values")

// cookie returns the value of the named cookie, "" if there is none. The same
// name with two values is an error: which one a server reads is otherwise up to
// anyone who could add the second (a sibling domain, for one).
func (h *Handshake) cookie(name string) (string, error) {
	value := ""
	// Cookies of other software that are malformed are passed over.
	for i, c := range (&http.Request{Header: h.Header}).CookiesNamed(name) {
		if i > 0 && c.Value != value {
			return "", errCookieConflict
		}
		value = c.Value
	}
	return value, nil
}
