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
		return nil, fmt.Errorf("jwks: %s: MetadataURL is only for OIDC: with URL give the address of the key set", constructor)
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

// TTL sets how long a key set is used after it was asked for, from 1 s to 24 h, [DefaultTTL] by default.
// While it is in use, it is refreshed in the background after three quarters of that or a little later.
// Cache-Control in the issuer's answer can shorten the TTL, down to a minute (RFC 9111 §5.2.2).
func TTL(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Second || d > 24*time.Hour {
			return fmt.Errorf("TTL is %v: expected 1s to 24h", d)
		}
		c.ttl = d
		return nil
	}
}

// MaxStale sets how much longer than its [TTL] a key set is used when no newer one can be fetched, from
// 0 to 7 days, [DefaultMaxStale] by default. With 0 it is not used any longer. During that time somebody
// who cuts off the issuer can use a key that was withdrawn.
func MaxStale(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d > 7*24*time.Hour {
			return fmt.Errorf("MaxStale is %v: expected 0 to 168h", d)
		}
		c.maxStale = d
		return nil
	}
}

// HTTPClient sets the client that fetches, for a proxy or a private certificate authority. The provider
// uses a copy, which follows redirects only within the origin. A fetch ends after 5 s in any case. The
// default client keeps no connection open.
func HTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("HTTPClient: the client is nil")
		}
		c.client = client
		return nil
	}
}

// InsecureAllowHTTP allows http URLs. Without hosts it allows those of a loopback address or localhost,
// for development. With hosts it also allows these names or addresses, with a port or for any port, in
// a private network that you trust. Anyone who can answer in the issuer's place can sign any token.
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

// MetadataURL sets the address of the issuer's metadata, for [OIDC], if it is not below the issuer's
// URL: the issuer has another name in a private network, is behind a proxy, or publishes the metadata
// elsewhere (Azure AD B2C, AD FS). The issuer given to OIDC is still the iss of the tokens, and then
// need not be a URL. The address is trusted: the issuer that the metadata names is not compared.
func MetadataURL(address string) Option {
	return func(c *config) error {
		if address == "" {
			return errors.New("MetadataURL: the address is empty")
		}
		c.metadata = address
		return nil
	}
}

// RequestHeader sets a function that is called for each request and returns headers to send, such as a
// bearer token if the keys are not public. They are sent only to the origin that the constructor was
// given, and not to a jwks_uri elsewhere. An error counts as an outage.
func RequestHeader(f func(ctx context.Context) (http.Header, error)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("RequestHeader: the function is nil")
		}
		c.requestHeader = f
		return nil
	}
}

// WithClock sets the function that tells the time, [time.Now] by default. The machine's clock still
// measures the 5 s of a fetch. No set is used for longer than its [TTL] by the machine's monotonic
// clock either, so a clock that is set back does not keep a key alive.
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

// OnEvent sets a function that is called for what happens to a key set: see [Event]. For each set it is
// called for one event at a time, in their order, by a goroutine of the fetch. Only the first
// verification with stale keys may have to wait for it. A panic of it is logged.
func OnEvent(f func(Event)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("OnEvent: the function is nil")
		}
		c.onEvent = f
		return nil
	}
}

// ClientAddress sets the function that returns the address of a client. Fetches for unknown kids are
// limited for each address: an IPv4 address, or the /64 network of an IPv6 address, with or without a
// port. For "" only the limit for all clients applies. The default is RemoteAddr.
//
// Behind a proxy, RemoteAddr is that of the proxy for every client, so one attacker can delay a new key
// for all of them by 30 s. Return the header that the proxy sets, and make sure that clients cannot set
// it.
func ClientAddress(f func(h *verifier.Handshake) string) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("ClientAddress: the function is nil")
		}
		c.clientAddress = f
		return nil
	}
}

// MaxIssuers sets how many issuers [IssuersFunc] keeps the key sets of, [DefaultMaxIssuers] by default.
// Beyond that it forgets those that have not been used for the longest time.
func MaxIssuers(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("MaxIssuers is %d: expected 1 or more", n)
		}
		c.maxIssuers = n
		return nil
	}
}
