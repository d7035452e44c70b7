package socketio

import (
	"context"
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var errNoRule = &verifier.UnauthorizedError{
	Code: string(ErrForbidden), Message: "forbidden", Reason: ErrForbidden, Err: errors.New("no pattern of AllowRoom allows the room"),
}

var errGuest = &verifier.UnauthorizedError{
	Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing,
}

// decideAction applies the policy to an action of a session. It returns nil if the
// policy allows it.
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

// decideRoom looks for a pattern that allows the room.
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

// sessionContext stands for the context of the session. That context is created only if
// a decider needs it.
var sessionContext context.Context

// ask asks the deciders in order, until one refuses.
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

// askOther asks a decider of the application, within the timeout.
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

// forbidden converts the error of a decider to a refusal.
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
