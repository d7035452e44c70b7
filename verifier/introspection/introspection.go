package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	turns    chan struct{} // holds one for each request under way

	mu       sync.Mutex // guards the rest; never held while asking
	known    *lru.LRU[tokenHash, answer]
	inactive *lru.LRU[tokenHash, answer] // apart, so that strangers' tokens push out no good one's
	flights  map[tokenHash]*flight
	failures int // in a row
	paused   time.Time
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

var _ verifier.Introspector = (*Client)(nil)

// tokenHash stands for a token in the cache.
type tokenHash [sha256.Size]byte

// answer is what the endpoint said of a token.
type answer struct {
	claims []byte    // nil if it is not active
	fresh  time.Time // until when it needs no asking
	stale  time.Time // until when it may be used if asking fails
}

func (a answer) result() ([]byte, error) {
	if a.claims == nil {
		return nil, verifier.Inactive(nil)
	}
	return a.claims, nil
}

// flight is a request under way, which everybody who asks for its token waits for.
type flight struct {
	done   chan struct{}
	answer answer
	err    error
}

// errPaused is the cause while the endpoint is not asked, because it failed.
var errPaused = errors.New("introspection: the endpoint failed lately and is not asked yet")

// errBusy is the cause where a token got no turn. It says nothing of the endpoint.
var errBusy = errors.New("introspection: too many requests to the endpoint are under way")

// New makes a client of the endpoint at the URL. One of [ClientSecret],
// [BearerToken] and [HTTPClient] must say how this server authenticates to it.
func New(endpoint string, options ...Option) (*Client, error) {
	c := &Client{
		config:  config{ttl: DefaultTTL, cacheSize: DefaultCacheSize, now: time.Now, logger: slog.Default()},
		turns:   make(chan struct{}, maxRequests),
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
		return nil, errors.New("introspection: New: the endpoint asks who asks (RFC 7662 §2.1): give ClientSecret, BearerToken or HTTPClient")
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
	var err error
	if c.known, err = lru.NewLRU[tokenHash, answer](c.cacheSize, nil); err != nil {
		return nil, fmt.Errorf("introspection: New: %w", err)
	}
	c.inactive, err = lru.NewLRU[tokenHash, answer](c.cacheSize, nil)
	return c, err
}

// checkURL refuses an endpoint in whose place somebody else could answer.
func (c *config) checkURL(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return errors.New("the endpoint is not a URL") // whose text could hold a password
	}
	ip, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	switch {
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("the endpoint must be an https URL without user and fragment")
	case u.Scheme == "https" || u.Scheme == "http" && loopback && c.allowHTTP:
		return nil
	case u.Scheme == "http" && loopback:
		return errors.New("the endpoint is http: expected https, or InsecureAllowHTTP for development")
	}
	return errors.New("the endpoint's scheme must be https, since whoever can answer in its place makes any token active")
}

// Introspect returns what the endpoint says of a token, which is at most as old
// as [TTL]. A token that is not active is [verifier.Inactive]; any other error
// means that the endpoint could not tell. What is returned must not be changed.
func (c *Client) Introspect(ctx context.Context, token string) ([]byte, error) {
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
	f := c.flights[hash]
	if f == nil {
		if now.Before(c.paused) {
			c.mu.Unlock()
			return c.instead(kept, now, errPaused)
		}
		if len(c.flights) >= maxFlights {
			c.mu.Unlock()
			return c.instead(kept, now, errBusy)
		}
		f = &flight{done: make(chan struct{})}
		c.flights[hash] = f
		// It goes on if this caller gives up: others may be waiting for it.
		go c.fly(context.WithoutCancel(ctx), f, hash, token)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		if f.err != nil {
			return c.instead(kept, now, f.err)
		}
		return f.answer.result()
	case <-ctx.Done():
		return nil, fmt.Errorf("introspection: waiting for the endpoint: %w", context.Cause(ctx))
	}
}

// instead returns an answer that was kept in the place of one that could not be
// had, as long as it may be used.
func (c *Client) instead(a answer, now time.Time, err error) ([]byte, error) {
	if !now.Before(a.stale) {
		return nil, err
	}
	c.mu.Lock()
	c.stats.StaleServes++
	c.mu.Unlock()
	return a.result()
}

// fly asks the endpoint, and keeps what it says.
func (c *Client) fly(ctx context.Context, f *flight, hash tokenHash, token string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var claims []byte
	var expires time.Time
	began, asked := c.now(), false
	turn := time.NewTimer(turnTimeout)
	select {
	case c.turns <- struct{}{}:
		began, asked = c.now(), true
		claims, expires, f.err = c.ask(ctx, token)
		<-c.turns
	case <-turn.C:
		f.err = errBusy
	}
	turn.Stop()

	now := c.now()
	c.mu.Lock()
	delete(c.flights, hash)
	if asked {
		c.stats.Requests++
	}
	switch {
	case f.err == nil:
		c.failures, c.paused = 0, time.Time{}
		f.answer = c.answerOf(claims, expires, began)
		c.known.Remove(hash)
		c.inactive.Remove(hash)
		if claims == nil {
			c.keep(c.inactive, hash, f.answer, now)
		} else {
			c.keep(c.known, hash, f.answer, now)
		}
	case asked:
		c.stats.Failures++
		if t := (tokenError{}); !errors.As(f.err, &t) {
			c.pause(now)
		}
	}
	c.mu.Unlock()
	name := slog.String("token", fmt.Sprintf("sha256 %x", hash[:6])) // as verifier.Token names it
	if asked && f.err != nil {
		c.logger.Warn("introspection: the endpoint could not be asked", name, "error", f.err)
	} else if asked {
		c.logger.Debug("introspection: the endpoint answered", name, "active", claims != nil)
	}
	close(f.done)
}

// keep keeps an answer that is of use later. The caller holds mu.
func (c *Client) keep(in *lru.LRU[tokenHash, answer], hash tokenHash, a answer, now time.Time) {
	if now.Before(a.fresh) || now.Before(a.stale) {
		in.Add(hash, a)
	}
}

// answerOf says for how long an answer is kept: never beyond the token's exp.
func (c *Client) answerOf(claims []byte, expires, asked time.Time) answer {
	a := answer{claims: claims, fresh: asked.Add(c.ttl), stale: asked.Add(c.ttl + c.maxStale)}
	if claims == nil {
		a.fresh, a.stale = asked.Add(min(c.ttl, inactiveTTL)), time.Time{}
	}
	if !expires.IsZero() && expires.Before(a.fresh) {
		a.fresh = expires
	}
	if !expires.IsZero() && expires.Before(a.stale) {
		a.stale = expires
	}
	return a
}

// pause has the endpoint left alone for a while. Requests that fail together count
// as one. The caller holds mu.
func (c *Client) pause(now time.Time) {
	if now.Before(c.paused) {
		return
	}
	d := min(minPause<<min(c.failures, 10), maxPause)
	c.failures++
	c.paused = now.Add(d/2 + rand.N(d/2))
}

// Close closes the connections to the endpoint that are idle.
func (c *Client) Close() { c.client.CloseIdleConnections() }
