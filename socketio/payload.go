package socketio

import "github.com/seed15b1dee8/socketio-jwt/verifier"

// The events that authorization speaks. The first three are those of
// socketio-jwt.
const (
	EventAuthenticate  = "authenticate"  // from the client: {"token": "..."}
	EventAuthenticated = "authenticated" // to the client: the socket may speak
	EventUnauthorized  = "unauthorized"  // to the client: why not, with an acknowledgement

	// EventTokenExpiring tells a client that its session is about to end, unless
	// it emits "authenticate" with a new token: {"expires_in": seconds}. With "room" the
	// notice is about the token of that room.
	EventTokenExpiring = "token_expiring"
)

// unauthorized is the argument of the event "unauthorized", in the shape that
// socketio-jwt gave it.
type unauthorized struct {
	Message string                      `json:"message"`
	Inner   inner                       `json:"inner"`
	Data    *verifier.UnauthorizedError `json:"data"`
}

type inner struct {
	Message string `json:"message"`
}

func newUnauthorized(err *verifier.UnauthorizedError) unauthorized {
	return unauthorized{Message: err.Message, Inner: inner{err.Message}, Data: err}
}
