//lint:file-ignore SA1019 Raw coordinates are set here because they are wrong.

package verifier

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	rsaAll := "RS256, RS384, RS512, PS256, PS384, PS512"
	for _, row := range []struct {
		name     string
		material any
		options  KeyOptions
		want     string
	}{
		{"32 bytes", secret[:32], KeyOptions{}, "HS256"},
		{"47 bytes", secret[:47], KeyOptions{}, "HS256"},
		{"48 bytes", secret[:48], KeyOptions{}, "HS256, HS384"},
		{"63 bytes", secret[:63], KeyOptions{}, "HS256, HS384"},
		{"64 bytes", secret[:64], KeyOptions{}, "HS256, HS384, HS512"},
		{"a short secret, allowed", secret[:1], KeyOptions{InsecureAllowShortSecret: true}, "HS256, HS384, HS512"},
		{"a short secret for one algorithm", secret[:1], KeyOptions{InsecureAllowShortSecret: true, Algorithms: []Algorithm{HS384}}, "HS384"},
		{"RSA", &rsaKey().PublicKey, KeyOptions{}, rsaAll},
		{"RSA, narrowed", &rsaKey().PublicKey, KeyOptions{Algorithms: []Algorithm{PS512, RS256, RS256}}, "RS256, PS512"},
		{"P-256", &p256Key().PublicKey, KeyOptions{}, "ES256"},
		{"P-384", &p384Key().PublicKey, KeyOptions{}, "ES384"},
		{"P-521", &p521Key().PublicKey, KeyOptions{Algorithms: []Algorithm{ES512}}, "ES512"},
		{"Ed25519", edKey().Public(), KeyOptions{}, "EdDSA"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.options.ID = "the id"
			k, err := NewKey(row.material, row.options)
			if err != nil {
				t.Fatal(err)
			}
			if k.ID() != "the id" {
				t.Errorf("id %q", k.ID())
			}
			var words []string
			for _, a := range k.Algorithms() {
				words = append(words, string(a))
			}
			if got := strings.Join(words, ", "); got != row.want {
				t.Errorf("algorithms %s, want %s", got, row.want)
			}
			for _, a := range allAlgorithms.list() {
				if k.Allows(a) != slices.Contains(k.Algorithms(), a) {
					t.Errorf("Allows(%s) is %v", a, k.Allows(a))
				}
			}
			if k.Allows("none") || k.Allows("") || (*Key)(nil).Allows(HS256) {
				t.Error("none is allowed")
			}
		})
	}
}

