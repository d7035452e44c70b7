package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// ErrForbidden is why an event or a join is refused that a rule does not allow.
const ErrForbidden verifier.Reason = "forbidden"

// Action is what a session asks to do.
type Action string

// The actions that are decided on after the connection.
const (
	ActionEvent Action = "event" // to send an event; the resource is its name
	ActionJoin  Action = "join"  // to join a room; the resource is its name
)

// Decider decides whether a session may do something: nil allows it, any error refuses
// it. The client is shown an [*verifier.UnauthorizedError]; of any other error it learns
// only that the action is forbidden. A decider that cannot tell, since a service is out
// of reach for example, returns a retryable error. The session's token is the one in
// force. Decide is called from many goroutines at once, under no lock; it should return
// soon after ctx ends, for the client's next event waits for it.
type Decider interface {
	Decide(ctx context.Context, s *Session, action Action, resource string) error
}

// DeciderFunc makes a function a [Decider].
type DeciderFunc func(ctx context.Context, s *Session, action Action, resource string) error

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, s *Session, action Action, resource string) error {
	return f(ctx, s, action, resource)
}

// tokenRule decides by the token alone. Its decisions hold for as long as the token is
// in force, and are made once.
type tokenRule func(t *verifier.Token) error

// Decide applies the rule to the token in force.
func (f tokenRule) Decide(_ context.Context, s *Session, _ Action, _ string) error {
	return f(s.Token())
}

// Scope asks that the token has all of the scopes ([verifier.Token.Scopes]); otherwise
// the reason is [verifier.ErrScopeMismatch].
func Scope(scopes ...string) Decider {
	return hasAll(slices.Clone(scopes), "scope", (*verifier.Token).Scopes)
}

// Permission asks that the token has all of the permissions
// ([verifier.Token.Permissions]); otherwise the reason is [verifier.ErrScopeMismatch].
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

// Cached keeps what d decides for a session, an action and a resource for that long, or
// until the session's token is renewed. A retryable error is not kept. Use it for
// deciders that ask a service.
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

// kept returns what is kept, if anything is.
func (c *cached) kept(s *Session, action Action, resource string) (error, bool) {
	return s.pass.Load().decisions.get(decisionKey{c, action, resource})
}

// Decide returns what is kept, or asks.
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

// rules are what an event or a room asks for: all of the deciders.
type rules []rule

// rule is one decider. That of a token has a number, by which a pass keeps what it said.
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

	numbered int // deciders by token alone

	roomTokens    Authenticator
	onRoomRevoked []func(*Session, string, *verifier.UnauthorizedError)
}

type roomRule struct {
	pattern *pattern
	rules   rules
}

// Allow lets sessions send the event only if all deciders allow it, such as
// Scope("chat:write"). A refused event does not reach its handler: its acknowledgement,
// or else "unauthorized", tells the client the reason and the event's name, and nothing
// else of the connection changes. Without a decider any session may send the event, and
// no guest. The event "*" stands for all events without a rule of their own; without it
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
// allow it. It may be given several times: a room needs one pattern that allows it. If
// it is given at all, a room that no pattern matches is refused.
//
// In a pattern {name} stands for the value of that claim, or one of its values if it is
// a list of strings; * for one or more characters up to the next delimiter, which is the
// character before it; ** at the end for any characters. "org:{org}:*" allows a token
// with {"org":"red"} to join org:red:news. A value that contains the delimiter matches
// nothing, so that no value reaches the rooms of another.
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

// WithDecider asks d about every event and every join that the rules of [Allow] and
// [AllowRoom] allow: a policy engine, for example.
func WithDecider(d Decider) Option {
	return once("WithDecider", func(c *config) error {
		if isNil(d) {
			return errors.New("socketio: WithDecider: the decider is nil")
		}
		c.policy.all = c.policy.compile([]Decider{d})
		return nil
	})
}

