package jwks

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restricted returns a copy of the client that follows redirects within the
// origin only, and few: anyone who can redirect elsewhere could choose the
// keys.
func restricted(client *http.Client) *http.Client {
	c := *client
	own := c.CheckRedirect
	c.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if !sameOrigin(next.URL, via[0].URL) {
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

// sameOrigin reports whether both have the same scheme, host and port, which may be
// the scheme's default, written out or not (RFC 6454 §4).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// checkURL parses the address of a key set or an issuer, which must be one that
// only its owner can answer for.
func (c *config) checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is not a URL") // whose text could hold a password
	}
	if u.Scheme == "http" {
		switch {
		case c.trustsHTTP(u):
		case loopback(u.Hostname()):
			return nil, fmt.Errorf("%s is http: expected https, or InsecureAllowHTTP for development", shown(u))
		default:
			return nil, fmt.Errorf("%s is http: expected https, since anyone who can answer in its place chooses the keys; in a private network you trust, InsecureAllowHTTP(%q) allows it", shown(u), u.Hostname())
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

// trustsHTTP reports whether keys may come from the http URL.
func (c *config) trustsHTTP(u *url.URL) bool {
	if !c.allowHTTP {
		return false
	}
	host := strings.ToLower(u.Host)
	return loopback(u.Hostname()) || slices.Contains(c.httpHosts, host) || slices.Contains(c.httpHosts, strings.TrimSuffix(host, ":"+u.Port()))
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// shown is the URL as errors and logs show it: a query can hold a credential.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path}).String()
}

// notModified is the error of a document that has not changed.
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
		return time.Duration(seconds) * time.Second
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

// page tells of a web page, which no key set and no metadata is: a wrong address, or
// a sign-in or error page of what stands before the issuer.
func (d *document) page() string {
	kind, _, _ := mime.ParseMediaType(d.header.Get("Content-Type"))
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return fmt.Sprintf("the answer is a web page (%.64q): ", d.header.Get("Content-Type"))
	}
	return ""
}

// get fetches a document from the URL. With the etag of an earlier one the error may
// be [errNotModified], with a document that has a header only. The content type is not
// looked at, since buckets and static files have any.
func (l *location) get(ctx context.Context, c *config, u *url.URL, etag string) (*document, error) {
	request, err := l.request(ctx, c, u, etag)
	if err != nil {
		return nil, err
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
	if d.body, err = bodyOf(response); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(u), err)
	}
	return d, nil
}

// request makes the request for a document.
func (l *location) request(ctx context.Context, c *config, u *url.URL, etag string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json, */*;q=0.5")
	request.Header.Set("User-Agent", userAgent)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	if c.requestHeader == nil || !sameOrigin(u, l.url) { // its credentials are for nobody else
		return request, nil
	}
	more, err := c.requestHeader(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: the function of RequestHeader: %w", shown(u), err)
	}
	for name, values := range more {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	return request, nil
}

// bodyOf reads the body of an answer, which is bounded before and after gzip.
func bodyOf(response *http.Response) ([]byte, error) {
	body := io.Reader(response.Body)
	if !response.Uncompressed && strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip") { // unasked
		var err error
		if body, err = gzip.NewReader(io.LimitReader(body, maxSize+1)); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(body, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxSize)
	}
	return text, nil
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
