package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The defaults of the options of the same name.
const (
	DefaultTTL        = 10 * time.Minute
	DefaultMaxStale   = time.Hour
	DefaultMaxIssuers = 1000
)

// The bounds that no option moves.
const (
	timeout      = 5 * time.Second // of a fetch, with its discovery and redirects
	storeTimeout = time.Second     // of it, for the store at most
	maxSize      = 512 << 10       // bytes of an answer
	maxHeader    = 64 << 10        // bytes of its header, by the default client
	maxKeys      = 100             // of a set
	maxRedirects = 3
	minTTL       = time.Minute // that Cache-Control can shorten TTL to

	metadataTTL    = time.Hour      // how long discovery is good for while the key set can be fetched
	maxMetadataTTL = 24 * time.Hour // and if the metadata cannot be fetched

	userAgent = "socketio-jwt (+https://github.com/seed15b1dee8/socketio-jwt)"
)

// An Option configures a provider. The constructor reports one that is invalid.
type Option func(*config) error

type config struct {
	client        *http.Client
	ttl           time.Duration
	maxStale      time.Duration
	allowHTTP     bool
	httpHosts     []string // trusted over http besides loopback addresses
	metadata      string   // the address of the issuer's metadata
	requestHeader func(context.Context) (http.Header, error)
	now           func() time.Time // nil: the machine's clock
	logger        *slog.Logger
	onEvent       func(Event)
	clientAddress func(*verifier.Handshake) string
	maxIssuers    int
	store         Store
}

func configure(constructor string, options []Option) (*config, error) {
	c := &config{
		ttl: DefaultTTL, maxStale: DefaultMaxStale, maxIssuers: DefaultMaxIssuers,
		logger: slog.Default(), onEvent: func(Event) {}, clientAddress: func(h *verifier.Handshake) string { return h.RemoteAddr },
	}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("jwks: %s: an option is nil", constructor)
		}
		if err := option(c); err != nil {
			return nil, fmt.Errorf("jwks: %s: %w", constructor, err)
		}
	}
	if c.metadata != "" && constructor != "OIDC" {
		return nil, fmt.Errorf("jwks: %s: MetadataURL is for OIDC alone: with URL give the address of the key set", constructor)
	}
	if c.client == nil {
		// An issuer is asked every few minutes: a connection kept for the next
		// time would only be something left behind.
		transport := http.DefaultTransport
		if t, ok := transport.(*http.Transport); ok {
			t = t.Clone()
			t.DisableKeepAlives = true
			t.MaxResponseHeaderBytes = maxHeader
			transport = t
		}
		c.client = &http.Client{Transport: transport}
	}
	c.client = restricted(c.client)
	return c, nil
}

// TTL is how long a key set is used after it was asked for, [DefaultTTL] by
// default, from a second to a day. While the set is in use it is refreshed in
// the background before that, at three quarters or a little later. The issuer's
// Cache-Control can shorten it, down to a minute.
func TTL(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Second || d > 24*time.Hour {
			return fmt.Errorf("TTL is %v: expected 1s to 24h", d)
		}
		c.ttl = d
		return nil
	}
}

// MaxStale is how much longer than its [TTL] a key set is used when no newer one
// can be fetched, [DefaultMaxStale] by default. 0 is not at all. The longer it
// is, the longer can somebody who cuts off the issuer use a key that was
// withdrawn.
func MaxStale(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > 7*24*time.Hour {
			return fmt.Errorf("MaxStale is %v: expected 0 to 168h", d)
		}
		c.maxStale = d
		return nil
	}
}

// HTTPClient is the client that fetches, for a proxy or a private certificate
// authority. It is copied: the copy also keeps redirects to the origin, and a
// fetch to 5 s in all. The default client keeps no connection open.
func HTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("HTTPClient: the client is nil")
		}
		c.client = client
		return nil
	}
}

// InsecureAllowHTTP allows http URLs whose host is a loopback address or localhost,
// for development, and those of the hosts given: names or addresses in a private
// network that you trust, each with a port, or without one for any port. Anyone who
// can answer in the issuer's place can sign any token.
func InsecureAllowHTTP(hosts ...string) Option {
	return func(c *config) error {
		for _, host := range hosts {
			u, err := url.Parse("http://" + host)
			if err != nil || u.Hostname() == "" || u.Host != host || strings.ContainsAny(host, "*?") {
				return fmt.Errorf("InsecureAllowHTTP: %q is not a host: expected one such as keycloak or keycloak:8080", host)
			}
			c.httpHosts = append(c.httpHosts, strings.ToLower(host))
		}
		c.allowHTTP = true
		return nil
	}
}

// MetadataURL is the address of the issuer's metadata, for [OIDC], where it is not at
// the issuer's own: the issuer has another name in a private network, is behind a proxy,
// or publishes the metadata elsewhere (Azure AD B2C, AD FS). The issuer given to [OIDC]
// stays what tokens have as their iss, and need not be a URL. The address is trusted:
// what the metadata calls the issuer is not compared.
func MetadataURL(address string) Option {
	return func(c *config) error {
		if address == "" {
			return errors.New("MetadataURL: the address is empty")
		}
		c.metadata = address
		return nil
	}
}

// RequestHeader has f called for each request, and the headers that it returns sent:
// a bearer token, for example, where keys are not public. They are sent to the origin
// that the constructor was given, not to a jwks_uri elsewhere. An error counts as an
// outage.
func RequestHeader(f func(ctx context.Context) (http.Header, error)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("RequestHeader: the function is nil")
		}
		c.requestHeader = f
		return nil
	}
}

// WithClock sets the clock, [time.Now] by default. The 5 s of a fetch are those
// of the machine. A set is never used for longer than its [TTL] by the machine's
// monotonic clock either, so a clock that is set back keeps no key alive.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("WithClock: the clock is nil")
		}
		c.now = now
		return nil
	}
}

// WithLogger sets where events are logged: failures and stale keys as warnings,
// rotations as information, the rest for debugging. The default is
// [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	}
}

// OnEvent has f called for what happens to a key set: for one event of a set at a
// time, in their order, by a goroutine of the fetch. Only the first verification
// with stale keys may have to wait for it.
func OnEvent(f func(Event)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("OnEvent: the function is nil")
		}
		c.onEvent = f
		return nil
	}
}

// ClientAddress tells the address that unknown kids are counted by, with or
// without a port; an IPv6 address stands for its /64 network, and for "" only the
// limit for all applies. The default is RemoteAddr. Behind a proxy that is the
// proxy's for everybody, so that one attacker can delay a new key for all by 30 s:
// give a function that reads the header the proxy sets, and make sure that nobody
// else can set it.
func ClientAddress(f func(h *verifier.Handshake) string) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("ClientAddress: the function is nil")
		}
		c.clientAddress = f
		return nil
	}
}

// MaxIssuers is how many issuers [IssuersFunc] remembers the keys of,
// [DefaultMaxIssuers] by default. Beyond that those not used for longest are
// forgotten.
func MaxIssuers(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("MaxIssuers is %d: expected 1 or more", n)
		}
		c.maxIssuers = n
		return nil
	}
}
