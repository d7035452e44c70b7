package keys_test

import (
	"context"
	"slices"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// named makes a key with this id.
func named(t testing.TB, material any, id string) *verifier.Key {
	t.Helper()
	k, err := verifier.NewKey(material, verifier.KeyOptions{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSetChoosesByKid(t *testing.T) {
	a := named(t, &rsaKey().PublicKey, "a")
	b := named(t, &p256Key().PublicKey, "b")
	free := named(t, []byte(secret), "")
	mixed := must(keys.NewSet(a, free, b))
	ids := must(keys.NewSet(a, b))
	tests := []struct {
		name string
		set  *keys.Set
		kid  string
		want []string
	}{
		{"without a kid, all", mixed, "", []string{"a:RS256", ":HS256", "b:ES256"}},
		{"a known kid, only that key", mixed, "b", []string{"b:ES256"}},
		{"an unknown kid, the keys without an id", mixed, "c", []string{":HS256"}},
		{"an unknown kid where all have one, none", ids, "c", nil},
		{"a kid in another case is another", ids, "A", nil},
		{"no set, none", nil, "a", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, tt.set, tt.kid, verifier.RS256); !slices.Equal(got, tt.want) {
				t.Errorf("kid %q: got %q, want %q", tt.kid, got, tt.want)
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	k := named(t, []byte(secret), "a")
	_, err := keys.NewSet()
	refused(t, err, "NewSet: there is no key")
	_, err = keys.NewSet(k, nil)
	refused(t, err, "NewSet: key 2 is nil")
	_, err = keys.NewSet(k, named(t, &rsaKey().PublicKey, "a"))
	refused(t, err, `NewSet: two keys have the kid "a"`)
	_, err = keys.Join()
	refused(t, err, "Join: there is no key")
	_, err = keys.Join(must(keys.NewSet(k)), nil)
	refused(t, err, "Join: set 2 is nil")
	_, err = keys.Join(must(keys.NewSet(k)), must(keys.NewSet(k)))
	refused(t, err, `Join: two keys have the kid "a"`)
}

// TestSetIsItsOwn: neither the list it was made of nor the list it gives away
// can change it.
func TestSetIsItsOwn(t *testing.T) {
	list := []*verifier.Key{named(t, []byte(secret), "a"), named(t, []byte(secret), "b")}
	s := must(keys.NewSet(list...))
	list[0] = nil
	s.All()[1] = nil
	if got := ask(t, s, "", verifier.HS256); !slices.Equal(got, []string{"a:HS256", "b:HS256"}) {
		t.Errorf("the set is now %q", got)
	}
}

func TestSetAnswersWithoutAllocating(t *testing.T) {
	s := must(keys.NewSet(named(t, []byte(secret), "a"), named(t, []byte(secret), "b")))
	token := &verifier.UnverifiedToken{Header: verifier.Header{KeyID: "b"}}
	if n := testing.AllocsPerRun(100, func() { s.Keys(context.Background(), token) }); n != 0 {
		t.Errorf("%v allocations for an answer", n)
	}
}

// TestRotation: while a secret is rotated, tokens of both are good; afterwards
// those of the previous one are not.
func TestRotation(t *testing.T) {
	next := must(keys.Secret([]byte("the next secret, of 32 bytes too")))
	previous := must(keys.Secret([]byte(secret)))
	old := mintHS256(secret, `{"sub":"jane"}`)
	fresh := mintHS256("the next secret, of 32 bytes too", `{"sub":"jane"}`)

	rotating := must(verifier.New(must(keys.Join(next, previous))))
	for _, token := range []string{old, fresh} {
		if _, err := rotating.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	rotated := must(verifier.New(next))
	if _, err := rotated.Verify(t.Context(), fresh); err != nil {
		t.Error(err)
	}
	wantReason(t, rotated, old, verifier.ErrSignatureInvalid)
}
