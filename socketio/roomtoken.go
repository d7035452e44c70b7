package socketio

import (
	"context"
	"errors"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var (
	errNoRoomTokens = &verifier.UnauthorizedError{
		Code: string(ErrForbidden), Message: "forbidden", Reason: ErrForbidden, Err: errors.New("a room token came, and RoomTokens is not given"),
	}
	errRoomMismatch = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "the token is not for this room", Reason: ErrForbidden,
	}
	errRoomUser = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "the token is not the same user's", Reason: ErrIdentityMismatch,
	}
	errRoomForever = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "claim required: exp", Reason: verifier.ErrClaimInvalid,
	}
)

// roomToken verifies a room token for a session.
func (a *Authorizer) roomToken(ctx context.Context, s *Session, room, raw string) (*verifier.Token, *verifier.UnauthorizedError) {
	v, ok := a.policy.roomTokens.(*verifier.Verifier)
	if !ok {
		return nil, errNoRoomTokens
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var t *verifier.Token
	var err error
	if refused := a.guarded("the verifier of room tokens", func() { t, err = v.Verify(ctx, raw) }); refused != nil {
		return nil, refused
	}
	switch {
	case err != nil:
		return nil, a.shown(refusalOf(err))
	case t.ValidUntil().IsZero():
		return nil, errRoomForever
	case t.Subject == "" || t.Subject != s.Token().Subject:
		return nil, errRoomUser
	case !slices.Equal(claimTexts(t, "room"), []string{room}):
		return nil, errRoomMismatch
	}
	return t, a.registry.refuses(t)
}
