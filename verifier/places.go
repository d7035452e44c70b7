package verifier

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// RawHeader takes the token from the named header, whose value is the token or "Bearer <token>". It
// is for a proxy that authenticates users and passes a signed token on. Make sure that clients cannot
// reach the server past the proxy. Two different values are refused.
//
//	Cf-Access-Jwt-Assertion   Cloudflare Access
//	X-Goog-Iap-Jwt-Assertion  Google Identity-Aware Proxy
//	X-Amzn-Oidc-Data          AWS Application Load Balancer, see [AllowPadding]
func RawHeader(name string) Extractor {
	if name == "" {
		return &extractor{misused: errors.New("verifier: RawHeader: the name is empty")}
	}
	name = http.CanonicalHeaderKey(name)
	return &extractor{find: func(_ context.Context, h *Handshake) (string, error) {
		values := h.Header[name]
		if len(values) == 0 || h.InBand {
			return "", nil
		}
		for _, v := range values[1:] {
			if v != values[0] {
				return "", conflict(errors.New("the header occurs with two different values"))
			}
		}
		return withoutScheme(strings.TrimSpace(values[0])), nil
	}}
}

// Subprotocol takes the token from the header Sec-WebSocket-Protocol, for browsers
// that open a websocket and can send no other header: the client offers the name
// and behind it the token, protocols: ["access_token", token]. The server's answer
// is the name, and never the token. A name that occurs twice is refused.
func Subprotocol(name string) Extractor {
	if name == "" || strings.ContainsAny(name, ", \t") {
		return &extractor{misused: errors.New(`verifier: Subprotocol: the name must be one word, such as "access_token"`)}
	}
	return &extractor{find: func(_ context.Context, h *Handshake) (string, error) {
		if h.InBand {
			return "", nil
		}
		token, named, found := "", false, 0
		for offered := range strings.SplitSeq(strings.Join(h.Header["Sec-Websocket-Protocol"], ","), ",") {
			switch offered = strings.Trim(offered, " \t"); {
			case offered == "":
			case named:
				token, named = offered, false
			case offered == name:
				named = true
				found++
			}
		}
		if found > 1 {
			return "", conflict(errors.New("the subprotocol occurs more than once"))
		}
		return token, nil
	}}
}
