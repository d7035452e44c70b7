package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The defaults of [Timeout] and [MaxAttempts].
const (
	DefaultTimeout     = 5 * time.Second
	DefaultMaxAttempts = 3
)

// An Option configures an [Authorizer]. [New] returns an error for one that is
// invalid, that contradicts another or that is given twice where the first
// would be lost.
type Option func(*config) error

// Defaults are options that others may replace: for bindings, whose users give theirs
// behind them.
func Defaults(options ...Option) Option {
	return func(c *config) error {
		given := maps.Clone(c.given)
		for _, option := range options {
			if option == nil {
				return errors.New("socketio: Defaults: an option is nil")
			}
			if err := option(c); err != nil {
				return err
			}
		}
		c.given = given
		return nil
	}
}

// once is an option whose second use would undo its first.
func once(name string, set Option) Option {
	return func(c *config) error {
		if err := set(c); err != nil {
			return err
		}
		return c.claim(name, false)
	}
}

// choose is an option without an argument that excludes others.
func choose(name string, set func(*config)) Option {
	return func(c *config) error { set(c); return c.claim(name, true) }
}

// exclusive are the options that exclude each other.
var exclusive = map[string]string{
	"ByEvent": "ByHandshake", "ByHandshake": "ByEvent", "DisconnectNow": "DisconnectAfter", "DisconnectAfter": "DisconnectNow",
}

// claim notes that an option was given. Options without an argument may be repeated.
func (c *config) claim(name string, repeatable bool) error {
	if c.given[name] && !repeatable {
		return fmt.Errorf("socketio: %s is given twice: the second would replace the first", name)
	}
	if other := exclusive[name]; other != "" && c.given[other] {
		return fmt.Errorf("socketio: %s and %s exclude each other: give one of them", other, name)
	}
	if c.given == nil {
		c.given = make(map[string]bool)
	}
	c.given[name] = true
	return nil
}

type config struct {
	given       map[string]bool // the options that may not come again
	byHandshake bool
	optional    bool
	timeout     time.Duration
	maxAttempts int
	farewell    farewell
	linger      time.Duration // of farewellAfter
	user        func(ctx context.Context, t *verifier.Token, h *verifier.Handshake) (any, error)
	onSuccess   []func(*Session)
	onRenewed   []func(*Session)
	onFailure   []func(*verifier.Handshake, *verifier.UnauthorizedError)
	observers   []Observer
	neutral     bool
	policy      policy
	audit       *auditor
	logger      *slog.Logger
	now         func() time.Time

	ignoreExpiry       bool
	grace              time.Duration
	maxAge             time.Duration // zero for no limit
	noticeEvent        string        // "" for none
	noticeLead         time.Duration
	same               func(old, renewed *verifier.Token) bool
	endOnFailedRenewal bool
	keys               verifier.KeyProvider
	keysEvery          time.Duration
	introspector       verifier.Introspector
	introspectEvery    time.Duration

	registry          *Registry
	limit             sessionLimit
	maxPending        int
	failuresByAddress int            // a minute; zero for no limit
	failureCounter    FailureCounter // nil: they are counted in this process alone
	failuresInTotal   int
	clientAddress     func(*verifier.Handshake) string
}

// farewell is what follows "unauthorized".
type farewell int

const (
	farewellOnAck farewell = iota // disconnect when the client acknowledges
	farewellNow                   // disconnect at once
	farewellAfter                 // disconnect after a while, or when the client acknowledges
)

// ByEvent has sockets open and authenticate by the event "authenticate". It is
// the default of package googollee, as of socketio-jwt.
func ByEvent() Option { return choose("ByEvent", func(c *config) { c.byHandshake = false }) }

// ByHandshake has sockets authenticate in the handshake: without a good token
// none is opened. It is the default of package zishang.
func ByHandshake() Option { return choose("ByHandshake", func(c *config) { c.byHandshake = true }) }

// Optional lets sockets stay without authentication, as guests: there is no
// deadline, and the application's events reach them, but handlers for
// authenticated sockets do not run for them. A guest may authenticate at any
// time by event. A token that is presented must be good nevertheless.
func Optional() Option { return func(c *config) error { c.optional = true; return nil } }

