package httpauth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// retryAfter is how many seconds a client that may come back is told to wait.
const retryAfter = "5"

// forbidden are the reasons that say nothing about the token.
var forbidden = []verifier.Reason{ErrCrossOrigin, socketio.ErrForbidden, verifier.ErrRejected, ""}

// status returns the answer's status and the error code of WWW-Authenticate, ""
// for none (RFC 6750 §3.1, RFC 9449 §7.1).
func status(err *verifier.UnauthorizedError) (int, string) {
	switch {
	case err.Reason == verifier.ErrTokenMissing && err.Code != verifier.CodeInvalidToken:
		return http.StatusUnauthorized, "" // RFC 6750 §3.1: no error code without a token
	case err.Code == "use_dpop_nonce" || err.Code == "invalid_dpop_proof":
		return http.StatusUnauthorized, err.Code
	case err.Reason == socketio.ErrTooManyAttempts:
		return http.StatusTooManyRequests, ""
	case err.Retryable:
		return http.StatusServiceUnavailable, ""
	case err.Reason == verifier.ErrScopeMismatch:
		return http.StatusForbidden, "insufficient_scope"
	case err.Reason == socketio.ErrServer:
		return http.StatusInternalServerError, ""
	case err.Code == "" || err.Code == verifier.CodeUnknown || slices.Contains(forbidden, err.Reason):
		return http.StatusForbidden, "" // the application's refusal: another token would not help
	case err.Code == verifier.CodeCredentialsBadFormat:
		return http.StatusBadRequest, "invalid_request"
	}
	return http.StatusUnauthorized, "invalid_token"
}

// refuse answers a request that is not admitted. scope is what a route asks for.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, cause error, scope string) {
	err := verifier.AsUnauthorized(cause)
	code, name := status(err)
	h := w.Header()
	if code < http.StatusTooManyRequests && err.Reason != ErrCrossOrigin {
		for _, challenge := range g.challenges(r, err, name, scope) {
			h.Add("WWW-Authenticate", challenge)
		}
	}
	if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	if err.Nonce != "" {
		h.Set("DPoP-Nonce", err.Nonce)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(err) // a client that went away misses nothing
}

// challenges returns the fields of WWW-Authenticate: one for each scheme that
// clients may use, the error with the one that this client used.
func (g *Guard) challenges(r *http.Request, err *verifier.UnauthorizedError, name, scope string) []string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	byDPoP := strings.EqualFold(scheme, "dpop") || strings.HasPrefix(string(err.Reason), "dpop_") || strings.Contains(err.Code, "dpop")
	var details []string
	if name != "" {
		details = append(details, `error="`+name+`"`, `error_description="`+printable(err.Message)+`"`)
	}
	if scope != "" {
		details = append(details, `scope="`+printable(scope)+`"`)
	}
	var realm, algorithms []string
	if g.o.Realm != "" {
		realm = append(realm, `realm="`+g.o.Realm+`"`)
	}
	if len(g.o.DPoPAlgorithms) > 0 {
		names := make([]string, len(g.o.DPoPAlgorithms))
		for i, a := range g.o.DPoPAlgorithms {
			names[i] = string(a)
		}
		algorithms = append(algorithms, `algs="`+strings.Join(names, " ")+`"`)
	}
	var all []string
	if byDPoP {
		all = append(all, challenge("DPoP", realm, details, algorithms))
	} else {
		all = append(all, challenge("Bearer", realm, details))
	}
	if !byDPoP && algorithms != nil {
		all = append(all, challenge("DPoP", realm, algorithms))
	}
	return all
}

func challenge(scheme string, parameters ...[]string) string {
	var all []string
	for _, p := range parameters {
		all = append(all, p...)
	}
	if len(all) == 0 {
		return scheme
	}
	return scheme + " " + strings.Join(all, ", ")
}

// printable keeps what an error_description may have (RFC 6750 §3), and puts spaces in
// place of the rest.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return ' '
		}
		return r
	}, text)
}
