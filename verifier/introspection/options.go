package introspection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/once"
)

// The defaults of the options of the same name.
const (
	DefaultTTL       = 30 * time.Second
	DefaultCacheSize = 4096
)

// The bounds that no option moves.
const (
	timeout     = 5 * time.Second  // of a request, and of waiting for its turn
	turnTimeout = 2 * time.Second  // of it, for waiting at most
	maxSize     = 64 << 10         // bytes of an answer
	maxRequests = 64               // in progress at once
	maxAgain    = 8                // the same, of StillActive
	maxFlights  = 1024             // with those that wait for their turn
	inactiveTTL = 5 * time.Second  // how long a token is taken to be inactive without asking again
	minPause    = time.Second      // after the first failure of a token; doubled with each
	maxPause    = 30 * time.Second // at most
	trust       = 10 * time.Second // how long after an answer the endpoint is not taken to be down

	sharedFailures = 3  // different tokens that fail before it is
	maxTries       = 20 // tokens a second that are tried while it is

	userAgent = "socketio-jwt (+https://github.com/seed15b1dee8/socketio-jwt)"
)

// An Option configures a [Client]. [New] returns an error for an invalid option.
type Option func(*config) error

type config struct {
	authorize func(ctx context.Context, form url.Values, header http.Header) error
	signed    *signedAnswers // nil: answers are plain JSON
	client    *http.Client
	ttl       time.Duration
	maxStale  time.Duration
	cacheSize int
	allowHTTP bool
	now       func() time.Time
	logger    *slog.Logger
	given     once.Options
}

// HTTPClient is the client that asks, for a proxy, a private certificate
// authority, or a certificate that authenticates this server (RFC 8705 §2). It is
// copied; the copy follows no redirects.
func HTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("HTTPClient: the client is nil")
		}
		c.client = client
		return c.given.Take("HTTPClient")
	}
}

// TTL is how long the answer for an active token is kept, [DefaultTTL] by default,
// up to an hour. 0 asks every time.
func TTL(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > time.Hour {
			return fmt.Errorf("TTL is %v: expected 0 to 1h", d)
		}
		c.ttl = d
		return c.given.Take("TTL")
	}
}

// MaxStale is how much longer than its [TTL] an answer is used while the endpoint
// cannot be asked, up to a day. The default is 0: an attacker who blocks the
// endpoint could otherwise keep a revoked token alive.
func MaxStale(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > 24*time.Hour {
			return fmt.Errorf("MaxStale is %v: expected 0 to 24h", d)
		}
		c.maxStale = d
		return c.given.Take("MaxStale")
	}
}

// CacheSize is how many answers are kept for active tokens, and as many for others,
// [DefaultCacheSize] by default. Beyond
// that those not used for longest are forgotten.
func CacheSize(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("CacheSize is %d: expected 1 or more", n)
		}
		c.cacheSize = n
		return c.given.Take("CacheSize")
	}
}

// InsecureAllowHTTP allows an http URL whose host is a loopback address or
// localhost, for development. Anyone who can answer in the endpoint's place can
// make any token active, and reads every token asked for.
func InsecureAllowHTTP() Option { return func(c *config) error { c.allowHTTP = true; return nil } }

// WithClock sets the clock, [time.Now] by default. The 5 s of a request are those
// of the machine.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("WithClock: the clock is nil")
		}
		c.now = now
		return nil
	}
}

// WithLogger sets where it is logged that the endpoint cannot be asked (a warning)
// and what it answered (for debugging). A token is named by a short hash, what it
// claims is not logged. The default is [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	}
}
