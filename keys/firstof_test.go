package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// counted is a provider that counts how often it was asked.
type counted struct {
	verifier.KeyProvider
	asked int
}

func (c *counted) Keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	c.asked++
	return c.KeyProvider.Keys(ctx, t)
}

func answer(keys []*verifier.Key, err error) *counted {
	return &counted{KeyProvider: verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return keys, err
	})}
}

func TestFirstOf(t *testing.T) {
	errDown := errors.New("down")
	hmac := []*verifier.Key{named(t, []byte(secret), "h")}
	rsa := []*verifier.Key{named(t, &rsaKey().PublicKey, "r")}
	others := &verifier.UnauthorizedError{Reason: verifier.ErrIssuerMismatch}
	tests := []struct {
		name      string
		providers []*counted
		want      []string
		err       error
		asked     []int
	}{
		{"the first knows", []*counted{answer(rsa, nil), answer(hmac, nil)}, []string{"r:RS256"}, nil, []int{1, 0}},
		{"the first knows none", []*counted{answer(nil, nil), answer(rsa, nil)}, []string{"r:RS256"}, nil, []int{1, 1}},
		{"the first knows a key for other algorithms", []*counted{answer(hmac, nil), answer(rsa, nil)}, []string{"r:RS256"}, nil, []int{1, 1}},
		{"the first knows a nil key", []*counted{answer([]*verifier.Key{nil}, nil), answer(rsa, nil)}, []string{"r:RS256"}, nil, []int{1, 1}},
		{"nobody knows one for the algorithm", []*counted{answer(nil, nil), answer(hmac, nil), answer(nil, nil)}, []string{"h:HS256"}, nil, []int{1, 1, 1}},
		{"nobody knows", []*counted{answer(nil, nil), answer(nil, nil)}, nil, nil, []int{1, 1}},
		{"an error ends the chain", []*counted{answer(nil, errDown), answer(rsa, nil)}, nil, errDown, []int{1, 0}},
		{"an error later ends it too", []*counted{answer(hmac, nil), answer(nil, errDown)}, nil, errDown, []int{1, 1}},
		{"another issuer's ends it not", []*counted{answer(nil, others), answer(rsa, nil)}, []string{"r:RS256"}, nil, []int{1, 1}},
		{"another issuer's of all", []*counted{answer(nil, others), answer(nil, nil)}, nil, verifier.ErrIssuerMismatch, []int{1, 1}},
		{"another issuer's, then an error", []*counted{answer(nil, others), answer(nil, errDown)}, nil, errDown, []int{1, 1}},
		{"an error behind the answer is not met", []*counted{answer(rsa, nil), answer(nil, errDown)}, []string{"r:RS256"}, nil, []int{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var providers []verifier.KeyProvider
			for _, p := range tt.providers {
				providers = append(providers, p)
			}
			chain, err := keys.FirstOf(providers...)
			if err != nil {
				t.Fatal(err)
			}
			if tt.err == nil {
				if got := ask(t, chain, "", verifier.RS256); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			} else if _, err := chain.Keys(t.Context(), &verifier.UnverifiedToken{}); !errors.Is(err, tt.err) {
				t.Errorf("got the error %v, want %v", err, tt.err)
			}
			for i, p := range tt.providers {
				if p.asked != tt.asked[i] {
					t.Errorf("provider %d was asked %d times, want %d", i+1, p.asked, tt.asked[i])
				}
			}
		})
	}
}

func TestFirstOfRefuses(t *testing.T) {
	_, err := keys.FirstOf()
	refused(t, err, "FirstOf: there is no provider")
	_, err = keys.FirstOf(must(keys.Secret([]byte(secret))), nil)
	refused(t, err, "FirstOf: provider 2 is nil")
	_, err = keys.FirstOf((*keys.Set)(nil)) // that came with an error nobody looked at
	refused(t, err, "FirstOf: provider 1 is nil")
}

// TestFirstOfVerifies: in a chain an algorithm that is nobody's is still told
// from a key that nobody knows, and an outage from a forgery.
func TestFirstOfVerifies(t *testing.T) {
	hmac := must(keys.Secret([]byte(secret)))
	rsa := must(keys.PEM([]byte(publicPEM(rsaKey()))))
	both := must(verifier.New(must(keys.FirstOf(rsa, hmac))))
	token := mintHS256(secret, `{"sub":"jane"}`)
	if _, err := both.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	wantReason(t, both, mintHS256("another secret", `{}`), verifier.ErrSignatureInvalid)
	wantReason(t, must(verifier.New(must(keys.FirstOf(rsa)))), token, verifier.ErrAlgorithmNotAllowed)
	public := answer(nil, verifier.ErrAlgorithmNotAllowed) // as a key set answers for HS256
	if _, err := must(verifier.New(must(keys.FirstOf(public, hmac)))).Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	wantReason(t, must(verifier.New(must(keys.FirstOf(public, rsa, answer(nil, nil))))), token, verifier.ErrAlgorithmNotAllowed)
	wantReason(t, must(verifier.New(must(keys.FirstOf(public, answer(nil, nil))))), token, verifier.ErrAlgorithmNotAllowed)
	wantReason(t, must(verifier.New(must(keys.FirstOf(answer(nil, nil))))), token, verifier.ErrKeyNotFound)
	wantReason(t, must(verifier.New(must(keys.FirstOf(answer(nil, errors.New("down")), hmac)))), token, verifier.ErrKeysUnavailable)
}

// TestFaultsB1FirstOfHasKey: one provider that has the key is enough, and without
// one that could not be asked is not an answer.
func TestFaultsB1FirstOfHasKey(t *testing.T) {
	errDown := errors.New("down")
	key, other := named(t, []byte(secret), "h"), named(t, []byte(secret+"2"), "o")
	for _, tt := range []struct {
		name      string
		providers []verifier.KeyProvider
		has       bool
		err       error
	}{
		{"the last has it", []verifier.KeyProvider{answer(nil, errDown), answer([]*verifier.Key{other, key}, nil)}, true, nil},
		{"one is down", []verifier.KeyProvider{answer([]*verifier.Key{other}, nil), answer(nil, errDown), answer(nil, nil)}, false, errDown},
		{"none has it", []verifier.KeyProvider{answer([]*verifier.Key{other}, nil), answer(nil, nil)}, false, nil},
	} {
		has, err := verifier.HasKey(t.Context(), must(keys.FirstOf(tt.providers...)), &verifier.UnverifiedToken{}, key)
		if has != tt.has || !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
			t.Errorf("%s: got %v and %v", tt.name, has, err)
		}
	}
}