func TestNewKeyRefuses(t *testing.T) {
	modulus := func(bits int) *big.Int {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		return n
	}
	p256 := p256Key().PublicKey
	for _, row := range []struct {
		name     string
		material any
		options  KeyOptions
		says     string
	}{
		{"nothing", nil, KeyOptions{}, "verifier: key material must be []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey, not <nil>"},
		{"a string", "secret", KeyOptions{}, "verifier: a string may be a secret, base64 or PEM: convert it to []byte, or use package keys"},
		{"a number", 1, KeyOptions{}, "not int"},
		{"an RSA key by value", rsaKey().PublicKey, KeyOptions{}, "not rsa.PublicKey"},
		{"an empty secret", []byte{}, KeyOptions{}, "verifier: the secret is empty"},
		{"an empty secret, short ones allowed", []byte{}, KeyOptions{InsecureAllowShortSecret: true}, "verifier: the secret is empty"},
		{"31 bytes", secret[:31], KeyOptions{}, "verifier: the secret has 31 bytes: HS256 needs at least 32, HS384 48, HS512 64 (RFC 7518 §3.2)"},
		{"47 bytes for HS384", secret[:47], KeyOptions{Algorithms: []Algorithm{HS384}}, "verifier: algorithm HS384 does not fit the key (the key, of type []uint8, fits HS256)"},
		{"a private RSA key", rsaKey(), KeyOptions{}, "verifier: *rsa.PrivateKey is a private key: give the public key, a verifier must not hold the private one"},
		{"a private EC key", p256Key(), KeyOptions{}, "verifier: *ecdsa.PrivateKey is a private key"},
		{"a private Ed25519 key", edKey(), KeyOptions{}, "verifier: ed25519.PrivateKey is a private key"},
		{"RSA nil", (*rsa.PublicKey)(nil), KeyOptions{}, "verifier: the RSA key is nil"},
		{"RSA without a modulus", &rsa.PublicKey{E: 3}, KeyOptions{}, "verifier: the RSA key is nil"},
		{"RSA of 2047 bits", &rsa.PublicKey{N: modulus(2047), E: 65537}, KeyOptions{}, "verifier: the RSA key has 2047 bits: expected 2048 to 8192 (RFC 7518 §3.3)"},
		{"RSA of 8193 bits", &rsa.PublicKey{N: modulus(8193), E: 65537}, KeyOptions{}, "verifier: the RSA key has 8193 bits"},
		{"RSA negative", &rsa.PublicKey{N: new(big.Int).Neg(rsaKey().N), E: 65537}, KeyOptions{}, "verifier: the RSA modulus is negative"},
		{"RSA even", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, KeyOptions{}, "verifier: the RSA modulus is even"},
		{"RSA exponent 0", &rsa.PublicKey{N: rsaKey().N, E: 0}, KeyOptions{}, "verifier: the RSA exponent is 0: expected an odd number above 1 and below 2^31, such as 65537"},
		{"RSA exponent 1", &rsa.PublicKey{N: rsaKey().N, E: 1}, KeyOptions{}, "verifier: the RSA exponent is 1"},
		{"RSA exponent 2", &rsa.PublicKey{N: rsaKey().N, E: 2}, KeyOptions{}, "verifier: the RSA exponent is 2"},
		{"RSA exponent even", &rsa.PublicKey{N: rsaKey().N, E: 65536}, KeyOptions{}, "verifier: the RSA exponent is 65536"},
		{"RSA exponent negative", &rsa.PublicKey{N: rsaKey().N, E: -65537}, KeyOptions{}, "verifier: the RSA exponent is -65537"},
		{"RSA exponent 2^31+1", &rsa.PublicKey{N: rsaKey().N, E: 1<<31 + 1}, KeyOptions{}, "verifier: the RSA exponent is 2147483649"},
		{"EC nil", (*ecdsa.PublicKey)(nil), KeyOptions{}, "verifier: the EC key is nil"},
		{"EC without a curve", &ecdsa.PublicKey{}, KeyOptions{}, "verifier: the EC key is nil"},
		{"EC without a point", &ecdsa.PublicKey{Curve: elliptic.P256()}, KeyOptions{}, "verifier: the EC key is nil"},
		{"P-224", &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey, KeyOptions{}, "verifier: the EC key is on the curve P-224: expected P-256, P-384 or P-521"},
		{"a point of another curve", &ecdsa.PublicKey{Curve: elliptic.P384(), X: p256.X, Y: p256.Y}, KeyOptions{}, "verifier: the EC key is not a point on its curve"},
		{"the point at infinity", &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, KeyOptions{}, "verifier: the EC key is not a point on its curve"},
		{"a negative coordinate", &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Neg(p256.X), Y: p256.Y}, KeyOptions{}, "verifier: the EC key is not a point on its curve"},
		{"Ed25519 too short", ed25519.PublicKey(make([]byte, 31)), KeyOptions{}, "verifier: an Ed25519 public key has 32 bytes, not 31"},
		{"Ed25519 empty", ed25519.PublicKey(nil), KeyOptions{}, "verifier: an Ed25519 public key has 32 bytes, not 0"},
		{"no algorithm", secret, KeyOptions{Algorithms: []Algorithm{}}, "verifier: an empty list of algorithms allows none"},
		{"none", secret, KeyOptions{Algorithms: []Algorithm{"none"}}, `verifier: algorithm "none" is not supported`},
		{"a secret for RS256", secret, KeyOptions{Algorithms: []Algorithm{RS256}}, "verifier: algorithm RS256 does not fit the key"},
		{"RSA for HS256", &rsaKey().PublicKey, KeyOptions{Algorithms: []Algorithm{RS256, HS256}}, "verifier: algorithm HS256 does not fit the key"},
		{"P-256 for ES384", &p256, KeyOptions{Algorithms: []Algorithm{ES384}}, "verifier: algorithm ES384 does not fit the key"},
		{"Ed25519 for ES256", edKey().Public(), KeyOptions{Algorithms: []Algorithm{ES256}}, "verifier: algorithm ES256 does not fit the key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			k, err := NewKey(row.material, row.options)
			if k != nil || err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, %v\nwant the error %q", k, err, row.says)
			}
		})
	}
}

