package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Client asks one introspection endpoint. Make it with [New]. It is safe for
// concurrent use.
type Client struct {
	config
	endpoint string
	turns    chan struct{} // holds one for each request in progress
	again    chan struct{} // the same for StillActive, reserved for live sessions

	mu       sync.Mutex // guards the rest; never held while asking
	known    *lru.LRU[tokenHash, answer]
	inactive *lru.LRU[tokenHash, answer] // separate, so that invented tokens replace no good one
	failed   *lru.LRU[tokenHash, failure]
	flights  map[tokenHash]*flight
	health   health
	warned   time.Time // of a failure, last
	stats    Stats
}

// Stats counts, from the making of a client.
type Stats struct {
	Requests    uint64 // to the endpoint
	Failures    uint64 // of them, those that failed
	Hits        uint64 // tokens whose answer was at hand
	StaleServes uint64 // tokens that were answered beyond the TTL, since the endpoint could not be asked
}

// Stats returns what was counted so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

var (
	_ verifier.Introspector  = (*Client)(nil)
	_ verifier.ActiveChecker = (*Client)(nil)
)

// tokenHash stands for a token in the cache.
type tokenHash [sha256.Size]byte

// answer is what the endpoint said of a token.
type answer struct {
	claims []byte    // nil if it is not active
	err    error     // why not, if the endpoint cannot read the token at all
	fresh  time.Time // until when it needs no asking
	stale  time.Time // until when it may be used if asking fails
}

func (a answer) result() ([]byte, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case a.claims == nil:
		return nil, verifier.Inactive(nil)
	}
	return a.claims, nil
}

// flight is a request in progress, which everybody who asks for its token waits for.
type flight struct {
	done   chan struct{}
	answer answer
	err    error
}

// errPaused is the cause while the endpoint is not asked, because it failed.
var errPaused = errors.New("introspection: the endpoint failed lately and is not asked yet")

// errBusy is the cause where a token got no turn. It says nothing of the endpoint.
var errBusy = errors.New("introspection: too many requests to the endpoint are in progress")

// New makes a client of the endpoint at the URL. One of [ClientSecret],
// [ClientSecretPost], [PrivateKeyJWT], [BearerToken] and [HTTPClient] must say how
// this server authenticates to it.
func New(endpoint string, options ...Option) (*Client, error) {
	c := &Client{
		config:  config{ttl: DefaultTTL, cacheSize: DefaultCacheSize, now: time.Now, logger: slog.Default()},
		turns:   make(chan struct{}, maxRequests),
		again:   make(chan struct{}, maxAgain),
		flights: make(map[tokenHash]*flight),
	}
	for _, option := range options {
		if option == nil {
			return nil, errors.New("introspection: New: an option is nil")
		}
		if err := option(&c.config); err != nil {
			return nil, fmt.Errorf("introspection: New: %w", err)
		}
	}
	if c.authorize == nil && c.client == nil {
		return nil, errors.New("introspection: New: the endpoint authenticates its clients (RFC 7662 §2.1): give ClientSecret, ClientSecretPost, PrivateKeyJWT, BearerToken or HTTPClient")
	}
	if err := c.checkURL(endpoint); err != nil {
		return nil, fmt.Errorf("introspection: New: %w", err)
	}
	c.endpoint = endpoint
	client := http.Client{}
	if c.client != nil {
		client = *c.client
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		client.Transport = t.Clone() // so that Close closes no connections of others
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client = &client
	if err := c.signed.build(c.now); err != nil {
		return nil, fmt.Errorf("introspection: New: %w", err)
	}
	return c, c.makeCaches()
}

func (c *Client) makeCaches() (err error) {
	var errs [3]error
	c.known, errs[0] = lru.NewLRU[tokenHash, answer](c.cacheSize, nil)
	c.inactive, errs[1] = lru.NewLRU[tokenHash, answer](c.cacheSize, nil)
	c.failed, errs[2] = lru.NewLRU[tokenHash, failure](c.cacheSize, nil)
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("introspection: New: %w", err)
	}
	return nil
}

