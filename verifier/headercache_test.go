package verifier

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/cache"
)

// TestHeaderCache: a header is remembered once its signature held, and is bounded
// in number and length.
func TestHeaderCache(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	held := v.headers.Len
	verify := func(private []byte, header string) error {
		_, err := v.Verify(t.Context(), mintWith(HS256, private, header, `{}`))
		return err
	}
	header := func(kid string) string { return fmt.Sprintf(`{"alg":"HS256","kid":%q}`, kid) }
	if err := verify([]byte(strings.Repeat("x", 64)), header("forged")); err == nil || held() != 0 {
		t.Errorf("%v; a header that nobody signed is remembered: %d", err, held())
	}
	if err := verify(secret, header(strings.Repeat("k", cache.MaxKey))); err != nil || held() != 0 {
		t.Errorf("%v; a long header is remembered: %d", err, held())
	}
	for i := range 10 * cache.SlotCount {
		kid := fmt.Sprint(i)
		for range 2 { // the second time from memory
			token, err := v.Verify(t.Context(), mintWith(HS256, secret, header(kid), `{}`))
			if err != nil || token.Header != (Header{Algorithm: HS256, KeyID: kid}) {
				t.Fatalf("header %d: %v, %v", i, token, err)
			}
		}
	}
	if n := held(); n < cache.SlotCount/2 {
		t.Errorf("%d headers are remembered, want most of %d", n, cache.SlotCount)
	}
}
