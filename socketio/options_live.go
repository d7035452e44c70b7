package socketio

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The options of live sessions, and of what may be asked of the server at once.

// IgnoreExpiration lets sessions outlive their token: they end by
// [MaxSessionAge], a revocation or a disconnect only. By default a session ends
// when its token expires ([verifier.Token.ValidUntil]).
func IgnoreExpiration() Option { return func(c *config) error { c.ignoreExpiry = true; return nil } }

// ExpiryGrace is how long a session lasts beyond its token, so that a renewal
// that comes late is still one. The default is none.
func ExpiryGrace(d time.Duration) Option {
	return once("ExpiryGrace", func(c *config) error {
		if d < 0 {
			return fmt.Errorf("socketio: ExpiryGrace is %v: expected zero or more", d)
		}
		c.grace = d
		return nil
	})
}

// MaxSessionAge ends a session d after it began, whatever its token says and
// however often it is renewed ([ErrSessionExpired]). The client may connect
// again. The default is no limit.
func MaxSessionAge(d time.Duration) Option {
	return once("MaxSessionAge", func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: MaxSessionAge is %v: expected a positive duration", d)
		}
		c.maxAge = d
		return nil
	})
}

// ExpiryNotice has clients told that their session is about to end, so that they
// renew it in time: by the event, whose argument is {"expires_in": seconds},
// that long before the end, or when half of the remaining time has passed if
// that is later. For a room token ([RoomTokens]) the argument has the name of the room,
// too: {"expires_in": seconds, "room": "..."}. The default is [EventTokenExpiring],
// [DefaultExpiryNotice] before. The empty event turns the notice off.
func ExpiryNotice(event string, before time.Duration) Option {
	return once("ExpiryNotice", func(c *config) error {
		switch {
		case reservedEvents[event]:
			return fmt.Errorf("socketio: ExpiryNotice: the event %q has another meaning", event)
		case event != "" && before <= 0:
			return fmt.Errorf("socketio: ExpiryNotice is %v before the end: expected a positive duration", before)
		}
		c.noticeEvent, c.noticeLead = event, before
		return nil
	})
}

// reservedEvents mean something to authorization, or to a client or server of any
// version of Socket.IO.
var reservedEvents = map[string]bool{
	EventAuthenticate: true, EventAuthenticated: true, EventUnauthorized: true,
	"connect": true, "connect_error": true, "connect_timeout": true, "connecting": true, "connection": true,
	"disconnect": true, "disconnecting": true, "error": true, "newListener": true, "removeListener": true, "ping": true, "pong": true,
	"reconnect": true, "reconnect_attempt": true, "reconnecting": true, "reconnect_error": true, "reconnect_failed": true,
}

// SameIdentity adds a condition to what makes two tokens the same identity. f gets
// the session's token and the new one, after their issuers, their subjects and the
// keys they are bound to (cnf) were found equal, and reports whether the rest is the
// same too: the tenant, for example. The answer counts for renewals and for what a
// later connection may inherit, such as recovered rooms and events: the old token may
// then come from a store ([verifier.TokenFromRecord]), with its claims but without
// header and signature. Tokens without a subject are the same identity only if f is
// given.
func SameIdentity(f func(old, renewed *verifier.Token) bool) Option {
	return once("SameIdentity", func(c *config) error {
		if f == nil {
			return errors.New("socketio: SameIdentity: the function is nil")
		}
		c.same = f
		return nil
	})
}

// EndOnFailedRenewal ends a session whose renewal fails, unless the failure is
// retryable. By default it is unchanged, the client is told, and may try again
// until [MaxAttempts] or the session's end.
func EndOnFailedRenewal() Option {
	return func(c *config) error { c.endOnFailedRenewal = true; return nil }
}

// EndOnWithdrawnKey ends the sessions whose token was signed by a key that the
// provider no longer has, or whose issuer it no longer trusts ([ErrKeyWithdrawn]). It is
// asked at that interval, once for each key in use and for each issuer on its own
// ([verifier.HasKey]). Only an answer ends sessions: if the provider cannot be asked
// they stay, the log says so, and the next sweep asks again.
func EndOnWithdrawnKey(keys verifier.KeyProvider, every time.Duration) Option {
	return once("EndOnWithdrawnKey", func(c *config) error {
		switch {
		case isNil(keys):
			return errors.New("socketio: EndOnWithdrawnKey: the key provider is nil")
		case every <= 0:
			return fmt.Errorf("socketio: EndOnWithdrawnKey every %v: expected a positive duration", every)
		}
		c.keys, c.keysEvery = keys, every
		return nil
	})
}

