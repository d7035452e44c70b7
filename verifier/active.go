package verifier

import (
	"context"
	"errors"
)

// ActiveChecker can be implemented by an [Introspector] to answer [StillActive]. The one of package
// introspection does: tokens that clients invent cannot delay its answers about live sessions.
type ActiveChecker interface {
	StillActive(ctx context.Context, token string) (bool, error)
}

// StillActive asks whether a token that was accepted is still active. It is for a server that ends
// live sessions when their token is revoked. There are three results:
//
//	true,  nil  the token is active
//	false, nil  it is not: it was revoked or has expired
//	false, err  nobody could be asked, which says nothing about the token
//
// If the introspector is an [ActiveChecker], it calls that method, otherwise Introspect. A panic of
// the introspector becomes an error.
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
