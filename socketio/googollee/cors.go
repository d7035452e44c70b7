package googollee

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/engine"
)

// CORS lets browsers connect from pages of other origins. Pages of the server's origin,
// and clients that are not browsers, are always admitted. The names are
// those of Socket.IO's option cors. The server answers preflight requests itself.
type CORS struct {
	// Origin lists the origins, such as "https://app.example.com". "*" stands for
	// every origin.
	Origin []string

	// Credentials lets the browser send cookies, and the token may be in one. It
	// needs a list of origins: with "*" any page could use its visitor's session.
	// Without Credentials the server ignores the cookies of other origins, those
	// included that a browser sends with every websocket.
	Credentials bool
}

// check returns the engine's origin check.
func (c *CORS) check() (func(*http.Request) bool, error) {
	if len(c.Origin) == 0 {
		return nil, fmt.Errorf(`CORS.Origin is empty: expected origins such as "https://app.example.com", or "*"`)
	}
	any := false
	allowed := make(map[string]bool)
	for _, o := range c.Origin {
		if o == "*" {
			any = true
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf(`CORS.Origin has %q: expected a scheme and a host without a path, such as "https://app.example.com", or "*"`, o)
		}
		allowed[engine.NormalOrigin(o)] = true
	}
	if any && c.Credentials {
		return nil, fmt.Errorf(`CORS.Origin has "*" with Credentials: any page could use its visitor's session; list the origins`)
	}
	return func(r *http.Request) bool {
		return any || engine.SameOrigin(r) || allowed[engine.NormalOrigin(r.Header.Get("Origin"))]
	}, nil
}

// originCheck returns the check that the options ask for, nil for the default.
func (o *Options) originCheck() (check func(*http.Request) bool, noCredentials bool, err error) {
	switch {
	case o.CORS == nil:
		return o.CheckOrigin, false, nil
	case o.CheckOrigin != nil:
		return nil, false, fmt.Errorf("CORS and CheckOrigin are both set: expected one of them")
	}
	check, err = o.CORS.check()
	return check, !o.CORS.Credentials, err
}
