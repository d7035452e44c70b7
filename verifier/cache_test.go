package verifier

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted makes a key whose signature checks are counted.
func counted(t testing.TB, a Algorithm, o KeyOptions) (*Key, *atomic.Int64) {
	t.Helper()
	k, n := newKey(t, public(signer(a)), o), new(atomic.Int64)
	check := k.checks[a.bit().index()]
	k.checks[a.bit().index()] = func(input, signature []byte) bool {
		n.Add(1)
		return check(input, signature)
	}
	return k, n
}

// TestCacheVerified: a token that comes again costs no signature, and is held
// against everything else as if it came for the first time.
func TestCacheVerified(t *testing.T) {
	payload := fmt.Sprintf(`{"iss":"me","sub":"joe","aud":["a","b"],"exp":%d}`, now.Unix()+60)
	raw := mint(ES256, payload)
	other := func(t *testing.T) *Key { return newKey(t, []byte(strings.Repeat("x", 32)), KeyOptions{}) }
	for _, test := range []struct {
		name   string
		then   func(t *testing.T, s *cacheStage)
		want   error
		checks int64
	}{
		{"the same", func(*testing.T, *cacheStage) {}, nil, 1},
		{"the same material in a key made anew", func(t *testing.T, s *cacheStage) {
			s.keys = []*Key{newKey(t, public(signer(ES256)), KeyOptions{ID: "anew"})}
		}, nil, 1},
		{"behind another key", func(t *testing.T, s *cacheStage) {
			s.keys = []*Key{nil, other(t), newKey(t, public(signer(ES384)), KeyOptions{}), s.keys[0]}
		}, nil, 1},
		{"expired", func(_ *testing.T, s *cacheStage) { s.now = now.Add(time.Minute) }, ErrTokenExpired, 1},
		{"revoked", func(_ *testing.T, s *cacheStage) { s.revoked = errors.New("revoked") }, ErrRejected, 1},
		{"the key is withdrawn", func(_ *testing.T, s *cacheStage) { s.keys = nil }, ErrKeyNotFound, 1},
		{"the key is another", func(t *testing.T, s *cacheStage) { s.keys = []*Key{other(t)} }, ErrAlgorithmNotAllowed, 1},
		{"the keys are unavailable", func(_ *testing.T, s *cacheStage) { s.down = errors.New("down") }, ErrKeysUnavailable, 1},
		{"the signature is another", func(_ *testing.T, s *cacheStage) { s.raw = flip(raw, len(raw)-10) }, ErrSignatureInvalid, 2},
		{"the payload is another", func(_ *testing.T, s *cacheStage) {
			s.raw = strings.Replace(raw, encode(payload), encode(strings.Replace(payload, "joe", "eve", 1)), 1)
		}, ErrSignatureInvalid, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, checks := counted(t, ES256, KeyOptions{})
			s := &cacheStage{now: now, keys: []*Key{key}, raw: raw}
			v := s.verifier(t)
			first, err := v.Verify(t.Context(), s.raw)
			if err != nil {
				t.Fatal(err)
			}
			test.then(t, s)
			again, err := v.Verify(t.Context(), s.raw)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("the second time: %v, want %v", err, test.want)
			}
			if n := checks.Load(); n != test.checks {
				t.Errorf("the signature was checked %d times, want %d", n, test.checks)
			}
			hits, misses := v.CacheStats()
			if wantHits := uint64(2 - test.checks); hits != wantHits || misses != 2-wantHits {
				t.Errorf("%d hits and %d misses, want %d of 2", hits, misses, wantHits)
			}
			if err != nil {
				return
			}
			if !again.Key().Equal(first.Key()) || again.Key() != s.keys[len(s.keys)-1] {
				t.Errorf("the key is %v, want the one that is good now", again.Key())
			}
			first.key, again.key = nil, nil
			if !reflect.DeepEqual(first, again) {
				t.Errorf("the second time it says\n%#v, not\n%#v", *again, *first)
			}
			again.Audience[0] = "changed" // against the contract, and to no effect on others
			if third, err := v.Verify(t.Context(), s.raw); err != nil || third.Audience[0] != "a" {
				t.Errorf("a token that its holder changed counts: %v, %v", third, err)
			}
		})
	}
}

// cacheStage is what a verifier with a cache depends on, all of which may change.
type cacheStage struct {
	now     time.Time
	keys    []*Key
	down    error
	revoked error
	raw     string
}

func (s *cacheStage) verifier(t *testing.T) *Verifier {
	return newVerifier(t,
		KeyProviderFunc(func(_ context.Context, u *UnverifiedToken) ([]*Key, error) {
			if u.Issuer() != "me" || u.Handshake == nil || u.Header.Algorithm != ES256 {
				t.Errorf("the provider is shown %q and %v", u.Issuer(), u.Header)
			}
			return s.keys, s.down
		}),
		CacheVerified(10), Audience("b"), Issuer("me"), WithClock(func() time.Time { return s.now }),
		Validate(ClaimValidatorFunc(func(context.Context, *Token, *Handshake) error { return s.revoked })))
}

// flip changes one character of base64url for another.
func flip(raw string, at int) string {
	c := byte('A')
	if raw[at] == c {
		c = 'B'
	}
	return raw[:at] + string(c) + raw[at+1:]
}

// TestCacheVerifiedNarrowedKey: a key that may no longer verify the algorithm is
// not the same.
func TestCacheVerifiedNarrowedKey(t *testing.T) {
	keys := []*Key{newKey(t, public(signer(RS256)), KeyOptions{})}
	v := newVerifier(t, KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { return keys, nil }), CacheVerified(1))
	raw := mint(RS256, `{}`)
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	keys = []*Key{newKey(t, public(signer(RS256)), KeyOptions{Algorithms: []Algorithm{PS256}})}
	if _, err := v.Verify(t.Context(), raw); !errors.Is(err, ErrAlgorithmNotAllowed) {
		t.Errorf("got %v, want %v", err, ErrAlgorithmNotAllowed)
	}
}

