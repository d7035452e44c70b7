package socketio

import (
	"context"
	"slices"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var errRestarting = &verifier.UnauthorizedError{
	Code: verifier.CodeUnknown, Message: "the server restarts, try again", Reason: ErrRestarting, Retryable: true,
}

// Drain ends all sessions before a server stops, evenly spread over a duration, so
// that their clients reconnect a few at a time, to other nodes. Take the node out of
// the load balancer first: sessions that begin meanwhile are ended, too, at the end.
// The clients are told [ErrRestarting], which is retryable. Drain returns nil when no
// session is left, or the error of the context, which does not keep sessions from
// ending one by one before.
func (r *Registry) Drain(ctx context.Context, over time.Duration) error {
	sessions := slices.Collect(r.Sessions(Filter{}))
	begin := time.Now()
	for i, s := range sessions {
		at := begin.Add(over * time.Duration(i) / time.Duration(len(sessions)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(at)):
			s.End(errRestarting)
		}
	}
	for r.Count(Filter{}) > 0 {
		for s := range r.Sessions(Filter{}) {
			s.End(errRestarting)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return ctx.Err()
}
