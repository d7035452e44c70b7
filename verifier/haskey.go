package verifier

import (
	"context"
	"errors"
	"slices"
)

// KeyChecker is a [KeyProvider] that can say whether a key is still good, for
// sessions that live on after their token was verified.
//
// HasKey reports whether key is still among the keys that may verify the token:
//
//   - true and no error: it is.
//   - false and no error: it is not. The issuer withdrew it, or is no longer
//     trusted. End the session.
//   - an error: the provider could not be asked. Keep the session and ask again.
//
// What other clients send must never cause an error: HasKey does not share the
// limits on unknown kids with Keys.
type KeyChecker interface {
	HasKey(ctx context.Context, t *UnverifiedToken, key *Key) (bool, error)
}

// HasKey asks the provider whether key may still verify the token: see
// [KeyChecker]. It asks a provider without that method by its Keys method. An
// [*UnauthorizedError] from there that is not retryable, such as
// [ErrIssuerMismatch], is an answer: no.
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
