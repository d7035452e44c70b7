package socketio

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The options of live sessions, and the limits.

// IgnoreExpiration keeps sessions alive after their token has expired. They end by
// [MaxSessionAge], a revocation or a disconnect only. By default a session ends when its
// token expires ([verifier.Token.ValidUntil]).
func IgnoreExpiration() Option { return func(c *config) error { c.ignoreExpiry = true; return nil } }

// ExpiryGrace extends a session beyond its token by d, so that a late renewal still
// succeeds. The default is zero.
func ExpiryGrace(d time.Duration) Option {
	return once("ExpiryGrace", func(c *config) error {
		if d < 0 {
			return fmt.Errorf("socketio: ExpiryGrace is %v: expected zero or more", d)
		}
		c.grace = d
		return nil
	})
}

// MaxSessionAge ends a session d after it began, whatever its token says and however
// often it was renewed ([ErrSessionExpired]). The client may connect again. The default
// is no limit.
func MaxSessionAge(d time.Duration) Option {
	return once("MaxSessionAge", func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("socketio: MaxSessionAge is %v: expected a positive duration", d)
		}
		c.maxAge = d
		return nil
	})
}

// DefaultExpiryNotice is the default of [ExpiryNotice].
const DefaultExpiryNotice = time.Minute

// ExpiryNotice tells clients that their session is about to end, so that they renew it
// in time. The server emits the event with {"expires_in": seconds}: that long before the
// end, or when half of the remaining time has passed, whichever is later. For a room
// token ([RoomTokens]) the argument also names the room: {"expires_in": seconds, "room":
// "..."}. The default is [EventTokenExpiring], [DefaultExpiryNotice] before the end. The
// empty event turns the notice off.
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

// reservedEvents have a meaning for authorization, or for a client or server of some
// version of Socket.IO.
var reservedEvents = map[string]bool{
	EventAuthenticate: true, EventAuthenticated: true, EventUnauthorized: true,
	"connect": true, "connect_error": true, "connect_timeout": true, "connecting": true, "connection": true,
	"disconnect": true, "disconnecting": true, "error": true, "newListener": true, "removeListener": true, "ping": true, "pong": true,
	"reconnect": true, "reconnect_attempt": true, "reconnecting": true, "reconnect_error": true, "reconnect_failed": true,
}

// SameIdentity adds a condition for two tokens to belong to the same identity. The
// issuers, the subjects and the keys that the tokens are bound to (cnf) must be equal in
// any case; f compares the rest, such as the tenant. It gets the session's token and the
// new one.
//
// The decision applies to renewals, and to what a later connection may inherit, such as
// recovered rooms and events. In that case the old token may come from a store
// ([verifier.TokenFromRecord]): it has its claims, but no header and no signature.
// Tokens without a subject belong to the same identity only if f is given and says so.
func SameIdentity(f func(old, renewed *verifier.Token) bool) Option {
	return once("SameIdentity", func(c *config) error {
		if f == nil {
			return errors.New("socketio: SameIdentity: the function is nil")
		}
		c.same = f
		return nil
	})
}

// EndOnFailedRenewal ends a session when its renewal fails, unless the failure is
// retryable. By default the session goes on, and the client may try again until
// [MaxAttempts] or the session's end.
func EndOnFailedRenewal() Option {
	return func(c *config) error { c.endOnFailedRenewal = true; return nil }
}

// EndOnWithdrawnKey ends sessions whose token was signed by a key that the provider no
// longer has, or whose issuer the provider no longer trusts ([ErrKeyWithdrawn]). The
// server asks at that interval, once for each key in use, and for each issuer separately
// ([verifier.HasKey]). Only an answer ends sessions. If the provider cannot be asked,
// the sessions go on, the log says so, and the next sweep asks again.
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

// EndOnInactiveToken ends sessions whose opaque token ([verifier.NewOpaque]) is no
// longer active at its issuer ([verifier.ErrTokenInactive]). The server asks the
// introspector, such as that of package introspection, at that interval about each such
// token in use, up to eight at once ([verifier.StillActive]). As with
// [EndOnWithdrawnKey], only an answer ends sessions.
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

// WithRegistry keeps the sessions in the registry r, which other authorizers may share.
// By default each authorizer has its own ([Authorizer.Registry]).
func WithRegistry(r *Registry) Option {
	return once("WithRegistry", func(c *config) error {
		if r == nil {
			return errors.New("socketio: WithRegistry: the registry is nil")
		}
		c.registry = r
		return nil
	})
}

// SessionLimit sets how many sessions a user (an issuer's subject) may have in the
// namespace at once, over all authorizers that share the registry. The policy says what
// happens to one more ([ErrSessionLimit]). The default is no limit. Tokens without a
// subject have no limit.
func SessionLimit(n int, policy LimitPolicy) Option {
	return once("SessionLimit", func(c *config) error {
		switch {
		case n <= 0:
			return fmt.Errorf("socketio: SessionLimit is %d: expected a positive number", n)
		case policy != RejectNewest && policy != EvictOldest:
			return fmt.Errorf("socketio: SessionLimit: %d is not a policy: expected RejectNewest or EvictOldest", policy)
		}
		c.limit = sessionLimit{n, policy}
		return nil
	})
}

// MaxPending sets how many sockets may wait to authenticate by event at once. When there
// are more, the server disconnects the oldest one ([ErrTooManyPending]): a flood of idle
// sockets displaces itself, and not the client that authenticates as soon as it is
// connected. The default is [DefaultMaxPending].
func MaxPending(n int) Option {
	return once("MaxPending", func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("socketio: MaxPending is %d: expected a positive number", n)
		}
		c.maxPending = n
		return nil
	})
}

// MaxFailures limits how many forged tokens a minute the server reads, from one address
// and in total; zero means no limit. The server refuses an address above its limit
// without reading its token ([ErrTooManyAttempts], retryable). The budget refills
// evenly. When the total is used up, the server refuses every address that contributed
// to it, and no other.
//
// A token is forged if no honest client presents it: it is malformed, too long, of an
// algorithm that is not allowed, or its signature is invalid. Expired and missing tokens
// do not count, so that many clients behind one address do not lock each other out. The
// defaults are [DefaultMaxFailuresPerAddress] and [DefaultMaxFailures].
func MaxFailures(perAddress, total int) Option {
	return once("MaxFailures", func(c *config) error {
		if perAddress < 0 || total < 0 {
			return fmt.Errorf("socketio: MaxFailures is %d and %d: expected zero or more", perAddress, total)
		}
		c.failuresByAddress, c.failuresInTotal = perAddress, total
		return nil
	})
}

// ClientAddress sets the function that returns the address by which [MaxFailures]
// counts, with or without a port. An IPv6 address counts as its /64 network; "" is not
// limited. The default is RemoteAddr, unless that is a loopback, private or link-local
// address, which is most likely a proxy's. Behind a proxy, give a function that reads
// the header that the proxy sets, and make sure that clients cannot set it.
func ClientAddress(f func(h *verifier.Handshake) string) Option {
	return once("ClientAddress", func(c *config) error {
		if f == nil {
			return errors.New("socketio: ClientAddress: the function is nil")
		}
		c.clientAddress = f
		return nil
	})
}
