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

// An Option configures an [Authorizer]. [New] returns an error if an option is invalid,
// contradicts another one, or is given twice although the second would replace the
// first.
type Option func(*config) error

// Defaults groups options that later options may replace. Bindings use it for their own
// defaults, in front of the options of their users.
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

// once makes an option that may be given only once.
func once(name string, set Option) Option {
	return func(c *config) error {
		if err := set(c); err != nil {
			return err
		}
		return c.claim(name, false)
	}
}

// choose makes an option without an argument that excludes others.
func choose(name string, set func(*config)) Option {
	return func(c *config) error { set(c); return c.claim(name, true) }
}

// exclusive lists the options that exclude each other.
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
	sessionRules
	given       map[string]bool // the options that may not come again
	byHandshake bool
	optional    bool
	maxAttempts int
	close       closeMode
	closeDelay  time.Duration // of closeAfter
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
	endOnFailedRenewal bool
	keys               verifier.KeyProvider
	keysEvery          time.Duration
	introspector       verifier.Introspector
	introspectEvery    time.Duration

	registry          *Registry
	maxPending        int
	failuresByAddress int            // a minute; zero for no limit
	failureCounter    FailureCounter // nil: they are counted in this process only
	failuresInTotal   int
	clientAddress     func(*verifier.Handshake) string
}

// closeMode says when a socket is disconnected after "unauthorized".
type closeMode int

const (
	closeOnAck closeMode = iota // when the client acknowledges it
	closeNow                    // at once
	closeAfter                  // after a delay, or when the client acknowledges it
)

// ByEvent opens sockets before they authenticate; the client then emits "authenticate".
// It is the default of package googollee, as of socketio-jwt.
func ByEvent() Option { return choose("ByEvent", func(c *config) { c.byHandshake = false }) }

// ByHandshake authenticates sockets in the handshake: a socket without a valid token
// does not open. It is the default of package zishang.
func ByHandshake() Option { return choose("ByHandshake", func(c *config) { c.byHandshake = true }) }

// Optional accepts clients without a token as guests. A guest has no deadline and
// receives the application's events, but handlers for authenticated sockets do not run
// for it. A guest may authenticate by event at any time. A client that presents an
// invalid token is refused, not a guest.
func Optional() Option { return func(c *config) error { c.optional = true; return nil } }

// Timeout limits how long a socket may take to authenticate by event. The time runs from
// the opening of the socket, and failed attempts do not extend it. For a handshake it
// limits the verification. The default is [DefaultTimeout].
func Timeout(d time.Duration) Option {
	return once("Timeout", func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: Timeout is %v: expected a positive duration", d)
		}
		c.timeout = d
		return nil
	})
}

// MaxAttempts sets how many times in a row a socket may fail to authenticate by event
// before the server disconnects it. The default is [DefaultMaxAttempts].
func MaxAttempts(n int) Option {
	return once("MaxAttempts", func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("socketio: MaxAttempts is %d: expected a positive number", n)
		}
		c.maxAttempts = n
		return nil
	})
}

// DisconnectNow disconnects a socket right after "unauthorized". Without it the server
// waits until the client acknowledges that event, at most until [Timeout] or
// [MaxAttempts], and the client may try again until then.
func DisconnectNow() Option {
	return choose("DisconnectNow", func(c *config) { c.close = closeNow })
}

// DisconnectAfter disconnects a socket d after "unauthorized", or when the client
// acknowledges that event. The client may try again until then.
func DisconnectAfter(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: DisconnectAfter is %v: expected a positive duration (DisconnectNow disconnects at once)", d)
		}
		c.close, c.closeDelay = closeAfter, d
		return c.claim("DisconnectAfter", false)
	}
}

// User maps a verified token to your user value, which [Session.User] returns. It is the
// place for checks that need your data. An error refuses the token; the client sees an
// [*verifier.UnauthorizedError], but no other error.
func User(f func(ctx context.Context, t *verifier.Token, h *verifier.Handshake) (any, error)) Option {
	return once("User", func(c *config) error {
		if f == nil {
			return errors.New("socketio: User: the function is nil")
		}
		c.user = f
		return nil
	})
}

// OnSuccess calls f once for each session, before any of its events is handled. It does
// not call f for a renewal.
func OnSuccess(f func(*Session)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnSuccess: the function is nil")
		}
		c.onSuccess = append(c.onSuccess, f)
		return nil
	}
}

// OnRenewed calls f when a session has a new token, before the client learns of it.
// [Session.Token] returns the new token.
func OnRenewed(f func(*Session)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnRenewed: the function is nil")
		}
		c.onRenewed = append(c.onRenewed, f)
		return nil
	}
}

// OnFailure calls f for every refusal: of a handshake, of an attempt by event, of a
// socket that did not authenticate in time ([ErrTimeout]), and of a session that
// authorization ends ([verifier.ErrTokenExpired], [ErrTokenRevoked] and others). The
// calls for one socket come in order and one at a time. Only a refused handshake waits
// for f; other sockets are closed before the call.
func OnFailure(f func(*verifier.Handshake, *verifier.UnauthorizedError)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnFailure: the function is nil")
		}
		c.onFailure = append(c.onFailure, f)
		return nil
	}
}

// WithLogger sets the logger for decisions. Sessions that begin, renew or end, and
// refusals, are logged at the level debug; panics of the application's functions at the
// level error. A token appears as its jti or a short hash. The log contains neither
// tokens nor claims, unless an error of the application contains them. The default is
// [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return once("WithLogger", func(c *config) error {
		if l == nil {
			return errors.New("socketio: WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	})
}

// NeutralMessages hides from clients which audience, issuer, subject, token id or nonce
// the server expected. By default they see it, in jsonwebtoken's words.
func NeutralMessages() Option { return func(c *config) error { c.neutral = true; return nil } }

// WithClock sets the wall clock by which sessions expire. The default is [time.Now].
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
