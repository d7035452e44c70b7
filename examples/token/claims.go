package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// lax are options of a verifier that neither requires a proof of possession nor looks at
// exp or nbf.
var lax = []verifier.Option{verifier.IgnoreConfirmation(), verifier.IgnoreExpiration(), verifier.IgnoreNotBefore()}

// checkClaims looks at the claims, whether or not the signature holds.
func (e *explanation) checkClaims(ctx context.Context) {
	c := &claimChecks{explanation: e, ctx: ctx}
	if c.always = verifier.AsUnauthorized(c.ask(lax...)); c.always != nil {
		e.add(check{Name: "claims", Result: failed, Got: c.always.Message})
	}
	c.dates()
	c.names("audience", "aud", e.setup.audiences, verifier.Audience)
	if s := e.setup; len(s.issuers) == 0 && (s.auth0 != "" || s.oidc != "") {
		c.row("issuer", "", "the keys are only for their issuer: see key", "", false, nil)
	} else {
		c.names("issuer", "iss", s.issuers, verifier.Issuer)
	}
	c.scopes()
	c.age()
	if err := c.ask(lax[1], lax[2]); errors.Is(err, verifier.ErrTokenBound) {
		c.row("binding", "a token that is not bound to a key", "cnf "+text(e.decoded.claims["cnf"]), "the server needs package dpop or mtls, which this command does not have", true, err)
	}
}

// claimChecks are the checks of one token's claims.
type claimChecks struct {
	*explanation
	ctx    context.Context
	always *verifier.UnauthorizedError // what fails whatever is asked for, and is not a row's fault
}

// ask verifies the claims without the signature.
func (c *claimChecks) ask(options ...verifier.Option) error {
	claims := verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) { return active(c.decoded.claimsText) })
	options = append(options[:len(options):len(options)], c.tolerance()...)
	v, err := verifier.NewOpaque(claims, append(options, verifier.WithClock(c.now), verifier.MaxTokenLength(16*maxInput), verifier.IgnoreTokenUse())...)
	if err != nil {
		return err
	}
	if _, err = v.Verify(c.ctx, c.token); err != nil {
		return err
	}
	return nil
}

// also is ask with an option beside lax.
func (c *claimChecks) also(option verifier.Option) error {
	return c.ask(append(lax[:len(lax):len(lax)], option)...)
}

func (c *claimChecks) row(name, expected, got, hint string, present bool, err error) {
	k := check{Name: name, Result: ok, Got: got}
	u := verifier.AsUnauthorized(err)
	switch {
	case u != nil && (c.always == nil || u.Message != c.always.Message):
		k.Result, k.Expected, k.Hint = failed, expected, hint
	case !present:
		k.Result = skipped
	}
	c.add(k)
}

func (c *claimChecks) dates() {
	now := c.now().UTC().Format(time.RFC3339)
	for _, t := range []struct {
		claim, name, expected, hint string
		option                      []verifier.Option
	}{
		{"nbf", "not before", "not after now, " + now, "do the clocks differ? -tolerance, or verifier.ClockTolerance, forgives some seconds", []verifier.Option{lax[0], lax[1]}},
		{"exp", "expiry", "after now, " + now, "", []verifier.Option{lax[0], lax[2]}},
	} {
		got := "none, which is accepted"
		_, present := c.decoded.claims[t.claim]
		if at, ok := c.decoded.date(t.claim); ok {
			got = when(t.claim, at, c.now()) + " (" + at.Format(time.RFC3339) + ")"
		} else if present {
			got = text(c.decoded.claims[t.claim])
		}
		c.row(t.name, t.expected, got, t.hint, present, c.ask(t.option...))
	}
}

// names checks a claim whose accepted values are given by the option of that name.
func (c *claimChecks) names(name, claim string, want []string, option func(...string) verifier.Option) {
	if len(want) == 0 {
		c.row(name, "", "any is accepted: give -"+name, "", false, nil)
		return
	}
	got := c.decoded.claims[claim]
	c.row(name, strings.Join(want, " or "), text(got), slash(want, got), true, c.also(option(want...)))
}

func (c *claimChecks) scopes() {
	want := c.setup.scopes
	if len(want) == 0 {
		return
	}
	got := c.decoded.claims["scope"]
	if got == nil {
		got = c.decoded.claims["scp"]
	}
	c.row("scope", want.String(), text(got), "", true, c.also(verifier.RequireScope(want...)))
}

func (c *claimChecks) age() {
	if c.setup.maxAge == 0 {
		return
	}
	got := "no iat"
	if at, ok := c.decoded.date("iat"); ok {
		got = when("iat", at, c.now())
	}
	c.row("age", "less than "+words(c.setup.maxAge), got, "", true, c.also(verifier.MaxAge(c.setup.maxAge)))
}

// active returns the claims as an introspection endpoint does for a token that is
// active, so that a verifier checks the claims without a signature.
func active(claims json.RawMessage) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(claims, &members); err != nil || members["active"] != nil {
		return claims, nil // the verifier says what is wrong with it
	}
	rest, _ := bytes.CutPrefix(bytes.TrimSpace(claims), []byte("{"))
	if len(members) == 0 {
		return []byte(`{"active":true}`), nil
	}
	return append([]byte(`{"active":true,`), rest...), nil
}

// slash finds the commonest of differences.
func slash(want []string, got any) string {
	for _, w := range want {
		var all []any
		if all, _ = got.([]any); all == nil {
			all = []any{got}
		}
		for _, g := range all {
			if s, ok := g.(string); ok && s != w && strings.TrimSuffix(s, "/") == strings.TrimSuffix(w, "/") {
				return "they differ by a trailing slash, which matters"
			}
		}
	}
	return ""
}
