package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Provider is a [verifier.KeyProvider]. It is safe for concurrent use, and need not be closed: what it
// starts ends within seconds. Make one when the server starts. One for each token would fetch the keys
// each time.
type Provider struct {
	inner interface {
		keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error)
		hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error)
		renewNow(ctx context.Context) error
	}
	issuer string // whose tokens it has keys for, "" if anybody's
	stats  func() Stats
}

var (
	_ verifier.KeyProvider = (*Provider)(nil)
	_ verifier.KeyChecker  = (*Provider)(nil)
)

// Keys returns the keys for the token: see [verifier.KeyProvider]. It waits for the network, for 5 s at
// most, only if there are no keys yet, they are older than their [TTL], or the kid is unknown.
func (p *Provider) Keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	// What iss says is signed together with the rest, so that a key of this
	// issuer, found by it, vouches for it too.
	if p.issuer != "" && t.Issuer() != p.issuer {
		return nil, wrongIssuer(t.Issuer(), p.issuer)
	}
	return p.inner.keys(ctx, t)
}

// HasKey reports whether key may still verify the token: see [verifier.KeyChecker] for the three
// results. A set within its [TTL] that has the key, or had it, answers at once. Otherwise HasKey waits
// for a fetch, for 5 s at most.
func (p *Provider) HasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	if p.issuer != "" && t.Issuer() != p.issuer {
		return false, nil
	}
	return p.inner.hasKey(ctx, t, key)
}

// Refresh fetches the set now and waits for it, for 5 s at most. Use it when an issuer says that a key
// was stolen, for example. It ignores a [Store], the ETag, and the pause after a failure. A provider of
// [Issuers] or [IssuersFunc] refreshes all sets that it knows. The error says what could not be fetched;
// the keys of before then stay in use as usual.
func (p *Provider) Refresh(ctx context.Context) error { return p.inner.renewNow(ctx) }

// Stats returns the counts since the provider was made.
func (p *Provider) Stats() Stats { return p.stats() }

func newProvider(c *config, l location, issuer string) *Provider {
	n := new(counters)
	return &Provider{inner: newSource(c, l, n), issuer: issuer, stats: n.stats}
}

// URL returns a provider of the JWK Set at the https URL. It does not know the issuer: give the verifier
// [verifier.Issuer] too. The error is of an invalid URL or option; no request is sent yet.
func URL(address string, options ...Option) (*Provider, error) {
	c, err := configure("URL", options)
	if err != nil {
		return nil, err
	}
	u, err := c.checkURL(address)
	if err != nil {
		return nil, fmt.Errorf("jwks: URL: %w", err)
	}
	return newProvider(c, location{url: u}, ""), nil
}

// Auth0 returns a provider of the keys of an Auth0 tenant, for the tokens that this tenant issued. The
// domain is that of the tenant, "tenant.eu.auth0.com", or its custom domain, with or without https://
// and a slash at the end. The error is of an invalid domain or option; no request is sent yet.
func Auth0(domain string, options ...Option) (*Provider, error) {
	c, err := configure("Auth0", options)
	if err != nil {
		return nil, err
	}
	address := domain
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := c.checkURL(address)
	if err != nil {
		return nil, fmt.Errorf("jwks: Auth0: the domain: %w", err)
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery {
		return nil, fmt.Errorf("jwks: Auth0: the domain is %q: expected one such as tenant.eu.auth0.com, with nothing behind it", shown(u))
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443") // which no iss has
	}
	if strings.HasSuffix(u.Hostname(), ".") {
		return nil, fmt.Errorf("jwks: Auth0: the domain is %q: it ends in a dot, and no iss does", u.Hostname())
	}
	u = &url.URL{Scheme: u.Scheme, Host: host, Path: "/"}
	return newProvider(c, location{url: u.JoinPath(".well-known", "jwks.json")}, u.String()), nil
}

// OIDC returns a provider of the keys of an issuer, for the tokens that it issued. It finds the address
// of the keys by OpenID Connect Discovery 1.0 §4 or RFC 8414 §3, when they are first needed. The issuer is
// its https URL exactly as in iss, including a slash at the end. With [MetadataURL] the metadata may be
// elsewhere. The error is of an invalid URL or option; no request is sent yet.
func OIDC(issuer string, options ...Option) (*Provider, error) {
	c, err := configure("OIDC", options)
	if err != nil {
		return nil, err
	}
	l, err := c.issuer(issuer)
	if c.metadata != "" {
		l, err = c.metadataOf(issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("jwks: OIDC: %w", err)
	}
	return newProvider(c, l, issuer), nil
}

// metadataOf is where the keys of an issuer are, by the option [MetadataURL].
func (c *config) metadataOf(issuer string) (location, error) {
	if issuer == "" {
		return location{}, errors.New(`the issuer is "": expected the iss of its tokens`)
	}
	u, err := c.checkURL(c.metadata)
	if err != nil {
		return location{}, fmt.Errorf("MetadataURL: %w", err)
	}
	return location{url: u, discover: true, metadata: true}, nil
}

// issuer is where the keys of an issuer are.
func (c *config) issuer(issuer string) (location, error) {
	u, err := c.checkURL(issuer)
	if err != nil {
		return location{}, fmt.Errorf("the issuer: %w", err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return location{}, fmt.Errorf("the issuer %s has a query, which no issuer has (RFC 8414 §2)", shown(u))
	}
	// A path that can be read as another one, or as a host, is nobody's.
	if trimmed := strings.TrimSuffix(u.Path, "/"); trimmed != "" && trimmed != path.Clean(trimmed) {
		return location{}, fmt.Errorf("the issuer %s has a path with . or .. or // in it", shown(u))
	}
	if u.String() != issuer {
		return location{}, fmt.Errorf("the issuer %q is not written as URLs are: expected %q", issuer, u)
	}
	return location{url: u, discover: true}, nil
}
