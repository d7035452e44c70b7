package dpop

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/once"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/proxy"
)

// The defaults of [MaxAge], [ClockTolerance] and [CacheSize].
const (
	DefaultMaxAge         = time.Minute
	DefaultClockTolerance = 5 * time.Second
	DefaultCacheSize      = 1 << 16
)

// An Option configures a [Validator]. [New] returns an error for an invalid option.
type Option func(*config) error

type config struct {
	urls        []string // normalized
	trusted     proxy.Trusted
	algorithms  []verifier.Algorithm
	allowBearer bool
	maxAge      time.Duration
	tolerance   time.Duration
	now         func() time.Time
	nonces      *nonces
	cache       Cache
	cacheSize   int
	given       once.Options
}

// once notes an option that counts once.
func (c *config) once(option string) error {
	if err := c.given.Take(option); err != nil {
		return fmt.Errorf("dpop: %w", err)
	}
	return nil
}

// URL says where clients open connections, as they see it: the whole URL of the
// Socket.IO endpoint, such as "https://chat.example.com/socket.io/" with the
// slash at its end, which the JavaScript clients put there. A server with several
// names has several.
func URL(urls ...string) Option {
	return func(c *config) error {
		for _, text := range urls {
			u, err := normalize(text)
			if err != nil {
				return fmt.Errorf("dpop: URL %q: %w", text, err)
			}
			c.urls = append(c.urls, u)
		}
		return nil
	}
}

// TrustForwarded has the endpoint's URL taken from the headers
// X-Forwarded-Proto and X-Forwarded-Host, in place of [URL], where the peer is a
// proxy in one of the networks. It must set both itself, whatever the client
// sent; where it leaves one out, the connection's scheme and Host header count. A
// handshake from anywhere else has no URL, and no proof is good for it.
func TrustForwarded(proxies ...netip.Prefix) Option {
	return func(c *config) (err error) {
		if c.trusted, err = proxy.New(proxies); err != nil {
			return fmt.Errorf("dpop: TrustForwarded: %w", err)
		}
		return c.once("TrustForwarded")
	}
}

// Algorithms narrows the algorithms that proofs may be signed with. The default
// is all asymmetric ones.
func Algorithms(algorithms ...verifier.Algorithm) Option {
	return func(c *config) error {
		for _, a := range algorithms {
			if !slices.Contains(asymmetric, canonical(a)) {
				return fmt.Errorf("dpop: Algorithms: %q cannot sign a proof: expected one of %v", a, asymmetric)
			}
		}
		if len(algorithms) == 0 {
			return errors.New("dpop: Algorithms needs at least one value")
		}
		c.algorithms = algorithms
		return c.once("Algorithms")
	}
}

// canonical returns the name of an algorithm that asymmetric has (RFC 9864 §2).
func canonical(a verifier.Algorithm) verifier.Algorithm {
	switch a {
	case verifier.Ed25519:
		return verifier.EdDSA
	case verifier.ESP256, verifier.ESP384, verifier.ESP512:
		return "ES" + a[len("ESP"):]
	}
	return a
}

var asymmetric = []verifier.Algorithm{
	verifier.ES256, verifier.ES384, verifier.ES512, verifier.EdDSA,
	verifier.RS256, verifier.RS384, verifier.RS512, verifier.PS256, verifier.PS384, verifier.PS512,
}

// AllowBearer also accepts tokens that are bound to no key, without a proof. One
// that is bound still needs a proof.
func AllowBearer() Option { return func(c *config) error { c.allowBearer = true; return nil } }

// MaxAge is how long a proof is good after its iat. The default is
// [DefaultMaxAge]. Used proofs are remembered that long.
func MaxAge(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("dpop: MaxAge is %v: expected a positive duration", d)
		}
		c.maxAge = d
		return c.once("MaxAge")
	}
}

// ClockTolerance forgives that much difference between the client's clock and
// ours, either way. The default is [DefaultClockTolerance]. Clients whose clocks
// are worse are better served by [Nonces] and a large MaxAge.
func ClockTolerance(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("dpop: ClockTolerance is %v: expected zero or more", d)
		}
		c.tolerance = d
		return c.once("ClockTolerance")
	}
}

// WithClock sets the clock, [time.Now] by default.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("dpop: WithClock: the clock is nil")
		}
		c.now = now
		return nil
	}
}

// Nonces asks that proofs carry a nonce that the server made (RFC 9449 §9), so
// that none can be made ahead. A client without a good one is refused with the
// code use_dpop_nonce and finds in data.nonce the one to use. Nonces are derived
// from the secret, of 32 bytes or more, which the servers of a cluster share; nil
// makes one up. A new one is given out each period, and good for up to two.
func Nonces(secret []byte, period time.Duration) Option {
	return func(c *config) error {
		if secret == nil {
			secret = make([]byte, 32)
			_, _ = rand.Read(secret) // never fails
		}
		if len(secret) < 32 {
			return fmt.Errorf("dpop: Nonces: the secret has %d bytes: expected 32 or more", len(secret))
		}
		if period < time.Second {
			return fmt.Errorf("dpop: Nonces: the period is %v: expected a second or more", period)
		}
		c.nonces = &nonces{slices.Clone(secret), period}
		return nil
	}
}

// WithCache says where used proofs are remembered. The default is in memory.
func WithCache(cache Cache) Option {
	return func(c *config) error {
		if v := reflect.ValueOf(cache); cache == nil || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil() {
			return errors.New("dpop: WithCache: the cache is nil")
		}
		c.cache = cache
		return c.once("WithCache")
	}
}

// CacheSize is how many used proofs the cache in memory holds, of one key a
// sixteenth of that. The default is [DefaultCacheSize], for a thousand new sockets
// a second. When it is full, clients are told to try again later.
func CacheSize(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("dpop: CacheSize is %d: expected a positive number", n)
		}
		c.cacheSize = n
		return c.once("CacheSize")
	}
}
