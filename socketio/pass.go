package socketio

import (
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Pass is the result of a successful [Authorizer.Admit]: the verified token and the user
// value that the application made of it. It is good for one [Authorizer.Attach].
type Pass struct {
	rules     *sessionRules // of the authorizer that made it
	token     *verifier.Token
	user      any
	handshake *verifier.Handshake // of an "authenticate" event, nil if the token came with the connection
	received  time.Time           // when the token was checked, by the monotonic clock
	used      atomic.Bool
	present   *present // the room that was reserved for it among the sessions of all processes; nil if none had to be
	decisions decisions
}

// Token returns the verified token.
func (p *Pass) Token() *verifier.Token { return p.token }

// User returns what the function of [User] returned for the token, or nil without one.
func (p *Pass) User() any { return p.user }
