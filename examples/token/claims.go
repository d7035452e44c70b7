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

// checkClaims looks at the claims, whether or not the signature holds.
func (e *explanation) checkClaims(ctx context.Context) {
	claims := verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) { return active(e.decoded.claimsText) })
	ask := func(options ...verifier.Option) error {
		options = append(options, e.tolerance()...)
		v, err := verifier.NewOpaque(claims, append(options, verifier.WithClock(e.now), verifier.MaxTokenLength(16*maxInput), verifier.IgnoreTokenUse())...)
		if err != nil {
			return err
		}
		if _, err = v.Verify(ctx, e.token); err != nil {
			return err
		}
		return nil
	}
	lax := []verifier.Option{verifier.IgnoreConfirmation(), verifier.IgnoreExpiration(), verifier.IgnoreNotBefore()}
	now := e.now().UTC().Format(time.RFC3339)
	// What fails whatever is asked for is not a row's fault.
	always := verifier.AsUnauthorized(ask(lax...))
	if always != nil {
		e.add(check{Name: "claims", Result: failed, Got: always.Message})
	}
	row := func(name, expected, got, hint string, present bool, err error) {
		k := check{Name: name, Result: ok, Got: got}
		u := verifier.AsUnauthorized(err)
		switch {
		case u != nil && (always == nil || u.Message != always.Message):
			k.Result, k.Expected, k.Hint = failed, expected, hint
		case !present:
			k.Result = skipped
		}
		e.add(k)
	}

	for _, t := range []struct {
		claim, name, expected, hint string
		option                      []verifier.Option
	}{
		{"nbf", "not before", "not after now, " + now, "do the clocks differ? -tolerance, or verifier.ClockTolerance, forgives some seconds", []verifier.Option{lax[0], lax[1]}},
		{"exp", "expiry", "after now, " + now, "", []verifier.Option{lax[0], lax[2]}},
	} {
		got := "none, which is accepted"
		_, present := e.decoded.claims[t.claim]
		if at, ok := e.decoded.date(t.claim); ok {
			got = when(t.claim, at, e.now()) + " (" + at.Format(time.RFC3339) + ")"
		} else if present {
			got = text(e.decoded.claims[t.claim])
		}
		row(t.name, t.expected, got, t.hint, present, ask(t.option...))
	}
	if want := e.setup.audiences; len(want) > 0 {
		row("audience", strings.Join(want, " or "), text(e.decoded.claims["aud"]), slash(want, e.decoded.claims["aud"]), true, ask(append(lax, verifier.Audience(want...))...))
	} else {
		row("audience", "", "any is accepted: give -audience", "", false, nil)
	}
	if want := e.setup.issuers; len(want) > 0 {
		row("issuer", strings.Join(want, " or "), text(e.decoded.claims["iss"]), slash(want, e.decoded.claims["iss"]), true, ask(append(lax, verifier.Issuer(want...))...))
	} else {
		row("issuer", "", "any is accepted: give -issuer", "", false, nil)
	}
	if want := e.setup.scopes; len(want) > 0 {
		got := e.decoded.claims["scope"]
		if got == nil {
			got = e.decoded.claims["scp"]
		}
		row("scope", want.String(), text(got), "", true, ask(append(lax, verifier.RequireScope(want...))...))
	}
	if e.setup.maxAge != 0 {
		got := "no iat"
		if at, ok := e.decoded.date("iat"); ok {
			got = when("iat", at, e.now())
		}
		row("age", "less than "+words(e.setup.maxAge), got, "", true, ask(append(lax, verifier.MaxAge(e.setup.maxAge))...))
	}
	if err := ask(lax[1], lax[2]); errors.Is(err, verifier.ErrTokenBound) {
		row("binding", "a token that is bound to no key", "cnf "+text(e.decoded.claims["cnf"]), "the server needs package dpop or mtls, which this command has not", true, err)
	}
}

// active returns the claims as an introspection endpoint does for a token that is
// active: the checks of claims can then be had without a signature.
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
				return "they differ by a slash at the end, and that counts"
			}
		}
	}
	return ""
}
