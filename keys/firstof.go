package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// FirstOf asks the providers in turn. It returns the keys of the first provider that has one for the
// token's alg, so a secret and an RSA key can be in one chain. If none has, it returns the first keys
// that were found, and the verifier refuses the token with [verifier.ErrAlgorithmNotAllowed].
//
// An error of a provider ends the chain, because the keys that could not be fetched may be those of the
// token: to go on would tell the client that its token is forged. Put providers that can fail last.
// There are two exceptions, after which the next provider is asked: [verifier.ErrIssuerMismatch], the
// answer of a provider for the tokens of another issuer, and [verifier.ErrAlgorithmNotAllowed], that of
// a provider which has no keys for the alg.
//
// FirstOf returns an error if there is no provider, or one is nil.
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

var _ verifier.KeyChecker = firstOf(nil)

// Keys asks in turn.
func (f firstOf) Keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	var known []*verifier.Key
	var mismatches []error
	var notAllowed error
	for _, p := range f {
		found, err := p.Keys(ctx, t)
		switch {
		case errors.Is(err, verifier.ErrIssuerMismatch):
			mismatches = append(mismatches, err)
			continue
		case errors.Is(err, verifier.ErrAlgorithmNotAllowed):
			notAllowed = cmp.Or(notAllowed, err)
			continue
		case err != nil:
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
	switch {
	case len(known) > 0:
		return known, nil
	case notAllowed != nil:
		return nil, notAllowed
	case len(mismatches) > 0:
		return nil, mismatch(mismatches)
	}
	return nil, nil
}

// mismatch makes one refusal of several, with the causes of all.
func mismatch(all []error) error {
	u := *verifier.AsUnauthorized(all[0])
	causes := make([]error, len(all))
	for i, err := range all {
		causes[i] = verifier.AsUnauthorized(err).Err
	}
	u.Err = errors.Join(causes...)
	return &u
}

// HasKey reports whether any of the providers has the key: see
// [verifier.KeyChecker]. Only if none has, an error of one is the answer.
func (f firstOf) HasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	var failures []error
	for _, p := range f {
		has, err := verifier.HasKey(ctx, p, t, key)
		if has && err == nil {
			return true, nil
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	return false, errors.Join(failures...)
}
