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

// Drain ends all sessions before a server stops, spread evenly over a duration, so that
// their clients reconnect to other nodes a few at a time. Remove the node from the load
// balancer first: Drain also ends sessions that begin meanwhile. The clients get
// [ErrRestarting], which is retryable. Drain returns nil when no session is left, or the
// error of the context. The sessions that it ended before stay closed.
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