func TestKeyEqual(t *testing.T) {
	a := newKey(t, secret, KeyOptions{ID: "a"})
	for _, row := range []struct {
		name string
		x, y *Key
		want bool
	}{
		{"itself", a, a, true},
		{"another id and fewer algorithms", a, newKey(t, secret, KeyOptions{ID: "b", Algorithms: []Algorithm{HS512}}), true},
		{"another secret", a, newKey(t, secret[:63], KeyOptions{}), false},
		{"an RSA key and itself", newKey(t, &rsaKey().PublicKey, KeyOptions{}), newKey(t, &rsa.PublicKey{N: rsaKey().N, E: rsaKey().E}, KeyOptions{}), true},
		{"two curves", newKey(t, &p256Key().PublicKey, KeyOptions{}), newKey(t, &p384Key().PublicKey, KeyOptions{}), false},
		{"nil and a key", nil, a, false},
		{"a key and nil", a, nil, false},
		{"nil and nil", nil, nil, true},
	} {
		if got := row.x.Equal(row.y); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// TestKeyShowsNothing: neither a verb of fmt nor an error shows a secret.
func TestKeyShowsNothing(t *testing.T) {
	k := newKey(t, secret, KeyOptions{ID: "the id"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown := fmt.Sprintf(verb, k)
		if strings.Contains(shown, string(secret[:8])) || strings.Contains(shown, fmt.Sprintf("%x", secret[:8])) ||
			strings.Contains(shown, fmt.Sprintf("%d, %d, %d", secret[0], secret[1], secret[2])) || strings.Contains(shown, "0x30, 0x31, 0x32") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	if got := fmt.Sprint(k); !strings.HasPrefix(got, `key "the id" (HS256, HS384, HS512, `) {
		t.Errorf("a key is called %s", got)
	}
}

// TestKeyIsItsOwn: the caller may wipe the bytes that it gave.
func TestKeyIsItsOwn(t *testing.T) {
	b := slices.Clone(secret)
	p := slices.Clone(edKey().Public().(ed25519.PublicKey))
	both := static(newKey(t, b, KeyOptions{}), newKey(t, p, KeyOptions{}))
	clear(b)
	clear(p)
	for _, a := range []Algorithm{HS256, EdDSA} {
		if _, err := newVerifier(t, both).Verify(t.Context(), mint(a, `{}`)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestKeyProviders: what a provider answers, and what the client is told.
func TestKeyProviders(t *testing.T) {
	good := newKey(t, secret, KeyOptions{ID: "good"})
	bad := newKey(t, append([]byte("x"), secret...), KeyOptions{ID: "bad"})
	other := newKey(t, &rsaKey().PublicKey, KeyOptions{ID: "other"})
	errDown := errors.New("dial tcp 10.0.0.7:443: connection refused")
	denied := &UnauthorizedError{Code: "tenant_blocked", Message: "your tenant is blocked", Reason: "blocked"}
	provider := func(keys []*Key, err error) KeyProvider {
		return KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { return keys, err })
	}
	for _, row := range []struct {
		name      string
		keys      KeyProvider
		key       *Key // that verifies
		code      string
		message   string
		reason    Reason
		retryable bool
	}{
		{"the key", static(good), good, "", "", "", false},
		{"the second key", static(bad, good), good, "", "", "", false},
		{"after keys of other algorithms and nil ones", static(nil, other, good), good, "", "", "", false},
		{"the sixteenth key", static(append(slices.Repeat([]*Key{bad}, 15), good)...), good, "", "", "", false},
		{"the seventeenth of those that fit is not tried", static(append(slices.Repeat([]*Key{bad}, 16), good)...), nil, CodeInvalidToken, "invalid signature", ErrSignatureInvalid, false},
		{"others do not count", static(append(slices.Repeat([]*Key{other}, 16), good)...), good, "", "", "", false},
		{"another key", static(bad), nil, CodeInvalidToken, "invalid signature", ErrSignatureInvalid, false},
		{"a key of another algorithm", static(other), nil, CodeInvalidToken, "invalid algorithm", ErrAlgorithmNotAllowed, false},
		{"only a nil key", static(nil), nil, CodeInvalidToken, "invalid algorithm", ErrAlgorithmNotAllowed, false},
		{"no key", static(), nil, CodeInvalidSecret, "secret or public key must be provided", ErrKeyNotFound, false},
		{"an outage", provider(nil, errDown), nil, CodeInvalidSecret, "keys unavailable, try again later", ErrKeysUnavailable, true},
		{"an outage, though there are keys", provider([]*Key{good}, errDown), nil, CodeInvalidSecret, "keys unavailable, try again later", ErrKeysUnavailable, true},
		{"a cancelled context", provider(nil, context.Canceled), nil, CodeInvalidSecret, "keys unavailable, try again later", ErrKeysUnavailable, true},
		{"a refusal", provider(nil, denied), nil, "tenant_blocked", "your tenant is blocked", "blocked", false},
		{"a refusal, wrapped", provider(nil, fmt.Errorf("tenant 7: %w", denied)), nil, "tenant_blocked", "your tenant is blocked", "blocked", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := newVerifier(t, row.keys).Verify(t.Context(), mint(HS256, `{}`))
			if row.key != nil {
				if err != nil || token.Key() != row.key {
					t.Fatalf("got %v, %v, want a token verified by %v", token, err, row.key)
				}
				return
			}
			var u *UnauthorizedError
			if !errors.As(err, &u) || u.Code != row.code || u.Message != row.message || u.Reason != row.reason || u.Retryable != row.retryable {
				t.Fatalf("got %#v", err)
			}
			if strings.Contains(string(must(u.MarshalJSON())), "10.0.0.7") {
				t.Error("the client is shown the cause")
			}
		})
	}
	t.Run("the cause is kept", func(t *testing.T) {
		_, err := newVerifier(t, provider(nil, errDown)).Verify(t.Context(), mint(HS256, `{}`))
		if !errors.Is(err, errDown) || !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// TestKeyProviderSees: the provider sees the handshake, the header and the
// claims, before anything is verified, and the context.
func TestKeyProviderSees(t *testing.T) {
	type contextKey struct{}
	h := &Handshake{Namespace: "/chat", Auth: map[string]any{"token": mintWith(HS256, secret, `{"alg":"HS256","kid":"k","typ":"at+jwt","cty":"c"}`, `{"iss":"i","tenant":7}`)}}
	seen := 0
	keys := KeyProviderFunc(func(ctx context.Context, u *UnverifiedToken) ([]*Key, error) {
		seen++
		if ctx.Value(contextKey{}) != "x" {
			t.Error("the context is another one")
		}
		if u.Handshake != h {
			t.Error("the handshake is another one")
		}
		if want := (Header{Algorithm: HS256, KeyID: "k", Type: "at+jwt", ContentType: "c"}); u.Header != want {
			t.Errorf("header %+v", u.Header)
		}
		var claims struct {
			Tenant int `json:"tenant"`
		}
		if err := u.Claims(&claims); err != nil || claims.Tenant != 7 || u.Issuer() != "i" {
			t.Errorf("claims %+v, %v, issuer %q", claims, err, u.Issuer())
		}
		return []*Key{newKey(t, secret, KeyOptions{})}, nil
	})
	v := newVerifier(t, keys)
	if _, err := v.Authenticate(context.WithValue(t.Context(), contextKey{}, "x"), h); err != nil || seen != 1 {
		t.Errorf("%v, asked %d times", err, seen)
	}

	// What was not signed by anybody may be anything.
	for _, payload := range []string{`null`, `[]`, `{"iss":1}`, `{"iss":"a","iss":"b"}`, `{`, "\xff", ``} {
		odd := KeyProviderFunc(func(_ context.Context, u *UnverifiedToken) ([]*Key, error) {
			var claims struct{ Tenant int }
			_ = u.Claims(&claims)
			if u.Handshake == nil || u.Issuer() != "" {
				t.Errorf("%q: handshake %v, issuer %q", payload, u.Handshake, u.Issuer())
			}
			return nil, nil
		})
		_, err := newVerifier(t, odd).Verify(t.Context(), mintWith(HS256, []byte("anybody"), `{"alg":"HS256"}`, payload))
		wantRefusal(t, err, ErrKeyNotFound, "secret or public key must be provided")
	}
}
