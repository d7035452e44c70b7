package socketio

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestRevocationsAreForgotten: the list holds no more than twice what is live, or
// what is too little to look at.
func TestRevocationsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(nil)
		most := 0
		for i := range 20_000 {
			v := Revocation{TokenID: fmt.Sprint(i), Expires: time.Now().Add(3 * time.Second)}
			if err := r.Revoke(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // 3000 are live at any time
			most = max(most, r.entries)
			if i%1000 != 0 {
				continue
			}
			n := 0
			for _, list := range r.revoked {
				n += len(list)
			}
			if n != r.entries {
				t.Fatalf("%d entries are counted as %d", n, r.entries)
			}
		}
		if most > 6001 {
			t.Errorf("up to %d entries were kept for 3000", most)
		}
	})
}

// TestRevocationsMerge: one that says no more than another is not kept.
func TestRevocationsMerge(t *testing.T) {
	r := NewRegistry(nil)
	now := time.Now()
	for _, v := range []Revocation{
		{Subject: "a", IssuedBefore: now, Expires: now.Add(time.Hour)},
		{Subject: "a", IssuedBefore: now.Add(-time.Hour), Expires: now.Add(time.Hour)},    // less
		{Subject: "a", IssuedBefore: now.Add(time.Minute), Expires: now.Add(time.Minute)}, // another
		{Subject: "a", IssuedBefore: now.Add(time.Second), Expires: now.Add(2 * time.Hour)},
		{Subject: "a", Issuer: "i", Expires: now.Add(time.Hour)}, // narrower, but without a time
	} {
		r.apply(v)
	}
	if n := len(r.revoked[indexed{bySubject, "a"}]); n != 3 || r.entries != 3 {
		t.Errorf("%d are kept, counted as %d: %v", n, r.entries, r.revoked)
	}
	r.apply(Revocation{Subject: "a", Expires: now.Add(3 * time.Hour)})
	r.apply(Revocation{Subject: "a", Expires: now.Add(3 * time.Hour)})
	if r.entries != 2 {
		t.Errorf("%d are kept: %v", r.entries, r.revoked)
	}
}
