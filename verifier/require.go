package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/base64url"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// The options of this file ask more of a token's claims. They are checked after
// the built-in checks, in the order in which they are given.

// RequireExpiration refuses tokens without exp ([ErrClaimInvalid]). By default a token without
// exp never expires.
func RequireExpiration() Option { return RequireClaims("exp") }

// RequireClaims refuses tokens that lack one of the claims ([ErrClaimInvalid]). A claim that is
// null or an empty string counts as absent.
func RequireClaims(names ...string) Option {
	if err := nonEmpty("RequireClaims", names); err != nil {
		return failing(err)
	}
	names = slices.Clone(names)
	return checking(func(t *Token) error {
		for _, name := range names {
			if text, ok := t.claim(name); !ok || text == `""` {
				return refuse(ErrClaimInvalid, "claim required: "+name, nil)
			}
		}
		return nil
	})
}

// AccessTokenProfile requires OAuth 2.0 access tokens as RFC 9068 §2 defines them: typ is at+jwt
// ([ErrTypeMismatch] otherwise), and iss, exp, aud, sub, client_id, iat and jti are present
// ([ErrClaimInvalid] otherwise). The profile needs an expected issuer and audience (RFC 9068 §4):
// [New] returns an error unless [Issuer] and [Audience], or the options Matching or Func of
// these, are given too.
func AccessTokenProfile() Option {
	return func(c *config) error {
		c.profile = true
		if err := Type(accessTokenType)(c); err != nil {
			return err
		}
		return RequireClaims("iss", "exp", "aud", "sub", "client_id", "iat", "jti")(c)
	}
}

// IssuerFunc is [Issuer] with a function that accepts or refuses iss. It is called from many
// goroutines at once, and never with "": a token without iss is refused.
func IssuerFunc(f func(issuer string) bool) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("verifier: IssuerFunc: the function is nil")
		}
		return c.expectIssuer(&matcher{accept: f, shown: "one that the server knows"})
	}
}

// AudienceFunc is [Audience] with a function: it must accept at least one of the audiences in
// aud. It is called from many goroutines at once. A token without aud is refused.
func AudienceFunc(f func(audience string) bool) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("verifier: AudienceFunc: the function is nil")
		}
		return c.expectAudience(&matcher{accept: f, shown: "one that the server knows"})
	}
}

// ClaimEquals requires that the claim equal the value and have its JSON type: the string "1" does
// not equal the number 1, and 1.0 does not equal the integer 1. Otherwise the token is refused
// ([ErrClaimMismatch]).
func ClaimEquals[T ~string | ~bool | ~int | ~int64 | ~float64](name string, value T) Option {
	if name == "" {
		return failing(errors.New("verifier: ClaimEquals: the name is empty"))
	}
	return checking(func(t *Token) error {
		text, ok := t.claim(name)
		var got T
		if !ok || json.Unmarshal([]byte(text), &got) != nil || got != value {
			return mismatch(name)
		}
		return nil
	})
}

// ClaimIncludes requires that the claim, a list of strings or a single string, contain all of the
// values. Otherwise the token is refused ([ErrClaimMismatch]).
func ClaimIncludes(name string, values ...string) Option {
	if name == "" {
		return failing(errors.New("verifier: ClaimIncludes: the name is empty"))
	}
	return demand("ClaimIncludes", values, func(t *Token, want []string) bool { return hasAll(t.list(name), want) },
		ErrClaimMismatch, "jwt "+name+" invalid")
}

// ClaimMatches requires that the claim be a string that matches the pattern, which must be
// anchored at both ends: ^...$. Otherwise the token is refused ([ErrClaimMismatch]).
func ClaimMatches(name string, pattern *regexp.Regexp) Option {
	m, err := anchored("ClaimMatches", pattern)
	if name == "" {
		err = errors.New("verifier: ClaimMatches: the name is empty")
	}
	if err != nil {
		return failing(err)
	}
	return checking(func(t *Token) error {
		text, _ := t.claim(name)
		if s, ok := strictjson.String(text); !ok || !m.match(s) {
			return mismatch(name)
		}
		return nil
	})
}

// HeaderEquals requires that a member of the token's protected header equal this string (RFC 7515
// §4). Otherwise the token is refused ([ErrHeaderMismatch]). The tokens of an AWS load balancer
// need it: all load balancers of a region share their keys, and the member signer says which of
// them signed.
//
//	verifier.HeaderEquals("signer", "arn:aws:elasticloadbalancing:…")
func HeaderEquals(name, value string) Option {
	if name == "" || value == "" {
		return failing(errors.New("verifier: HeaderEquals: the name or the value is empty"))
	}
	return func(c *config) error {
		c.aboutHeader = true
		return checking(func(t *Token) error {
			if got, ok := t.headerMember(name); !ok || got != value {
				return refuse(ErrHeaderMismatch, "jwt "+name+" invalid", fmt.Errorf("the header's %s is %.200q, expected %q", name, got, value))
			}
			return nil
		})(c)
	}
}

