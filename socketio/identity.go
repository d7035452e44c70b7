package socketio

import "github.com/seed15b1dee8/socketio-jwt/verifier"

var errIdentityMismatch = &verifier.UnauthorizedError{
	Code: verifier.CodeInvalidToken, Message: "the token is not the same user's", Reason: ErrIdentityMismatch,
}

// sameIdentity is the one decision about whether two tokens belong to the same
// identity: the same user, bound to the same keys (cnf). Renewal and
// [Authorizer.MayInherit] use it.
func (a *Authorizer) sameIdentity(old, renewed *verifier.Token) bool {
	if old.Subject == "" && a.same == nil {
		return false
	}
	for _, method := range []string{verifier.ConfirmJKT, verifier.ConfirmX5TS256} {
		if old.Confirmation(method) != renewed.Confirmation(method) {
			return false
		}
	}
	return a.sameUser(old, renewed)
}

// sameUser is sameIdentity without the keys: the same issuer and subject, and what
// [SameIdentity] adds. [SessionLimit] counts by it.
func (a *Authorizer) sameUser(old, renewed *verifier.Token) (same bool) {
	if old.Issuer != renewed.Issuer || old.Subject != renewed.Subject {
		return false
	}
	if a.same == nil {
		return true
	}
	a.guarded("SameIdentity", func() { same = a.same(old, renewed) })
	return same
}

// MayInherit decides whether the state of an ended session, such as its rooms and the
// events it missed, may go to a client with another token. old is the token of the
// ended session; see [verifier.Token.Record]. The answer is nil, or says why not: the
// tokens are not of the same identity ([SameIdentity]), old was revoked meanwhile, or
// the registry cannot tell ([ErrRevocationsUnavailable]).
func (a *Authorizer) MayInherit(old, renewed *verifier.Token) *verifier.UnauthorizedError {
	if !a.sameIdentity(old, renewed) {
		return errIdentityMismatch
	}
	return a.registry.refuses(old)
}
