package verifier

import (
	"context"
	"errors"
	"slices"
)

// KeyChecker can be implemented by a [KeyProvider] to say whether a key is still good. It is for
// sessions that live on after their token was verified.
//
// HasKey reports whether key is still among the keys that may verify the token:
//
//   - true and no error: it is.
//   - false and no error: it is not. The issuer withdrew it, or is no longer trusted. End the
//     session.
//   - an error: the provider could not be asked. Keep the session, and ask again.
//
// Other clients must not be able to cause an error. HasKey therefore does not share the limits of
// Keys on unknown kids.
type KeyChecker interface {
	HasKey(ctx context.Context, t *UnverifiedToken, key *Key) (bool, error)
}

// HasKey asks the provider whether key may still verify the token: see [KeyChecker] for the three
// results. If the provider has no method HasKey, it looks for key among the results of Keys. An
// [*UnauthorizedError] of Keys that is not retryable, such as [ErrIssuerMismatch], then means no.
func HasKey(ctx context.Context, p KeyProvider, t *UnverifiedToken, key *Key) (bool, error) {
	if c, ok := p.(KeyChecker); ok {
		return c.HasKey(ctx, t, key)
	}
	keys, err := p.Keys(ctx, t)
	if err != nil {
		var u *UnauthorizedError
		if errors.As(err, &u) && u != nil && !u.Retryable {
			return false, nil
		}
		return false, err
	}
	return slices.ContainsFunc(keys, func(k *Key) bool { return k != nil && k.Equal(key) }), nil
}
