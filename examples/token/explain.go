package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// explain says what a server would make of the token.
func (c *command) explain(ctx context.Context, args []string) error {
	f := c.flags("explain")
	asJSON := f.Bool("json", false, "print JSON")
	var s setup
	s.register(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	token, err := c.token(f.Args())
	if err != nil {
		return err
	}
	provider, secret, warnings, err := s.provider(c.getenv)
	if err != nil {
		return err
	}
	d, problem := parts(token)
	r := c.reportOf(d)
	r.Warnings = append(r.Warnings, warnings...)

	e := &explanation{command: c, setup: &s, report: r, token: token, decoded: d, keys: &recorder{inner: provider}, secret: secret}
	verdict, err := e.verdict(ctx)
	if err != nil {
		return err
	}
	r.Verdict = accepted
	if problem != nil {
		r.Problem = problem.Error()
		e.add(check{Name: "form", Result: failed, Got: problem.Error()})
	} else {
		e.add(check{Name: "form", Result: ok, Got: "three parts that can be read"})
		e.checkKey(ctx)
		e.checkClaims(ctx)
	}
	if verdict != nil {
		r.Verdict = refused
		if r.Client, err = json.Marshal(verdict); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Checks, func(k check) bool { return k.Result == failed }) {
			e.add(check{Name: "the rest", Result: failed, Got: verdict.Error()}) // a check without a separate row
		}
	}
	if err := c.show(r, *asJSON); err != nil {
		return err
	}
	if verdict != nil {
		return errRefused
	}
	return nil
}

// explanation finds out which checks fail. A verifier stops at the first that does,
// so each is asked for by itself.
type explanation struct {
	*command
	setup   *setup
	report  *report
	token   string
	decoded *decoded
	keys    *recorder
	secret  string
}

func (e *explanation) add(k check) { e.report.Checks = append(e.report.Checks, k) }

// verdict is what the server says: a refusal, or nil. err says that it could not be
// set up so.
func (e *explanation) verdict(ctx context.Context) (_ *verifier.UnauthorizedError, err error) {
	options := append(append(e.claimOptions(), e.headerOptions()...), e.tolerance()...)
	v, err := verifier.New(e.keys, append(options, verifier.WithClock(e.now))...)
	if err != nil {
		return nil, err
	}
	_, err = v.Verify(ctx, e.token)
	return verifier.AsUnauthorized(err), nil
}

// tolerance is that of the command's option, or the server's default.
func (e *explanation) tolerance() []verifier.Option {
	if e.setup.tolerance == 0 {
		return nil
	}
	return []verifier.Option{verifier.ClockTolerance(e.setup.tolerance)}
}

func (e *explanation) headerOptions() (options []verifier.Option) {
	if len(e.setup.types) > 0 {
		options = append(options, verifier.Type(e.setup.types...))
	}
	if len(e.setup.algorithms) > 0 {
		var algorithms []verifier.Algorithm
		for _, a := range e.setup.algorithms {
			algorithms = append(algorithms, verifier.Algorithm(a))
		}
		options = append(options, verifier.Algorithms(algorithms...))
	}
	return options
}

func (e *explanation) claimOptions() (options []verifier.Option) {
	if len(e.setup.audiences) > 0 {
		options = append(options, verifier.Audience(e.setup.audiences...))
	}
	if len(e.setup.issuers) > 0 {
		options = append(options, verifier.Issuer(e.setup.issuers...))
	}
	if len(e.setup.scopes) > 0 {
		options = append(options, verifier.RequireScope(e.setup.scopes...))
	}
	if e.setup.maxAge != 0 {
		options = append(options, verifier.MaxAge(e.setup.maxAge))
	}
	return options
}

// lenient are the options of a verifier that looks at nothing but the signature.
func (e *explanation) lenient(more ...verifier.Option) []verifier.Option {
	return append(more, verifier.WithClock(e.now), verifier.IgnoreExpiration(), verifier.IgnoreNotBefore(),
		verifier.IgnoreConfirmation(), verifier.MaxTokenLength(16*maxInput))
}

