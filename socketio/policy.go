package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Decider decides whether a session may do something: nil allows it, any error refuses
// it. The client sees an [*verifier.UnauthorizedError]. For any other error it learns
// only that the action is forbidden. A decider that cannot decide, because a service
// does not answer for example, returns a retryable error. The session's token is the one
// in force. Decide must be safe for concurrent use. It runs under no lock, and should
// return soon after ctx ends, since the client's next event waits for it.
type Decider interface {
	Decide(ctx context.Context, s *Session, action Action, resource string) error
}

// DeciderFunc turns a function into a [Decider].
type DeciderFunc func(ctx context.Context, s *Session, action Action, resource string) error

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, s *Session, action Action, resource string) error {
	return f(ctx, s, action, resource)
}

// tokenRule decides only by the token. A decision is made once, and remains while the
// token is in force.
type tokenRule func(t *verifier.Token) error

// Decide applies the rule to the token in force.
func (f tokenRule) Decide(_ context.Context, s *Session, _ Action, _ string) error {
	return f(s.Token())
}

// Scope requires that the token has all of the scopes ([verifier.Token.Scopes]).
// Otherwise the reason is [verifier.ErrScopeMismatch].
func Scope(scopes ...string) Decider {
	return hasAll(slices.Clone(scopes), "scope", (*verifier.Token).Scopes)
}

// Permission requires that the token has all of the permissions
// ([verifier.Token.Permissions]). Otherwise the reason is [verifier.ErrScopeMismatch].
func Permission(permissions ...string) Decider {
	return hasAll(slices.Clone(permissions), "permission", (*verifier.Token).Permissions)
}

func hasAll(want []string, what string, of func(*verifier.Token) []string) Decider {
	if len(want) == 0 || slices.Contains(want, "") {
		return nil // which Allow and AllowRoom refuse
	}
	refusal := &verifier.UnauthorizedError{
		Code: string(verifier.ErrScopeMismatch), Message: "insufficient scope", Reason: verifier.ErrScopeMismatch,
		Err: fmt.Errorf("the token lacks a %s of %q", what, want),
	}
	return tokenRule(func(t *verifier.Token) error {
		have := of(t)
		for _, w := range want {
			if !slices.Contains(have, w) {
				return refusal
			}
		}
		return nil
	})
}

// Cached keeps the decision of d for a session, an action and a resource: for ttl, or
// until the session's token is renewed. It does not keep a retryable error. Use it for
// deciders that call a service.
func Cached(d Decider, ttl time.Duration) Decider {
	if isNil(d) || ttl <= 0 {
		return nil
	}
	return &cached{d, ttl}
}

type cached struct {
	Decider
	ttl time.Duration
}

// kept returns a decision that was kept.
func (c *cached) kept(s *Session, action Action, resource string) (error, bool) {
	return s.pass.Load().decisions.get(decisionKey{c, action, resource})
}

// Decide returns the kept decision, or asks the decider.
func (c *cached) Decide(ctx context.Context, s *Session, action Action, resource string) error {
	if err, ok := c.kept(s, action, resource); ok {
		return err
	}
	p := s.pass.Load()
	key := decisionKey{c, action, resource}
	err := c.Decider.Decide(ctx, s, action, resource)
	if u := (*verifier.UnauthorizedError)(nil); ctx.Err() == nil && !(errors.As(err, &u) && u != nil && u.Retryable) {
		p.decisions.put(key, err, c.ttl)
	}
	return err
}

// rules are the deciders of an event or a room. All of them must allow it.
type rules []rule

// rule is one decider. A tokenRule has a number, under which a pass keeps its decision.
type rule struct {
	decider Decider
	token   tokenRule // nil for any other
	number  int
}

// compile numbers the deciders.
func (p *policy) compile(deciders []Decider) rules {
	all := make(rules, len(deciders))
	for i, d := range deciders {
		all[i] = rule{decider: d, number: -1}
		if t, ok := d.(tokenRule); ok {
			all[i].token, all[i].number = t, p.numbered
			p.numbered++
		}
	}
	return all
}

