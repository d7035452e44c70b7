package socketio

import "github.com/seed15b1dee8/socketio-jwt/verifier"

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
