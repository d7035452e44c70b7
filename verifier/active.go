package verifier

import (
	"context"
	"errors"
)

// ActiveChecker is what an [Introspector] can implement to say whether a token
// that was accepted is still active: see [StillActive].
type ActiveChecker interface {
	StillActive(ctx context.Context, token string) (bool, error)
}

// StillActive asks whether a token that was accepted is still active, for a
// server that ends live sessions whose token is not. There are three results:
//
//	true,  nil  the token is active
//	false, nil  it is not: it was revoked or has expired
//	false, err  that could not be asked, which says nothing of the token
//
// It asks the introspector's own StillActive, as that of package introspection,
// which invented tokens cannot keep busy, or else Introspect. A panic of the
// introspector is an error.
func StillActive(ctx context.Context, i Introspector, token string) (active bool, err error) {
	defer recovered(&err) // active is false then
	if c, ok := i.(ActiveChecker); ok {
		active, err = c.StillActive(ctx, token)
		return active && err == nil, err
	}
	claims, err := i.Introspect(ctx, token)
	if u := (*UnauthorizedError)(nil); errors.As(err, &u) && u != nil && !u.Retryable {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text, _ := (&Token{payload: string(claims)}).claim("active")
	return text == "true", nil
}
