package cache

import "testing"

// TestFaultsHCode: the code of a token has a key that no two caches share, and the
// whole token in it, also where GCM is not available.
func TestFaultsHCode(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2UifQ.c2lnbmF0dXJl"
	seen := make(map[Code]bool)
	for range 8 {
		fast, err := NewTokens[int](1)
		if err != nil {
			t.Fatal(err)
		}
		if fast.mac == nil {
			t.Fatal("there is no GCM")
		}
		slow := *fast
		slow.mac = nil
		for name, c := range map[string]*Tokens[int]{"GMAC": fast, "SHA-256": &slow} {
			code := c.code(token)
			if code != c.code(token) {
				t.Errorf("%s: the code of a token is not always the same", name)
			}
			if seen[code] {
				t.Errorf("%s: the code has no random key", name)
			}
			seen[code] = true
			for i := range token {
				if c.code(token[:i]+"~"+token[i+1:]) == code || c.code(token[:i]) == code {
					t.Fatalf("%s: the code does not depend on byte %d", name, i)
				}
			}
		}
	}
}

// TestSlots: a value is found by its very key, of a bounded length.
func TestSlots(t *testing.T) {
	s := NewSlots[int]()
	key := func(i int) string {
		return string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
	}
	for i := range 10 * SlotCount {
		s.Add(key(i), i)
		if v, ok := s.Get(key(i)); !ok || v != i {
			t.Fatalf("key %d: got %d, %v", i, v, ok)
		}
		if v, ok := s.Get(key(i + 5000)); ok {
			t.Fatalf("a key that was not added has %d", v)
		}
	}
	if n := s.Len(); n < SlotCount/2 || n > SlotCount {
		t.Errorf("%d values are remembered", n)
	}
	long := make([]byte, MaxKey+1)
	s = NewSlots[int]()
	s.Add(string(long), 1)
	if _, ok := s.Get(string(long)); ok || s.Len() != 0 {
		t.Error("a long key is remembered")
	}
	s.Add(string(long[1:]), 1)
	if _, ok := s.Get(string(long[1:])); !ok {
		t.Error("a key of the greatest length is not remembered")
	}
}
