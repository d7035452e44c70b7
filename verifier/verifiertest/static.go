package verifiertest

import (
	"context"
	"errors"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Static is a verifier whose answer is always the same, whatever is presented:
// an Authenticator for the tests of what comes after it. See [Accept] and
// [Refuse].
type Static struct {
	token *verifier.Token
	err   error
}

// Accept makes a verifier that finds the [VerifiedToken] of these claims in every
// handshake. It checks nothing; a session ends at exp nevertheless, if there is
// one.
func Accept(claims Claims) Static {
	return Static{token: VerifiedToken(claims)}
}

// Refuse makes a verifier that refuses every handshake with the error. A client is
// shown that of an *[verifier.UnauthorizedError], of any other only that the server
// refused it.
func Refuse(err error) Static {
	if err == nil {
		err = errors.New("verifiertest: Refuse: refused without an error")
	}
	return Static{err: err}
}

// Authenticate returns the answer.
func (s Static) Authenticate(context.Context, *verifier.Handshake) (*verifier.Token, error) {
	return s.token, s.err
}