// headerMember returns a member of the token's header that is a string. The header was
// read to its end, and strictly, before the token was accepted.
func (t *Token) headerMember(name string) (value string, ok bool) {
	segment, _, _ := strings.Cut(t.raw, ".")
	text, _ := base64url.Decode(nil, base64url.Unpad(segment))
	o := strictjson.New(string(text))
	for o.Next() {
		if o.Name == name {
			value, ok = strictjson.String(o.Value)
		}
	}
	return value, ok
}

// RequireScope requires that the token have all of these scopes: see [Token.Scopes]. Otherwise it
// is refused ([ErrScopeMismatch]). The refusal does not say which scope is missing.
func RequireScope(scopes ...string) Option {
	return demand("RequireScope", scopes, func(t *Token, want []string) bool { return hasAll(t.Scopes(), want) },
		ErrScopeMismatch, "insufficient scope")
}

// RequireAnyScope is [RequireScope] for tokens that have at least one of these scopes.
func RequireAnyScope(scopes ...string) Option {
	return demand("RequireAnyScope", scopes, func(t *Token, want []string) bool { return hasAny(t.Scopes(), want) },
		ErrScopeMismatch, "insufficient scope")
}

// RequirePermission requires that the token have all of these permissions: see
// [Token.Permissions]. Otherwise it is refused ([ErrScopeMismatch]).
func RequirePermission(permissions ...string) Option {
	return demand("RequirePermission", permissions, func(t *Token, want []string) bool { return hasAll(t.Permissions(), want) },
		ErrScopeMismatch, "insufficient permissions")
}

// RequireAnyPermission is [RequirePermission] for tokens that have at least one of these
// permissions.
func RequireAnyPermission(permissions ...string) Option {
	return demand("RequireAnyPermission", permissions, func(t *Token, want []string) bool { return hasAny(t.Permissions(), want) },
		ErrScopeMismatch, "insufficient permissions")
}

// Scopes returns the token's scopes, nil if it has none: the claim scope, a string with spaces in
// between (RFC 8693 §4.2) or a list of strings. A token without scope has them in scp, which is
// a string at Azure and a list at Okta.
func (t *Token) Scopes() []string {
	for _, name := range []string{"scope", "scp"} {
		if text, ok := t.claim(name); ok {
			if s, ok := strictjson.String(text); ok {
				return strings.Fields(s)
			}
			return t.list(name)
		}
	}
	return nil
}

// Permissions returns the claim permissions, a list of strings as Auth0 has it; nil if the token
// has none.
func (t *Token) Permissions() []string { return t.list("permissions") }

// claim returns the JSON text of the named claim; ok is false if the token has
// none, or null in its place.
func (t *Token) claim(name string) (text string, ok bool) {
	o := strictjson.New(t.payload)
	for o.Next() {
		if o.Name == name {
			text, ok = o.Value, o.Value != "null"
		}
	}
	return text, ok && o.Err == nil
}

// list returns a claim that is a list of strings, or a single one; nil if it is
// anything else.
func (t *Token) list(name string) []string {
	text, ok := t.claim(name)
	if !ok {
		return nil
	}
	list, _ := audience(text, new([1]string))
	return list
}

func hasAll(got, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(got, w) })
}

func hasAny(got, want []string) bool {
	return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(got, w) })
}

// demand makes the option that holds reports true of every token and the values.
func demand(option string, values []string, holds func(t *Token, want []string) bool, reason Reason, message string) Option {
	if err := nonEmpty(option, values); err != nil {
		return failing(err)
	}
	values = slices.Clone(values)
	return checking(func(t *Token) error {
		if !holds(t, values) {
			return refuse(reason, message, nil)
		}
		return nil
	})
}

func mismatch(name string) error { return refuse(ErrClaimMismatch, "jwt "+name+" invalid", nil) }

// checking makes an option of a check that sees only the token.
func checking(f func(*Token) error) Option {
	return Validate(ClaimValidatorFunc(func(_ context.Context, t *Token, _ *Handshake) error { return f(t) }))
}

// failing is an option that has New fail.
func failing(err error) Option { return func(*config) error { return err } }