// Timeout is how long a socket may take to authenticate by event, from its
// opening on and whatever it tries meanwhile. The default is [DefaultTimeout].
// For a handshake it bounds the verification.
func Timeout(d time.Duration) Option {
	return once("Timeout", func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: Timeout is %v: expected a positive duration", d)
		}
		c.timeout = d
		return nil
	})
}

// MaxAttempts is how many times in a row a socket may fail to authenticate by
// event before it is disconnected. The default is [DefaultMaxAttempts].
func MaxAttempts(n int) Option {
	return once("MaxAttempts", func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("socketio: MaxAttempts is %d: expected a positive number", n)
		}
		c.maxAttempts = n
		return nil
	})
}

// DisconnectNow disconnects a socket right after "unauthorized". By default it
// is disconnected when it acknowledges that event, at the latest by its
// [Timeout] or after [MaxAttempts], and may try again until then.
func DisconnectNow() Option {
	return choose("DisconnectNow", func(c *config) { c.farewell = farewellNow })
}

// DisconnectAfter disconnects a socket d after "unauthorized", or earlier when
// it acknowledges that event. It may try again until then.
func DisconnectAfter(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: DisconnectAfter is %v: expected a positive duration (DisconnectNow disconnects at once)", d)
		}
		c.farewell, c.linger = farewellAfter, d
		return c.claim("DisconnectAfter", false)
	}
}

// User maps a verified token to the application's own user value, which
// [Session.User] then returns. An error refuses the token: an
// [*verifier.UnauthorizedError] is shown to the client, any other is not. It
// is also the place for a check that needs the application's data.
func User(f func(ctx context.Context, t *verifier.Token, h *verifier.Handshake) (any, error)) Option {
	return once("User", func(c *config) error {
		if f == nil {
			return errors.New("socketio: User: the function is nil")
		}
		c.user = f
		return nil
	})
}

// OnSuccess calls f when a socket is authenticated: once for each session,
// before any of its events is handled. It is not called for a renewal.
func OnSuccess(f func(*Session)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnSuccess: the function is nil")
		}
		c.onSuccess = append(c.onSuccess, f)
		return nil
	}
}

// OnRenewed calls f when a session has been given another token, which
// [Session.Token] then returns, before the client is told.
func OnRenewed(f func(*Session)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnRenewed: the function is nil")
		}
		c.onRenewed = append(c.onRenewed, f)
		return nil
	}
}

// OnFailure calls f for every refusal: of a handshake, of an attempt by event,
// of a socket whose time is up ([ErrTimeout]), and of a session that is ended
// ([verifier.ErrTokenExpired], [ErrTokenRevoked] and so on). For one socket it is
// called in order and one at a time. Nothing but a handshake that is refused waits for
// it: a socket is closed before.
func OnFailure(f func(*verifier.Handshake, *verifier.UnauthorizedError)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnFailure: the function is nil")
		}
		c.onFailure = append(c.onFailure, f)
		return nil
	}
}

// WithLogger sets where decisions are logged: who is accepted, renews, is
// refused and leaves at the level debug, panics of the application's functions
// at the level error. A token is named by its jti or a short hash: neither
// tokens nor what they claim are logged, unless an error of the application's
// own says so. The default is [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return once("WithLogger", func(c *config) error {
		if l == nil {
			return errors.New("socketio: WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	})
}

// NeutralMessages keeps from clients which audience, issuer, subject, token id or
// nonce was expected. By default they are told, in jsonwebtoken's words.
func NeutralMessages() Option { return func(c *config) error { c.neutral = true; return nil } }

// WithClock sets the wall clock that sessions expire by, [time.Now] by default.
func WithClock(now func() time.Time) Option {
	return once("WithClock", func(c *config) error {
		if now == nil {
			return errors.New("socketio: WithClock: the clock is nil")
		}
		c.now = func() (t time.Time) {
			defer func() {
				if p := recover(); p != nil {
					c.logger.Error("socketio: the function of WithClock panicked, the system's clock is used", "panic", p)
					t = time.Now()
				}
			}()
			return now()
		}
		return nil
	})
}