// EndOnInactiveToken ends the sessions whose opaque token ([verifier.NewOpaque]) is no
// longer active at its issuer ([verifier.ErrTokenInactive]). The introspector, such as
// that of package introspection, is asked at that interval about each such token in use,
// up to eight at once ([verifier.StillActive]). Only an answer ends sessions, as with
// [EndOnWithdrawnKey].
func EndOnInactiveToken(introspector verifier.Introspector, every time.Duration) Option {
	return once("EndOnInactiveToken", func(c *config) error {
		switch {
		case isNil(introspector):
			return errors.New("socketio: EndOnInactiveToken: the introspector is nil")
		case every <= 0:
			return fmt.Errorf("socketio: EndOnInactiveToken every %v: expected a positive duration", every)
		}
		c.introspector, c.introspectEvery = introspector, every
		return nil
	})
}

// WithRegistry has the sessions kept in a registry that others may share. The
// default is one of the authorizer's own: see [Authorizer.Registry].
func WithRegistry(r *Registry) Option {
	return once("WithRegistry", func(c *config) error {
		if r == nil {
			return errors.New("socketio: WithRegistry: the registry is nil")
		}
		c.registry = r
		return nil
	})
}

// SessionLimit is how many sessions a user, an issuer's subject, may have in the
// namespace at once, over all that share the registry. The policy says what
// happens to one more ([ErrSessionLimit]). The default is no limit, and tokens
// without a subject have none.
func SessionLimit(n int, policy LimitPolicy) Option {
	return once("SessionLimit", func(c *config) error {
		switch {
		case n <= 0:
			return fmt.Errorf("socketio: SessionLimit is %d: expected a positive number", n)
		case policy != RejectNewest && policy != EvictOldest:
			return fmt.Errorf("socketio: SessionLimit: %d is no policy: expected RejectNewest or EvictOldest", policy)
		}
		c.limit = sessionLimit{n, policy}
		return nil
	})
}

// MaxPending is how many sockets may wait to authenticate by event at once. With
// one more, the one that has waited longest is disconnected
// ([ErrTooManyPending]): a flood of idle sockets crowds out itself, not the
// client that authenticates as soon as it is connected. The default is
// [DefaultMaxPending].
func MaxPending(n int) Option {
	return once("MaxPending", func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("socketio: MaxPending is %d: expected a positive number", n)
		}
		c.maxPending = n
		return nil
	})
}

// MaxFailures limits how many forged tokens a minute are looked at, from one
// address and in total; zero is no limit. An address above its limit is refused
// unread ([ErrTooManyAttempts], retryable) until the minute's budget, which
// refills evenly, has something left. When the total is used up the same holds
// for every address that had a part in it, and for no other.
//
// Forged is a token that no honest client presents: malformed, too long, of an
// algorithm that is not allowed or with a signature that does not hold. Expired
// and missing tokens do not count, so that many clients behind one address do
// not lock each other out. The defaults are [DefaultMaxFailuresPerAddress] and
// [DefaultMaxFailures].
func MaxFailures(perAddress, total int) Option {
	return once("MaxFailures", func(c *config) error {
		if perAddress < 0 || total < 0 {
			return fmt.Errorf("socketio: MaxFailures is %d and %d: expected zero or more", perAddress, total)
		}
		c.failuresByAddress, c.failuresInTotal = perAddress, total
		return nil
	})
}

// ClientAddress tells the address that [MaxFailures] counts by, with or without
// a port; an IPv6 address stands for its /64 network, and "" is not limited. The
// default is RemoteAddr, unless it is a loopback, private or link-local one:
// most likely a proxy's. Behind a proxy give a function that reads the header it
// sets, and make sure that nobody else can set it.
func ClientAddress(f func(h *verifier.Handshake) string) Option {
	return once("ClientAddress", func(c *config) error {
		if f == nil {
			return errors.New("socketio: ClientAddress: the function is nil")
		}
		c.clientAddress = f
		return nil
	})
}
