package verifiertest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Lifetime is how long the tokens of [Issuer.Token] are good for.
const Lifetime = time.Hour

// Issuer is an identity provider: see the package comment. It is safe for
// concurrent use.
type Issuer struct {
	// Now is the clock that iat and exp are set by, [time.Now] by default. Set
	// it before the issuer is used.
	Now func() time.Time

	url    *url.URL
	server *httptest.Server // nil in memory
	open   context.Context  // until Close
	end    context.CancelFunc

	mu       sync.Mutex // guards what follows
	signing  *Key
	keys     []*Key // those published as keys
	set      []JWK  // what is published
	metadata Claims
	header   http.Header
	fault    Fault
	requests []Request
}

// Request is a request that an issuer got.
type Request struct {
	Path   string
	Header http.Header
	Status int // of the answer; 0 if there was none, or not yet
}

// NewIssuer makes an issuer of that URL which is reached through its
// [Issuer.Client], in memory. It has one ES256 key, unless keys are given: the
// first then signs. It needs no Close.
func NewIssuer(issuer string, keys ...*Key) *Issuer {
	u := must(url.Parse(issuer))
	if u.Scheme == "" || u.Host == "" {
		panic(fmt.Sprintf("verifiertest: NewIssuer: the issuer %q is not a URL with a scheme and a host", issuer))
	}
	return newIssuer(u, keys)
}

// Serve starts an issuer over HTTP, on a port of the loopback interface. Keys
// are as in [NewIssuer]. Call Close when done.
func Serve(keys ...*Key) *Issuer { return serve(keys, (*httptest.Server).Start) }

// ServeTLS is [Serve] over HTTPS, with a certificate that [Issuer.Client] of any
// such issuer trusts.
func ServeTLS(keys ...*Key) *Issuer { return serve(keys, (*httptest.Server).StartTLS) }

func serve(keys []*Key, start func(*httptest.Server)) *Issuer {
	i := newIssuer(nil, keys)
	i.server = httptest.NewUnstartedServer(i)
	i.server.Config.ErrorLog = discard // it would report clients that give up
	start(i.server)
	i.url = must(url.Parse(i.server.URL + "/"))
	return i
}

func newIssuer(u *url.URL, keys []*Key) *Issuer {
	if len(keys) == 0 {
		keys = []*Key{NewKey(verifier.ES256, "key-1")}
	}
	i := &Issuer{Now: time.Now, url: u, signing: keys[0]}
	i.open, i.end = context.WithCancel(context.Background())
	i.Publish(keys...)
	return i
}

// Close ends the requests in progress and stops the server, if there is one.
func (i *Issuer) Close() {
	i.end()
	if i.server != nil {
		i.server.Close()
	}
}

// URL returns the issuer's identifier, the iss of its tokens. Of a server it
// ends in a slash.
func (i *Issuer) URL() string { return i.url.String() }

const jwksPath = "/.well-known/jwks.json"

// JWKSURL returns where the key set is published.
func (i *Issuer) JWKSURL() string { return i.url.JoinPath(jwksPath).String() }

// Token mints a token with the current key. The defaults of its claims are iss,
// iat and exp.
func (i *Issuer) Token(claims Claims) string {
	i.mu.Lock()
	key := i.signing
	i.mu.Unlock()
	return i.TokenBy(key, nil, claims)
}

// TokenBy is [Issuer.Token] with any key, published or not, and members of the
// header laid over those of [Key.Mint].
func (i *Issuer) TokenBy(key *Key, header, claims Claims) string {
	now := i.Now()
	defaults := Claims{"iss": i.URL(), "iat": now.Unix(), "exp": now.Add(Lifetime).Unix()}
	return key.Mint(header, defaults.with(claims))
}

// Rotate publishes the key beside the others, and signs with it from now on.
func (i *Issuer) Rotate(next *Key) {
	i.Publish(next)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.signing = next
}

// Publish adds keys to the key set.
func (i *Issuer) Publish(keys ...*Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, keys...)
	for _, k := range keys {
		i.set = append(i.set, k.JWK())
	}
}

// PublishJWK adds entries to the key set as they are, good or not.
func (i *Issuer) PublishJWK(jwks ...JWK) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.set = append(i.set, jwks...)
}

// Withdraw takes what has the kid out of the key set. The issuer goes on signing
// with the key, if it is the current one.
func (i *Issuer) Withdraw(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = slices.DeleteFunc(i.keys, func(k *Key) bool { return k.id == kid })
	i.set = slices.DeleteFunc(i.set, func(k JWK) bool { return k["kid"] == kid })
}

// Keys returns the published keys of the token's kid, of all if it has none: an
// Issuer is a [verifier.KeyProvider].
func (i *Issuer) Keys(_ context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var found []*verifier.Key
	for _, k := range i.keys {
		if kid := t.Header.KeyID; kid == "" || kid == k.id {
			found = append(found, k.Key())
		}
	}
	return found, nil
}

// Announce lays members over those of the metadata: issuer and jwks_uri. A nil
// one leaves the member out.
func (i *Issuer) Announce(metadata Claims) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.metadata == nil {
		i.metadata = Claims{}
	}
	maps.Copy(i.metadata, metadata)
}

// SetHeader sets a header of the answers to come, such as Cache-Control; an
// empty value takes it out. An ETag is always sent, and If-None-Match heeded.
func (i *Issuer) SetHeader(name, value string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	header := http.Header{} // a new one: answers in progress have the other
	maps.Copy(header, i.header)
	if header.Set(name, value); value == "" {
		header.Del(name)
	}
	i.header = header
}

// Break makes every request meet the fault, until it is told another or, with
// nil, none.
func (i *Issuer) Break(f Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fault = f
}

// Requests returns the requests so far, in the order of their arrival.
func (i *Issuer) Requests() []Request {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.requests)
}

// Fetches returns how many requests for the key set there were so far, answered
// or not.
func (i *Issuer) Fetches() int {
	n := 0
	for _, r := range i.Requests() {
		if strings.HasSuffix(r.Path, jwksPath) {
			n++
		}
	}
	return n
}

// document returns the metadata (RFC 8414 §3.2).
func (i *Issuer) document() any {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Claims{"issuer": i.URL(), "jwks_uri": i.JWKSURL()}.with(i.metadata)
}

// keySet returns the JWK Set (RFC 7517 §5).
func (i *Issuer) keySet() any {
	i.mu.Lock()
	defer i.mu.Unlock()
	return map[string]any{"keys": append([]JWK{}, i.set...)}
}
