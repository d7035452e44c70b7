package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// restricted returns a copy of the client that follows redirects within the
// origin only, and few: whoever can redirect elsewhere could choose the keys.
func restricted(client *http.Client) *http.Client {
	c := *client
	own := c.CheckRedirect
	c.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if first := via[0].URL; next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
			return fmt.Errorf("redirected to %s: only redirects within the origin are followed", shown(next.URL))
		}
		if len(via) > maxRedirects {
			return fmt.Errorf("redirected more than %d times", maxRedirects)
		}
		if own != nil {
			return own(next, via)
		}
		return nil
	}
	return &c
}

// checkURL parses the address of a key set or an issuer, which must be one that
// only its owner can answer for.
func (c *config) checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is not a URL") // whose text could hold a password
	}
	if u.Scheme == "http" {
		if !loopback(u.Hostname()) {
			return nil, fmt.Errorf("%s is http: expected https, since whoever can answer in its place chooses the keys", shown(u))
		}
		if !c.allowHTTP {
			return nil, fmt.Errorf("%s is http: expected https, or InsecureAllowHTTP for development", shown(u))
		}
	} else if u.Scheme != "https" {
		return nil, fmt.Errorf("%q has the scheme %q: expected https", shown(u), u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q has no host", shown(u))
	case u.User != nil:
		return nil, fmt.Errorf("%s has a user or password in it, which errors and logs would show", shown(u))
	case u.Fragment != "":
		return nil, fmt.Errorf("%s has a fragment, which is never sent", shown(u))
	}
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// shown is the URL as errors and logs show it: a query can hold a credential.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path}).String()
}

// notModified is the error of a document that is as it was.
var errNotModified = errors.New("not modified")

// statusError is the error of an answer that has another status than 200.
type statusError struct {
	code       int
	retryAfter time.Duration // 0 if the answer does not say
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the answer has status %d: expected 200", e.code)
}

// retryAfter reads the header Retry-After (RFC 9110 §10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// document is an answer of an issuer.
type document struct {
	body   []byte
	header http.Header
}

// get fetches a JSON document. With the etag of an earlier one the error may be
// [errNotModified], with a document that has a header only.
func (c *config) get(ctx context.Context, u *url.URL, etag string) (*document, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", userAgent)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := c.client.Do(request)
	if err != nil {
		var wrapped *url.Error // whose text has the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("%s: %w", shown(u), err)
	}
	defer response.Body.Close()
	d := &document{header: response.Header}
	if response.StatusCode == http.StatusNotModified && etag != "" {
		return d, errNotModified
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w", shown(u), &statusError{response.StatusCode, retryAfter(response.Header, c.moment().clock)})
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, fmt.Errorf("%s: the answer is %.64q: expected application/json or application/jwk-set+json", shown(u), response.Header.Get("Content-Type"))
	}
	if d.body, err = io.ReadAll(io.LimitReader(response.Body, maxSize+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(u), err)
	}
	if len(d.body) > maxSize {
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", shown(u), maxSize)
	}
	return d, nil
}

// lifetime is how long an answer is good for: the TTL, or less if the issuer says
// so (RFC 9111 §5.2.2), but no less than a minute.
func (c *config) lifetime(h http.Header) time.Duration {
	ttl := c.ttl
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			ttl = 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				seconds = 0 // no time at all (RFC 9111 §4.2.1)
			}
			age, _ := strconv.ParseUint(h.Get("Age"), 10, 31)
			ttl = min(ttl, time.Duration(seconds)*time.Second-time.Duration(age)*time.Second)
		}
	}
	return max(ttl, min(c.ttl, minTTL))
}

// location tells where a key set is.
type location struct {
	url *url.URL // of the set, or of the issuer

	// Of an issuer, what discovery found and when. Only a flight touches them,
	// and there is one at a time.
	discover bool
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
	found, err := c.discover(ctx, l.url)
	if err == nil {
		l.found, l.at = found, now
	} else if l.found == nil || now.since(l.at) >= maxMetadataTTL {
		return nil, err
	}
	return l.found, nil
}

// forget has the next fetch discover again: the set may have moved.
func (l *location) forget() { l.found = nil }

// discover asks the issuer for its metadata: by OpenID Connect Discovery §4 and,
// where there is none, by RFC 8414 §3.
func (c *config) discover(ctx context.Context, issuer *url.URL) (*url.URL, error) {
	d, err := c.get(ctx, issuer.JoinPath(".well-known/openid-configuration"), "")
	var status *statusError
	if errors.As(err, &status) && status.code >= 400 && status.code < 500 && status.code != http.StatusTooManyRequests {
		origin := &url.URL{Scheme: issuer.Scheme, Host: issuer.Host}
		second := origin.JoinPath(".well-known/oauth-authorization-server", strings.TrimSuffix(issuer.EscapedPath(), "/"))
		var err2 error
		if d, err2 = c.get(ctx, second, ""); err2 != nil {
			err = errors.Join(err, err2)
		} else {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(d.body, &metadata); err != nil {
		return nil, fmt.Errorf("discovery: the metadata of %s: %w", shown(issuer), err)
	}
	// To the letter: RFC 8414 §3.3, OpenID Connect Discovery §4.3.
	if metadata.Issuer != issuer.String() {
		return nil, fmt.Errorf("discovery: the metadata is of the issuer %.200q, not of %q: the issuer must be given exactly as it calls itself", metadata.Issuer, issuer)
	}
	if metadata.JWKSURI == "" {
		return nil, fmt.Errorf("discovery: the metadata of %s has no jwks_uri", shown(issuer))
	}
	set, err := c.checkURL(metadata.JWKSURI)
	if err != nil {
		return nil, fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	return set, nil
}
