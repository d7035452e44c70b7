package verifier

import (
	"context"
	"fmt"
	"testing"
)

// TestProvidersChangeWhatTheyAreShown: what a provider does to the token it is shown changes
// neither the token that is verified nor what is shown and given for others.
func TestProvidersChangeWhatTheyAreShown(t *testing.T) {
	var first *UnverifiedToken
	for what, change := range map[string]func(u *UnverifiedToken){
		"no header":         func(u *UnverifiedToken) { u.Header = Header{} },
		"another kid":       func(u *UnverifiedToken) { u.Header.KeyID = "another" },
		"another algorithm": func(u *UnverifiedToken) { u.Header.Algorithm = RS256 },
		"no handshake":      func(u *UnverifiedToken) { u.Handshake = nil },
		"another token":     func(u *UnverifiedToken) { *u = *first },
	} {
		for name, options := range map[string][]Option{"without a cache": nil, "with a cache": {CacheVerified(10)}} {
			t.Run(what+", "+name, func(t *testing.T) {
				first = nil
				key := keyFor(t, HS256)
				provider := func(ctx context.Context, u *UnverifiedToken) ([]*Key, error) {
					if u.Header.KeyID != "k" || u.Header.Algorithm != HS256 || u.Handshake == nil {
						t.Errorf("the provider is shown %+v, in %v", u.Header, u.Handshake)
					}
					keys, err := key.Keys(ctx, u)
					if first == nil {
						kept := *u
						first = &kept
					}
					change(u)
					return keys, err
				}
				check := func(_ context.Context, _ *Token, h *Handshake) error {
					if h == nil {
						t.Error("a validator has no handshake")
					}
					return nil
				}
				v := newVerifier(t, KeyProviderFunc(provider), append(options, Validate(ClaimValidatorFunc(check)))...)
				for _, sub := range []string{"ada", "ada", "bob", "bob", "ada"} {
					raw := mintWith(HS256, secret, `{"alg":"HS256","kid":"k"}`, fmt.Sprintf(`{"sub":%q}`, sub))
					token, err := v.Verify(t.Context(), raw)
					if err != nil {
						t.Fatalf("%s: %v", sub, err)
					}
					if token.Subject != sub || token.Header.KeyID != "k" || token.Header.Algorithm != HS256 {
						t.Errorf("the token of %s is %s's, with the header %+v", sub, token.Subject, token.Header)
					}
				}
			})
		}
	}
}