// checkURL refuses an endpoint in whose place somebody else could answer.
func (c *config) checkURL(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return errors.New("the endpoint is not a URL") // whose text could hold a password
	}
	ip, _ := netip.ParseAddr(u.Hostname()) // the zero value is not a loopback address
	loopback := u.Hostname() == "localhost" || ip.IsLoopback()
	switch {
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("the endpoint must be an https URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && loopback && c.allowHTTP:
		return nil
	case u.Scheme == "http" && loopback:
		return errors.New("the endpoint is http: expected https, or InsecureAllowHTTP for development")
	}
	return errors.New("the endpoint's scheme must be https, since anyone who can answer in its place makes any token active")
}

// Introspect returns what the endpoint says of a token, which is at most as old
// as [TTL]. A token that is not active is [verifier.Inactive]. One that is not
// 1*VSCHAR (RFC 6749 §A.12), and one that the endpoint cannot read, is a refusal
// with the reason [verifier.ErrTokenMalformed]. Any other error means that the
// endpoint could not tell. What is returned must not be changed.
func (c *Client) Introspect(ctx context.Context, token string) ([]byte, error) {
	return c.introspect(ctx, token, false)
}

// StillActive reports whether a token that was accepted is still active: see
// [verifier.StillActive]. An answer that is at most as old as [TTL] counts;
// otherwise the endpoint is asked, in a turn that is reserved for live sessions.
// Of an older answer nothing is said, whatever [MaxStale] allows: the error then
// says that the endpoint could not be asked.
func (c *Client) StillActive(ctx context.Context, token string) (bool, error) {
	_, err := c.introspect(ctx, token, true)
	var u *verifier.UnauthorizedError
	if errors.As(err, &u) {
		return false, nil
	}
	return err == nil, err
}

// introspect is Introspect and, for a token that was accepted before, StillActive.
func (c *Client) introspect(ctx context.Context, token string, accepted bool) ([]byte, error) {
	if !printable(token) {
		return nil, unreadable(errors.New("the token is not 1*VSCHAR (RFC 6749 §A.12)"))
	}
	hash := tokenHash(sha256.Sum256([]byte(token)))
	now := c.now()
	c.mu.Lock()
	kept, ok := c.known.Get(hash)
	if !ok {
		kept, ok = c.inactive.Get(hash)
	}
	if ok && now.Before(kept.fresh) {
		c.stats.Hits++
		c.mu.Unlock()
		return kept.result()
	}
	if accepted {
		kept = answer{} // a stale answer is not what its caller asks for
	}
	f := c.flights[hash]
	if f == nil {
		if err := c.mayAsk(hash, now, accepted); err != nil {
			c.mu.Unlock()
			return c.instead(kept, now, err)
		}
		f = &flight{done: make(chan struct{})}
		c.flights[hash] = f
		turns := c.turns
		if accepted {
			turns = c.again
		}
		// It goes on if this caller gives up: others may be waiting for it.
		go c.fly(context.WithoutCancel(ctx), f, hash, token, turns)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		if f.err != nil {
			return c.instead(kept, now, f.err)
		}
		return f.answer.result()
	case <-ctx.Done():
		return nil, fmt.Errorf("introspection: waiting for the endpoint: %w", ofEndpoint(context.Cause(ctx)))
	}
}

// mayAsk tells whether the endpoint may be asked for a token now. The caller holds
// mu.
func (c *Client) mayAsk(hash tokenHash, now time.Time, accepted bool) error {
	if f, ok := c.failed.Get(hash); ok && now.Before(f.until) {
		return errPaused
	}
	if accepted {
		return nil // a sweep asks seldom, and for no token twice
	}
	if len(c.flights) >= maxFlights {
		return errBusy
	}
	if !c.health.mayTry(now) {
		return errPaused
	}
	return nil
}

// instead returns the cached answer, while it may still be used, if no newer
// one could be fetched.
func (c *Client) instead(a answer, now time.Time, err error) ([]byte, error) {
	if !now.Before(a.stale) {
		return nil, err
	}
	c.mu.Lock()
	c.stats.StaleServes++
	c.mu.Unlock()
	return a.result()
}

// Close closes the connections to the endpoint that are idle.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// printable reports whether a token is 1*VSCHAR (RFC 6749 §A.12): no other can be
// sent to the endpoint in the words that it expects.
func printable(token string) bool {
	for i := range len(token) {
		if token[i] < ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// unreadable is the refusal of a token that no endpoint knows, or that this one
// cannot read. To ask again is of no use.
func unreadable(cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "invalid token", Reason: verifier.ErrTokenMalformed,
		Err: fmt.Errorf("introspection: %w", cause),
	}
}
