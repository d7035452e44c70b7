package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
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
	case "-secret-env":
		return secretOf(s.secretEnv, getenv, func(text string, options ...keys.Option) (*keys.Set, error) {
			return keys.Secret([]byte(text), options...)
		})
	case "-base64-secret-env":
		return secretOf(s.base64Env, getenv, keys.Base64Secret)
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

// secretOf makes the key provider of the secret in an environment variable. A secret that is
// too short is a warning: the token may still verify with it.
func secretOf(name string, getenv func(string) string, load func(string, ...keys.Option) (*keys.Set, error)) (verifier.KeyProvider, string, []string, error) {
	secret := getenv(name)
	if secret == "" {
		return nil, "", nil, fmt.Errorf("the environment variable %s is empty", name)
	}
	set, err := load(secret)
	if err == nil {
		return set, secret, nil, nil
	}
	short, again := load(secret, keys.InsecureAllowShortSecret())
	if again != nil {
		return nil, "", nil, err
	}
	return short, secret, []string{err.Error() + ": a server accepts it only with keys.InsecureAllowShortSecret, and anyone who has one token can guess it"}, nil
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
