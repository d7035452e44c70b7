package socketio

import (
	"context"
	"errors"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// findPlace makes sure that the user of a pass may have one more session: in this process,
// and then in all. If there is no place it asks the user's connections for a sign of life,
// and tries once more if one of them is gone.
func (r *Registry) findPlace(ctx context.Context, p *Pass, namespace string) *verifier.UnauthorizedError {
	find := func() *verifier.UnauthorizedError {
		if err := r.mayBegin(p.rules, p.token, namespace); err != nil {
			return err
		}
		return r.reserve(ctx, p, namespace)
	}
	err := find()
	if err == errSessionLimit && r.makeRoom(ctx, p.rules, p.token, namespace) {
		err = find()
	}
	return err
}

// reserved reports whether all processes have a place for the session of a pass. The
// error says that there was one, and why it is gone. The caller holds the registry's mu.
func (r *Registry) reserved(p *Pass) (bool, *verifier.UnauthorizedError) {
	in := p.present
	if in == nil {
		return false, nil
	}
	r.presences.mu.Lock()
	defer r.presences.mu.Unlock()
	switch {
	case in.ended != nil:
		return false, in.ended
	case r.presences.mine[in.ID] != in:
		return false, outOfTime(errors.New("the connection did not begin before its place was given up"))
	}
	return true, nil
}

// reserve makes sure that the user of a pass may have one more session among those
// of all processes. The room is kept until the pass is a session, or has not become
// one in time.
func (r *Registry) reserve(ctx context.Context, p *Pass, namespace string) *verifier.UnauthorizedError {
	if r.presences.shared == nil || p.rules.limit.n == 0 || p.token.Subject == "" {
		return nil
	}
	in := &present{PresentSession: presentOf(p.token, namespace)}
	in.timer = time.AfterFunc(p.rules.timeout+beginTimeout, func() { r.release(in) })
	l := &r.presences
	l.mu.Lock()
	l.mine[in.ID] = in // others may end it as soon as it began
	l.mu.Unlock()
	began, err := r.beginElsewhere(ctx, in, p.rules.limit)
	if err == nil && began {
		l.mu.Lock()
		in.began = true
		l.mu.Unlock()
		p.present = in
		return nil
	}
	r.release(in)
	switch {
	case err == nil:
		return errSessionLimit
	case r.presences.failOpen:
		return nil
	}
	return &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: "try again later", Reason: ErrPresenceUnavailable, Retryable: true, Err: err,
	}
}

// beginElsewhere asks the presence for room. If there is none it asks once more after
// others were told of sessions that have just ended here.
func (r *Registry) beginElsewhere(ctx context.Context, in *present, limit sessionLimit) (began bool, err error) {
	r.mu.Lock()
	err = r.absent.why
	r.mu.Unlock()
	if err != nil {
		return false, err // no handshake waits for what is known to be out of reach
	}
	ctx, cancel := context.WithTimeout(ctx, beginTimeout)
	defer cancel()
	defer r.recovered("the presence's Begin", &err)
	began, err = r.presences.shared.Begin(ctx, in.PresentSession, limit.n, limit.policy)
	if err != nil || began || ctx.Err() != nil {
		return began, err
	}
	r.updatePresence(ctx)
	return r.presences.shared.Begin(ctx, in.PresentSession, limit.n, limit.policy)
}

// release gives up the place of a pass that has not become a session.
func (r *Registry) release(in *present) {
	if in == nil {
		return
	}
	l := &r.presences
	l.mu.Lock()
	defer l.mu.Unlock()
	if in.session == nil && l.mine[in.ID] == in {
		in.timer.Stop()
		delete(l.mine, in.ID)
		l.tell(in.ID, false)
	}
}
