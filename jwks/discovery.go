package jwks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// location tells where a key set is.
type location struct {
	url *url.URL // of the set, of the issuer, or of its metadata

	kid string // of the only key, which is there in PEM; "" if there is a set

	// Of an issuer, what discovery found and when. Only a flight touches them,
	// and there is one at a time.
	discover bool
	metadata bool // url is that of the metadata
	found    *url.URL
	at       moment
}

// locate returns where the set is, by discovery if need be.
func (l *location) locate(ctx context.Context, c *config, f *flight, now moment) (*url.URL, error) {
	if !l.discover {
		return l.url, nil
	}
	limit := metadataTTL
	if f.kid != "" || f.whole { // the key may be where the set has moved to
		limit = minTTL
	}
	if l.found != nil && now.since(l.at) < limit {
		return l.found, nil
	}
	found, err := l.lookUp(ctx, c)
	if err == nil {
		l.found, l.at = found, now
	} else if l.found == nil || now.since(l.at) >= maxMetadataTTL {
		return nil, err
	}
	return l.found, nil
}

// forget has the next fetch discover again: the set may have moved.
func (l *location) forget() { l.found = nil }

// document fetches the metadata: by OpenID Connect Discovery §4 and, where there is
// none, by RFC 8414 §3.
func (l *location) document(ctx context.Context, c *config) (*document, error) {
	if l.metadata {
		return l.get(ctx, c, l.url, "")
	}
	d, err := l.get(ctx, c, l.url.JoinPath(".well-known/openid-configuration"), "")
	var status *statusError
	if !errors.As(err, &status) || status.code < 400 || status.code >= 500 || status.code == http.StatusTooManyRequests {
		return d, err
	}
	origin := &url.URL{Scheme: l.url.Scheme, Host: l.url.Host}
	second := origin.JoinPath(".well-known/oauth-authorization-server", strings.TrimSuffix(l.url.EscapedPath(), "/"))
	d, err2 := l.get(ctx, c, second, "")
	if err2 != nil {
		return nil, errors.Join(err, err2)
	}
	return d, nil
}

// lookUp finds in the metadata where the key set is.
func (l *location) lookUp(ctx context.Context, c *config) (*url.URL, error) {
	d, err := l.document(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(d.body, []byte("\ufeff")), &metadata); err != nil {
		return nil, fmt.Errorf("discovery: the metadata of %s: %s%w", shown(l.url), d.page(), err)
	}
	// The issuer must be equal: RFC 8414 §3.3, OpenID Connect Discovery §4.3. Who
	// says where the metadata is trusts that address, whatever it calls itself.
	if !l.metadata && metadata.Issuer != l.url.String() {
		return nil, fmt.Errorf("discovery: the metadata is of the issuer %.200q, not of %q: the issuer must be given exactly as it calls itself; if tokens have another iss than the server's own name for the issuer, see MetadataURL", metadata.Issuer, l.url)
	}
	if metadata.JWKSURI == "" {
		return nil, fmt.Errorf("discovery: the metadata of %s has no jwks_uri", shown(l.url))
	}
	set, err := c.checkURL(metadata.JWKSURI)
	if err != nil {
		return nil, fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	return set, nil
}
