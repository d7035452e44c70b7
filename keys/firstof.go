package keys

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// FirstOf asks the providers in turn and answers with the keys of the first
// that knows one which may verify the token's alg. So a secret and an RSA key
// can stand in one chain. Where none does, the first keys that were found are
// the answer, and the verifier says that the algorithm is not theirs.
//
// An error ends the chain: keys that cannot be had now may be those that the
// token needs, and to go on would tell its bearer that it is forged. So put
// last what can fail.
func FirstOf(providers ...verifier.KeyProvider) (verifier.KeyProvider, error) {
	if len(providers) == 0 {
		return nil, errors.New("keys: FirstOf: there is no provider")
	}
	for i, p := range providers {
		if v := reflect.ValueOf(p); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, fmt.Errorf("keys: FirstOf: provider %d is nil", i+1)
		}
	}
	return firstOf(slices.Clone(providers)), nil
}

type firstOf []verifier.KeyProvider

// Keys asks in turn.
func (f firstOf) Keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	var known []*verifier.Key
	for _, p := range f {
		found, err := p.Keys(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			if k.Allows(t.Header.Algorithm) {
				return found, nil
			}
		}
		if known == nil {
			known = found
		}
	}
	return known, nil
}
