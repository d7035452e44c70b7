package verifier_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// checker is a provider whose HasKey disagrees with its Keys.
type checker struct{ verifier.KeyProviderFunc }

func (checker) HasKey(context.Context, *verifier.UnverifiedToken, *verifier.Key) (bool, error) {
	return true, nil
}

// TestFaultsB1HasKey: yes, no and "could not ask" are three results.
func TestFaultsB1HasKey(t *testing.T) {
	newKey := func(secret string) *verifier.Key {
		k, err := verifier.NewKey([]byte(secret+" which is long enough for HS256"), verifier.KeyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	key, other, down := newKey("one"), newKey("another"), errors.New("down")
	answer := func(keys []*verifier.Key, err error) verifier.KeyProviderFunc {
		return func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) { return keys, err }
	}
	for _, tt := range []struct {
		name     string
		provider verifier.KeyProvider
		has      bool
		err      error
	}{
		{"among others", answer([]*verifier.Key{nil, other, newKey("one")}, nil), true, nil},
		{"only others", answer([]*verifier.Key{other}, nil), false, nil},
		{"none", answer(nil, nil), false, nil},
		{"an outage", answer([]*verifier.Key{other}, down), false, down},
		{"a retryable refusal", answer(nil, &verifier.UnauthorizedError{Reason: verifier.ErrKeysUnavailable, Retryable: true}), false, verifier.ErrKeysUnavailable},
		{"a nil refusal", answer(nil, (*verifier.UnauthorizedError)(nil)), false, (*verifier.UnauthorizedError)(nil)},
		{"a refusal", answer(nil, &verifier.UnauthorizedError{Reason: verifier.ErrIssuerMismatch}), false, nil},
		{"its own method decides", checker{answer(nil, down)}, true, nil},
	} {
		has, err := verifier.HasKey(t.Context(), tt.provider, &verifier.UnverifiedToken{}, key)
		if has != tt.has || !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
			t.Errorf("%s: got %v and %v, want %v and %v", tt.name, has, err, tt.has, tt.err)
		}
	}
}