// checkKey looks at typ, alg, key and signature.
func (e *explanation) checkKey(ctx context.Context) {
	typ, _ := e.decoded.header["typ"].(string)
	alg, _ := e.decoded.header["alg"].(string)
	kid, named := e.decoded.header["kid"].(string)

	u := e.ask(ctx, e.keys, e.lenient(e.headerOptions()...))
	of := check{Name: "type", Result: ok, Got: text(e.decoded.header["typ"])}
	if u != nil && u.Reason == verifier.ErrTypeMismatch {
		of.Result, of.Expected, of.Hint = failed, "an access token, typ JWT, at+jwt or none", "it is another kind of token: is it an ID token, or a proof?"
		if len(e.setup.types) > 0 {
			of.Expected, of.Hint = e.setup.types.String(), ""
		}
	}
	e.add(of)
	if of.Result == failed { // what would come of it otherwise?
		s := *e.setup
		s.types = list{typ}
		other := *e
		other.setup = &s
		u = e.ask(ctx, e.keys, e.lenient(other.headerOptions()...))
	}

	reason := verifier.Reason("")
	if u != nil {
		reason = u.Reason
	}
	algorithm := check{Name: "algorithm", Result: ok, Got: text(e.decoded.header["alg"])}
	key := check{Name: "key", Result: skipped, Got: "not looked for"}
	signature := check{Name: "signature", Result: skipped, Got: "not checked"}
	switch reason {
	case verifier.ErrAlgorithmNotAllowed:
		algorithm.Result = failed
		algorithm.Expected, algorithm.Hint = e.algorithms(alg)
	case verifier.ErrKeyNotFound, verifier.ErrIssuerMismatch:
		key.Result, key.Expected, key.Got = failed, "one of "+names(e.keys.all), "kid "+text(e.decoded.header["kid"])
		if len(e.keys.all) == 0 {
			key.Expected, key.Hint = "a key for its iss", "these keys are for tokens of one issuer only, and the token's iss is "+text(e.decoded.claims["iss"])
		} else if named {
			key.Hint = fmt.Sprintf("no key has the kid %q: was it rotated out, or is the token another environment's?", kid)
		}
	case verifier.ErrKeysUnavailable:
		key.Result, key.Expected, key.Got, key.Hint = failed, "the keys", u.Error(), certificateHint(u)
	case verifier.ErrSignatureInvalid:
		key.Result, key.Got = ok, names(e.keys.candidates)
		signature.Result, signature.Expected, signature.Got = failed, "one by "+names(e.keys.candidates), "another, or the token was changed"
		signature.Hint = e.signatureHint(ctx)
	case verifier.ErrTokenMalformed, verifier.ErrTokenTooLong:
		algorithm.Result, algorithm.Got = skipped, "not looked at"
		e.report.Checks[0] = check{Name: "form", Result: failed, Got: u.Error()}
	default:
		key.Result, signature.Result, signature.Got = ok, ok, "holds"
		key.Got = names(e.keys.candidates)
	}
	e.add(algorithm)
	e.add(key)
	e.add(signature)
}

// ask verifies the token with the keys and options.
func (e *explanation) ask(ctx context.Context, provider verifier.KeyProvider, options []verifier.Option) *verifier.UnauthorizedError {
	v, err := verifier.New(provider, options...)
	if err == nil {
		_, err = v.Verify(ctx, e.token)
	}
	return verifier.AsUnauthorized(err)
}

// certificateHint says how Go's programs trust a private certificate authority.
func certificateHint(err error) string {
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return "is it a private certificate authority? Set SSL_CERT_FILE to the file of its certificate (not on macOS and Windows)"
	}
	return ""
}

// algorithms says which would be accepted, and why the token's is not.
func (e *explanation) algorithms(alg string) (expected, hint string) {
	var allowed []string
	for _, k := range e.keys.candidates {
		for _, a := range k.Algorithms() {
			if !slices.Contains(allowed, string(a)) {
				allowed = append(allowed, string(a))
			}
		}
	}
	if len(allowed) == 0 { // it did not come to keys
		expected = "one that is supported"
		if len(e.setup.algorithms) > 0 {
			expected = e.setup.algorithms.String()
		}
		switch {
		case strings.EqualFold(alg, "none"):
			hint = "a token that nobody signed is never accepted"
		case strings.HasPrefix(alg, "HS") && len(e.setup.algorithms) == 0:
			expected, hint = "one for public keys, such as RS256", secretForPublic
		}
		return expected, hint
	}
	expected = strings.Join(allowed, ", ")
	symmetric, secret := strings.HasPrefix(alg, "HS"), strings.HasPrefix(allowed[0], "HS")
	switch {
	case symmetric && !secret:
		hint = secretForPublic
	case !symmetric && secret:
		hint = "the token is signed with a private key, and this is a shared secret: give the issuer's public key"
	case symmetric:
		hint = "the secret is too short for its hash (RFC 7518 §3.2)"
	default:
		hint = "the key is of another kind, or its JWK allows one alg only"
	}
	return expected, hint
}

const secretForPublic = "the token is signed with a shared secret, and these are public keys: a public key as a secret would let anybody sign (RFC 8725 §3.1)"

// signatureHint tries what a secret is often taken for.
func (e *explanation) signatureHint(ctx context.Context) string {
	if e.secret == "" {
		return ""
	}
	decoded, _ := hex.DecodeString(strings.TrimSpace(e.secret))
	for _, attempt := range []struct {
		load func() (*keys.Set, error)
		hint string
	}{
		{func() (*keys.Set, error) { return keys.Secret([]byte(e.secret), keys.InsecureAllowShortSecret()) }, "it holds with the secret as it is: use -secret-env (keys.Secret)"},
		{func() (*keys.Set, error) {
			return keys.Secret([]byte(strings.TrimSpace(e.secret)), keys.InsecureAllowShortSecret())
		}, "it holds with the secret without the white space around it"},
		{func() (*keys.Set, error) {
			return keys.Base64Secret(strings.TrimSpace(e.secret), keys.InsecureAllowShortSecret())
		}, "it holds with the secret decoded from base64: use -base64-secret-env (keys.Base64Secret)"},
		{func() (*keys.Set, error) { return keys.Secret(decoded, keys.InsecureAllowShortSecret()) }, "it holds with the secret decoded from hexadecimal"},
	} {
		set, err := attempt.load()
		if err == nil && e.ask(ctx, set, e.lenient(verifier.Type(e.typ()))) == nil {
			return attempt.hint
		}
	}
	return ""
}

func (e *explanation) typ() string {
	typ, _ := e.decoded.header["typ"].(string)
	return typ
}

// names names keys for people.
func names(list []*verifier.Key) string {
	var words []string
	for _, k := range list {
		id := "a key without kid"
		if k.ID() != "" {
			id = fmt.Sprintf("kid %q", k.ID())
		}
		var algorithms []string
		for _, a := range k.Algorithms() {
			algorithms = append(algorithms, string(a))
		}
		words = append(words, id+" ("+strings.Join(algorithms, ", ")+")")
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