// OnRoomRevoked calls f when a session has been taken out of a room that it may no
// longer be in: after a renewal with fewer rights, or at the end of its room token.
func OnRoomRevoked(f func(s *Session, room string, err *verifier.UnauthorizedError)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("socketio: OnRoomRevoked: the function is nil")
		}
		c.policy.onRoomRevoked = append(c.policy.onRoomRevoked, f)
		return nil
	}
}

func isNilDecider(d Decider) bool { return isNil(d) }

// forbidden is the refusal of a rule's error.
func forbidden(err error) *verifier.UnauthorizedError {
	u := refusalOf(err)
	if errors.Is(u, context.DeadlineExceeded) && !u.Retryable {
		return outOfTime(u)
	}
	if u.Reason != verifier.ErrRejected {
		return u
	}
	return &verifier.UnauthorizedError{Code: string(ErrForbidden), Message: "forbidden", Reason: ErrForbidden, Retryable: u.Retryable, Err: u}
}

var errNoRule = &verifier.UnauthorizedError{
	Code: string(ErrForbidden), Message: "forbidden", Reason: ErrForbidden, Err: errors.New("no pattern of AllowRoom allows the room"),
}

var errGuest = &verifier.UnauthorizedError{
	Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing,
}

// decideAction applies the policy to what a session asks for. Nil allows it.
func (a *Authorizer) decideAction(ctx context.Context, s *Session, action Action, resource string) *verifier.UnauthorizedError {
	var refused *verifier.UnauthorizedError
	switch action {
	case ActionEvent:
		r, ok := a.policy.events[resource]
		if !ok {
			r = a.policy.events["*"]
		}
		refused = a.ask(ctx, s, r, action, resource)
	case ActionJoin:
		refused = a.decideRoom(ctx, s, resource)
	}
	if refused == nil {
		refused = a.ask(ctx, s, a.policy.all, action, resource)
	}
	return refused
}

// decideRoom looks for a pattern that allows a room.
func (a *Authorizer) decideRoom(ctx context.Context, s *Session, room string) *verifier.UnauthorizedError {
	if len(a.policy.rooms) == 0 {
		return nil
	}
	p := s.pass.Load()
	refused := errNoRule
	for i := range a.policy.rooms {
		rule := &a.policy.rooms[i]
		key := decisionKey{rule, ActionJoin, room}
		err, known := p.decisions.get(key)
		if !known {
			if !rule.pattern.match(p.token, room) {
				err = errNoRule
			}
			p.decisions.put(key, err, forToken)
		}
		if err != nil {
			continue
		}
		if refused = a.ask(ctx, s, rule.rules, ActionJoin, room); refused == nil {
			return nil
		}
	}
	return refused
}

// sessionContext stands for the context of the session that is decided about, which is
// made only if a decider needs one.
var sessionContext context.Context

// ask asks deciders in order, until one refuses.
func (a *Authorizer) ask(ctx context.Context, s *Session, all rules, action Action, resource string) *verifier.UnauthorizedError {
	for i := range all {
		r := &all[i]
		var err error
		if r.token == nil {
			err = a.askOther(ctx, s, r.decider, action, resource)
		} else if p := s.pass.Load(); !p.decisions.allows(r.number) {
			if err = r.token(p.token); err == nil {
				p.decisions.allow(r.number)
			}
		}
		if err != nil {
			return forbidden(err)
		}
	}
	return nil
}

// askOther asks a decider of the application's, within the timeout.
func (a *Authorizer) askOther(ctx context.Context, s *Session, d Decider, action Action, resource string) (err error) {
	if c, ok := d.(*cached); ok { // without the cost of a context
		if err, known := c.kept(s, action, resource); known {
			return err
		}
	}
	if ctx == sessionContext {
		ctx = s.Context()
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	if refused := a.guarded("a Decider", func() { err = d.Decide(ctx, s, action, resource) }); refused != nil {
		return refused
	}
	return err
}