// TestCacheVerifiedRefusesToRemember: what was refused, for its signature or for
// anything else, is not in the cache.
func TestCacheVerifiedRefusesToRemember(t *testing.T) {
	key, checks := counted(t, HS256, KeyOptions{})
	v := newVerifier(t, static(key), CacheVerified(10), Audience("a"))
	for _, test := range []struct {
		raw  string
		want error
	}{
		{mintWith(HS256, []byte("another secret, of enough length"), `{"alg":"HS256"}`, `{"aud":"a"}`), ErrSignatureInvalid},
		{mint(HS256, `{"aud":"b"}`), ErrAudienceMismatch},
	} {
		before := checks.Load()
		for range 3 {
			if _, err := v.Verify(t.Context(), test.raw); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		}
		if n := checks.Load() - before; n != 3 {
			t.Errorf("%v: the signature was checked %d times of 3", test.want, n)
		}
	}
}

// TestCacheVerifiedBounded: no more than n tokens are remembered.
func TestCacheVerifiedBounded(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 100} {
		v := newVerifier(t, keyFor(t, HS256), CacheVerified(n))
		for i := range 4 * n {
			if _, err := v.Verify(t.Context(), mint(HS256, fmt.Sprintf(`{"jti":"%d"}`, i))); err != nil {
				t.Fatal(err)
			}
		}
		held := len(v.verified.Values())
		if held > n || held == 0 {
			t.Errorf("a cache of %d holds %d", n, held)
		}
	}
	for _, n := range []int{0, -1} {
		if _, err := New(keyFor(t, HS256), CacheVerified(n)); err == nil || !strings.Contains(err.Error(), "positive") {
			t.Errorf("CacheVerified(%d): %v", n, err)
		}
	}
	nobody := IntrospectorFunc(func(context.Context, string) ([]byte, error) { return nil, Inactive(nil) })
	if _, err := NewOpaque(nobody, CacheVerified(1)); err == nil || !strings.Contains(err.Error(), "CacheVerified") {
		t.Errorf("NewOpaque takes CacheVerified: %v", err)
	}
}

// TestCacheVerifiedRevealsNoToken: anyone who reads the memory of the cache
// finds no signature in it, and so no token.
func TestCacheVerifiedRevealsNoToken(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256), CacheVerified(1))
	raw := mint(HS256, `{"sub":"joe"}`)
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range v.verified.Values() {
		found++
		walk(reflect.ValueOf(entry), func(s string) {
			for segment := range strings.SplitSeq(raw, ".") {
				if strings.Contains(s, segment) {
					t.Errorf("an entry holds %q", s)
				}
			}
		})
	}
	if found != 1 {
		t.Errorf("%d entries, want 1", found)
	}
}

// walk calls f with every string below v.
func walk(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*Key]() && v.Type() != reflect.TypeFor[*time.Location]() {
			walk(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	}
}

// TestHitSize: a token that comes again costs one allocation of at most 384 bytes, which is
// a size class of the allocator; the next is 416.
func TestHitSize(t *testing.T) {
	if strconv.IntSize == 64 && reflect.TypeFor[hit]().Size() > 384 {
		t.Errorf("a hit has %d bytes: %d of the token, %d of what a provider is shown", reflect.TypeFor[hit]().Size(),
			reflect.TypeFor[Token]().Size(), reflect.TypeFor[UnverifiedToken]().Size())
	}
}

// TestCacheVerifiedShowsCopies: what a provider does to the token that it is shown changes
// neither the caller's token nor what it is shown the next time.
func TestCacheVerifiedShowsCopies(t *testing.T) {
	key, calls := keyFor(t, HS256), 0
	v := newVerifier(t, KeyProviderFunc(func(ctx context.Context, u *UnverifiedToken) ([]*Key, error) {
		if calls++; u.Header.KeyID != "k" || u.Issuer() != "me" {
			t.Errorf("call %d is shown the kid %q of %q", calls, u.Header.KeyID, u.Issuer())
		}
		if calls > 1 {
			u.Header.KeyID, u.Handshake = "another", nil
		}
		return key.Keys(ctx, u)
	}), CacheVerified(1))
	raw := mintWith(HS256, secret, `{"alg":"HS256","kid":"k"}`, `{"iss":"me"}`)
	for range 4 {
		if token, err := v.Verify(t.Context(), raw); err != nil || token.Header.KeyID != "k" {
			t.Fatalf("got %v, %v", token, err)
		}
	}
	if hits, _ := v.CacheStats(); hits != 3 || calls != 4 {
		t.Errorf("%d hits and %d calls of the provider, want 3 and 4", hits, calls)
	}
}

// TestCacheVerifiedConcurrent is for the race detector.
func TestCacheVerifiedConcurrent(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256), CacheVerified(20))
	raws := make([]string, 30)
	for i := range raws {
		raws[i] = mintWith(HS256, secret, fmt.Sprintf(`{"alg":"HS256","kid":"%d"}`, i), fmt.Sprintf(`{"sub":"%d"}`, i))
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n := (i*7 + g) % len(raws)
				token, err := v.Verify(context.Background(), raws[n])
				if err != nil || token.Subject != fmt.Sprint(n) || token.Header.KeyID != token.Subject || token.Raw() != raws[n] {
					t.Errorf("token %d: %v, %v", n, token, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
