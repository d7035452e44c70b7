package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// list is an option that can be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// setup is what the server is set up with, as far as the command's options say.
type setup struct {
	secretEnv, base64Env, pem, jwk, url, oidc, auth0 string
	allowHTTP                                        bool

	issuers, audiences, algorithms, types, scopes list
	tolerance, maxAge                             time.Duration
}

func (s *setup) register(f *flag.FlagSet) {
	f.StringVar(&s.secretEnv, "secret-env", "", "the keys: the environment `variable` with the shared secret")
	f.StringVar(&s.base64Env, "base64-secret-env", "", "the keys: the environment `variable` with the shared secret in base64")
	f.StringVar(&s.pem, "pem", "", "the keys: a PEM `file` of public keys or certificates")
	f.StringVar(&s.jwk, "jwk", "", "the keys: a `file` with a JWK or a JWK Set")
	f.StringVar(&s.url, "jwks", "", "the keys: the https `URL` of a JWK Set")
	f.StringVar(&s.oidc, "oidc", "", "the keys: those of an OpenID Connect `issuer`")
	f.StringVar(&s.auth0, "auth0", "", "the keys: those of an Auth0 `domain`")
	f.BoolVar(&s.allowHTTP, "insecure-allow-http", false, "allow an http URL of this machine's")
	f.Var(&s.issuers, "issuer", "an `issuer` that is accepted; may be given several times")
	f.Var(&s.audiences, "audience", "an `audience` that is accepted; may be given several times")
	f.Var(&s.algorithms, "alg", "an `algorithm` that is accepted; may be given several times (default: those of the keys)")
	f.Var(&s.types, "type", "a `typ` that is accepted; may be given several times")
	f.Var(&s.scopes, "scope", "a `scope` that is required; may be given several times")
	f.DurationVar(&s.tolerance, "tolerance", 0, "how far the clocks may differ")
	f.DurationVar(&s.maxAge, "max-age", 0, "how long ago it may have been issued")
}

// provider makes the key provider. The warnings are about the keys.
func (s *setup) provider(getenv func(string) string) (p verifier.KeyProvider, secret string, warnings []string, err error) {
	var given []string
	for _, source := range []struct{ name, value string }{
		{"-secret-env", s.secretEnv}, {"-base64-secret-env", s.base64Env}, {"-pem", s.pem}, {"-jwk", s.jwk},
		{"-jwks", s.url}, {"-oidc", s.oidc}, {"-auth0", s.auth0},
	} {
		if source.value != "" {
			given = append(given, source.name)
		}
	}
	if len(given) != 1 {
		return nil, "", nil, fmt.Errorf("say where the keys are, by one of -secret-env, -base64-secret-env, -pem, -jwk, -jwks, -oidc and -auth0: %d are given", len(given))
	}
	options := []jwks.Option{jwks.WithLogger(slog.New(slog.DiscardHandler))}
	if s.allowHTTP {
		options = append(options, jwks.InsecureAllowHTTP())
	}
	file := func(path string, load func([]byte, ...keys.Option) (*keys.Set, error)) (verifier.KeyProvider, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return load(data)
	}
	switch given[0] {
	case "-secret-env", "-base64-secret-env":
		name := s.secretEnv + s.base64Env
		load := keys.Base64Secret
		if s.secretEnv != "" {
			load = func(text string, options ...keys.Option) (*keys.Set, error) {
				return keys.Secret([]byte(text), options...)
			}
		}
		if secret = getenv(name); secret == "" {
			return nil, "", nil, fmt.Errorf("the environment variable %s is empty", name)
		}
		set, err := load(secret)
		if err != nil { // too short, perhaps: what does the token say with it?
			short, again := load(secret, keys.InsecureAllowShortSecret())
			if again != nil {
				return nil, "", nil, err
			}
			set, warnings = short, append(warnings, err.Error()+": a server takes it with keys.InsecureAllowShortSecret only, and anyone who has one token can guess it")
		}
		return set, secret, warnings, nil
	case "-pem":
		p, err = file(s.pem, keys.PEM)
	case "-jwk":
		p, err = file(s.jwk, keys.JWKSet)
	case "-jwks":
		p, err = jwks.URL(s.url, options...)
	case "-oidc":
		p, err = jwks.OIDC(s.oidc, options...)
	case "-auth0":
		p, err = jwks.Auth0(s.auth0, options...)
	}
	return p, "", nil, err
}

// recorder is a key provider that remembers which keys there were.
type recorder struct {
	inner      verifier.KeyProvider
	candidates []*verifier.Key // for the token
	all        []*verifier.Key // for the same token without its kid
}

func (r *recorder) Keys(ctx context.Context, t *verifier.UnverifiedToken) (_ []*verifier.Key, err error) {
	if r.candidates, err = r.inner.Keys(ctx, t); err != nil {
		return nil, err
	}
	kid := t.Header.KeyID
	t.Header.KeyID = ""
	r.all, _ = r.inner.Keys(ctx, t) // only to name them
	t.Header.KeyID = kid
	return r.candidates, nil
}

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
		key.Result, key.Expected, key.Got = failed, "the keys", u.Error()
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
		if strings.EqualFold(alg, "none") {
			hint = "a token that nobody signed is never accepted"
		}
		return expected, hint
	}
	expected = strings.Join(allowed, ", ")
	symmetric, secret := strings.HasPrefix(alg, "HS"), strings.HasPrefix(allowed[0], "HS")
	switch {
	case symmetric && !secret:
		hint = "the token is signed with a shared secret, and these are public keys: a public key as a secret would let anybody sign (RFC 8725 §3.1)"
	case !symmetric && secret:
		hint = "the token is signed with a private key, and this is a shared secret: give the issuer's public key"
	case symmetric:
		hint = "the secret is too short for its hash (RFC 7518 §3.2)"
	default:
		hint = "the key is of another kind, or its JWK allows one alg only"
	}
	return expected, hint
}

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