// policy is what a configuration allows after the connection.
type policy struct {
	events map[string]rules
	rooms  []roomRule
	all    rules // of WithDecider

	numbered int // deciders that look only at the token

	roomTokens    Authenticator
	onRoomRevoked []func(*Session, string, *verifier.UnauthorizedError)
}

type roomRule struct {
	pattern *pattern
	rules   rules
}

// Allow lets sessions send the event only if all deciders allow it, such as
// Scope("chat:write"). A refused event does not reach its handler. The client gets the
// reason and the event's name, in the event's acknowledgement or otherwise by
// "unauthorized"; the connection is unchanged. Without a decider any session may send
// the event, but no guest. The event "*" covers all events that have no rule. Without it
// those are allowed.
func Allow(event string, deciders ...Decider) Option {
	return func(c *config) error {
		switch {
		case event == "":
			return errors.New("socketio: Allow: the event is empty")
		case reservedEvents[event]:
			return fmt.Errorf("socketio: Allow: the event %q is not the application's", event)
		case slices.ContainsFunc(deciders, isNilDecider):
			return fmt.Errorf("socketio: Allow(%q): a decider is nil, or a Scope or Permission is empty", event)
		case c.policy.events[event] != nil:
			return fmt.Errorf("socketio: Allow(%q) is given twice: give all deciders at once", event)
		}
		if c.policy.events == nil {
			c.policy.events = make(map[string]rules)
		}
		c.policy.events[event] = c.policy.compile(deciders)
		return nil
	}
}

// AllowRoom lets sessions join the rooms whose names match the pattern, if all deciders
// allow it. It may be given several times; one pattern must allow the room. Once it is
// given, a room that no pattern matches is refused.
//
// In a pattern
//
//   - {name} matches the value of that claim, or one of its values if it is a list of
//     strings
//   - * matches one or more characters up to the next delimiter, which is the character
//     in front of it
//   - ** at the end matches any characters
//
// "org:{org}:*" allows a token with {"org":"red"} to join org:red:news. A value that
// contains the delimiter does not match, so that no value reaches the rooms of another
// one.
func AllowRoom(pattern string, deciders ...Decider) Option {
	return func(c *config) error {
		p, err := parsePattern(pattern)
		switch {
		case err != nil:
			return fmt.Errorf("socketio: AllowRoom(%q): %w", pattern, err)
		case slices.ContainsFunc(deciders, isNilDecider):
			return fmt.Errorf("socketio: AllowRoom(%q): a decider is nil, or a Scope or Permission is empty", pattern)
		}
		c.policy.rooms = append(c.policy.rooms, roomRule{p, c.policy.compile(deciders)})
		return nil
	}
}

// WithDecider asks d about every event and join that the rules of [Allow] and
// [AllowRoom] allow, for example to use a policy engine.
func WithDecider(d Decider) Option {
	return once("WithDecider", func(c *config) error {
		if isNil(d) {
			return errors.New("socketio: WithDecider: the decider is nil")
		}
		c.policy.all = c.policy.compile([]Decider{d})
		return nil
	})
}

// OnRoomRevoked calls f when the server has taken a session out of a room: after a
// renewal with fewer rights, or at the end of its room token.
func OnRoomRevoked(f func(s *Session, room string, err *verifier.UnauthorizedError)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnRoomRevoked: the function is nil")
		}
		c.policy.onRoomRevoked = append(c.policy.onRoomRevoked, f)
		return nil
	}
}

// RoomTokens lets sessions join a room with a token for it, whatever [AllowRoom] says: a
// short-lived JWT that your backend issues. v verifies it. Give v an audience or type
// ([verifier.Type]) that the tokens of connections do not have. A room token must have
//
//   - room: the name of the room, exactly
//   - sub: that of the session's token
//   - exp: the time when the socket leaves the room. A new token for the same room
//     renews it; the server tells the client in time ([ExpiryNotice])
//
// A revocation that names its claims refuses it ([Registry.Revoke]).
func RoomTokens(v *verifier.Verifier) Option {
	return once("RoomTokens", func(c *config) error {
		if v == nil {
			return errors.New("socketio: RoomTokens: the verifier is nil")
		}
		c.policy.roomTokens = v
		return nil
	})
}

func isNilDecider(d Decider) bool { return isNil(d) }
