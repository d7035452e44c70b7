// Package httpauth authorizes HTTP requests by the policy of the sockets: the same
// [socketio.Authenticator], the same [socketio.Registry], the same errors. Start
// with [New] and [Guard.Require].
//
//	guard, err := httpauth.New(v, registry, nil)
//	http.Handle("GET /messages", guard.Require(messages))
//
// A handler behind the guard finds the token with [Token]. A request without a good
// one never reaches it.
//
// # What it checks
//
// The token comes from the Authorization header, or wherever the authenticator's
// extractor looks, but never from the URL's query, unless
// [Options.InsecureAllowQuery] is set: servers, proxies and browsers keep URLs
// (RFC 6750 §2.3, RFC 9700 §4.3.2). Revoked tokens are refused, and so is every
// token while the registry cannot tell.
//
// A browser adds cookies to requests of any page. A request that changes something
// (any method but GET, HEAD, OPTIONS) and has no Authorization header must
// therefore come from the server's own origin or from one of
// [Options.TrustedOrigins], by [http.CrossOriginProtection].
//
// # What it does not do
//
// It answers no CORS preflight: put a CORS middleware in front of it. It limits no
// response in time: one that streams for longer than its token lives must look at
// [verifier.Token.ValidUntil].
package httpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// ErrCrossOrigin is the reason of a request that a page of another origin made
// with a cookie.
const ErrCrossOrigin verifier.Reason = "cross_origin"

// Options sets up a [Guard]. The zero value is the default.
type Options struct {
	// Realm names what is protected, in WWW-Authenticate (RFC 9110 §11.5). There
	// is none by default.
	Realm string

	// TrustedOrigins are other origins, such as "https://app.example.com", whose
	// pages may make requests with cookies. There are none by default.
	TrustedOrigins []string

	// InsecureAllowQuery has tokens taken from the URL's query too, where the
	// authenticator's extractor looks there. By default the query has none.
	InsecureAllowQuery bool

	// DPoPAlgorithms announces, in WWW-Authenticate, that tokens may be bound to
	// a key, and which algorithms proofs may have (RFC 9449 §7.1). The
	// authenticator decides; this only tells clients.
	DPoPAlgorithms []verifier.Algorithm

	// Policy is more of what the sockets are authorized by: socketio.User,
	// socketio.MaxFailures, socketio.OnFailure, socketio.Optional,
	// socketio.NeutralMessages, socketio.Observe, socketio.WithLogger. Options
	// about sessions, such as socketio.SessionLimit, do not belong here.
	Policy []socketio.Option
}

// Guard authorizes HTTP requests. It is safe for concurrent use.
type Guard struct {
	authorizer *socketio.Authorizer
	origins    *http.CrossOriginProtection
	o          Options
}

// New makes a guard of an authenticator and of the registry that the sockets use
// (see socketio.WithRegistry). Nil options are the defaults.
func New(auth socketio.Authenticator, registry *socketio.Registry, o *Options) (*Guard, error) {
	if registry == nil {
		return nil, errors.New("httpauth: New: the registry is nil: give the one of the sockets, or socketio.NewRegistry(nil)")
	}
	g := &Guard{origins: http.NewCrossOriginProtection()}
	if o != nil {
		g.o = *o
	}
	for _, origin := range g.o.TrustedOrigins {
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("httpauth: New: TrustedOrigins: %w", err)
		}
	}
	if printable(g.o.Realm) != g.o.Realm {
		return nil, fmt.Errorf("httpauth: New: Realm is %q: expected printable ASCII without quotes and backslashes", g.o.Realm)
	}
	options := append([]socketio.Option{socketio.ByHandshake(), socketio.WithRegistry(registry)}, g.o.Policy...)
	var err error
	if g.authorizer, err = socketio.New(auth, options...); err != nil {
		return nil, fmt.Errorf("httpauth: New: %w", err)
	}
	if g.authorizer.Registry() != registry {
		return nil, errors.New("httpauth: New: Policy has another registry")
	}
	return g, nil
}

// Require is a middleware: next handles the requests that have a good token, and
// with socketio.Optional those that have none at all.
func (g *Guard) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r, ok := g.Check(w, r); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// Check is [Guard.Require] for frameworks with middleware of another form. It
// returns the request with its token in the context, or answers the request and
// returns false.
func (g *Guard) Check(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	pass, err := g.admit(r)
	if err != nil {
		g.refuse(w, r, err, "")
		return nil, false
	}
	return r.WithContext(context.WithValue(r.Context(), contextKey{}, admitted{g, pass})), true
}

func (g *Guard) admit(r *http.Request) (*socketio.Pass, error) {
	if r.Header.Get("Authorization") == "" {
		if err := g.origins.Check(r); err != nil {
			return nil, &verifier.UnauthorizedError{
				Code: "cross_origin", Message: "the request comes from another origin", Reason: ErrCrossOrigin, Err: err,
			}
		}
	}
	h := verifier.HandshakeFromRequest(r)
	if !g.o.InsecureAllowQuery {
		h.Query = nil
	}
	return g.authorizer.Admit(r.Context(), h)
}

// contextKey is the key of what a guard puts into a request's context.
type contextKey struct{}

type admitted struct {
	guard *Guard
	pass  *socketio.Pass // nil for a guest
}

// Token returns the token of a request that a guard has admitted, nil if there is
// none: behind no guard, and of a guest.
func Token(ctx context.Context) *verifier.Token {
	if a, _ := ctx.Value(contextKey{}).(admitted); a.pass != nil {
		return a.pass.Token()
	}
	return nil
}

// User returns what the function of socketio.User made of the token, nil without
// one.
func User(ctx context.Context) any {
	if a, _ := ctx.Value(contextKey{}).(admitted); a.pass != nil {
		return a.pass.User()
	}
	return nil
}

// RequireScope is a middleware for routes behind a guard: next handles the requests
// whose token has all the scopes, others are answered 403 (RFC 6750 §3.1). Behind
// no guard every request is answered 500.
func RequireScope(scopes ...string) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, ok := r.Context().Value(contextKey{}).(admitted)
			switch {
			case !ok || len(scopes) == 0:
				http.Error(w, "internal server error", http.StatusInternalServerError)
			case a.pass == nil:
				a.guard.refuse(w, r, &verifier.UnauthorizedError{
					Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing,
				}, "")
			case !hasAll(a.pass.Token().Scopes(), scopes):
				a.guard.refuse(w, r, &verifier.UnauthorizedError{
					Code: verifier.CodeInvalidToken, Message: "insufficient scope", Reason: verifier.ErrScopeMismatch,
				}, strings.Join(scopes, " "))
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

func hasAll(have, want []string) bool {
	for _, w := range want {
		found := false
		for _, h := range have {
			found = found || h == w
		}
		if !found {
			return false
		}
	}
	return true
}
