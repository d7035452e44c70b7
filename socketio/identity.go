package socketio

import (
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var errIdentityMismatch = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "the token is not the same user's", Reason: ErrIdentityMismatch,
}

// sessionRules are the options that decide which sessions there may be.
type sessionRules struct {
	timeout time.Duration                           // of a verification, and of a pass to become a session
	same    func(old, renewed *verifier.Token) bool // of SameIdentity, nil without one; it does not panic
	limit   sessionLimit
}

// sameIdentity is the one decision about whether two tokens belong to the same
// identity: the same user, bound to the same keys (cnf). Renewal and
// [Authorizer.MayInherit] use it.
func (r *sessionRules) sameIdentity(old, renewed *verifier.Token) bool {
	if old.Subject == "" && r.same == nil {
		return false
	}
	for _, method := range []string{verifier.ConfirmJKT, verifier.ConfirmX5TS256} {
		if old.Confirmation(method) != renewed.Confirmation(method) {
			return false
		}
	}
	return r.sameUser(old, renewed)
}

// sameUser is sameIdentity without the keys: the same issuer and subject, and what
// [SameIdentity] adds. [SessionLimit] counts by it.
func (r *sessionRules) sameUser(old, renewed *verifier.Token) bool {
	return old.Issuer == renewed.Issuer && old.Subject == renewed.Subject && (r.same == nil || r.same(old, renewed))
}
