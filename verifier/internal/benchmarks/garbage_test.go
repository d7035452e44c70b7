package benchmarks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// BenchmarkGarbage is what it costs to refuse a token of 16 KiB, the longest that
// is read, in the ways in which it can be bad; and of one byte more. The price to
// compare with is what=good, a good HS256 token. Only a hash distinguishes the
// last two from a good token, so they cost as much as hashing 16 KiB; certificates
// in a header, which is not signed by anybody yet, cost less than that.
func BenchmarkGarbage(b *testing.B) {
	s := samples(b)[0]
	v := newVerifier(b, s)
	const size = verifier.DefaultMaxTokenLength
	encode := base64.RawURLEncoding.EncodeToString
	random := func(n int) string {
		r := rand.New(rand.NewPCG(1, 2))
		raw := make([]byte, n)
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		return encode(raw)[:n]
	}
	header, _, _ := strings.Cut(string(s.input), ".")
	signature := encode(s.signature)
	members := func(n int) string {
		var t strings.Builder
		t.WriteString(`{"alg":"HS256"`)
		for i := 0; t.Len() < n*3/4-40; i++ {
			fmt.Fprintf(&t, `,"member%d":%d`, i, i)
		}
		return encode([]byte(t.String() + "}"))
	}
	nested := func(n int) string {
		n = n * 3 / 8
		return encode([]byte(`{"alg":"HS256","a":` + strings.Repeat("[", n-15) + strings.Repeat("]", n-15) + "}"))
	}
	for _, g := range []struct{ what, raw string }{
		{"good", s.raw},
		{"too-long", strings.Repeat("a", size+1)},
		{"no-dots", random(size)},
		{"all-dots", strings.Repeat(".", size)},
		{"random-parts", random(size/3-1) + "." + random(size/3-1) + "." + random(size/3-1)},
		{"header-long", members(1020) + "." + random(size-1024-len(signature)-2) + "." + signature},
		{"header-string", encode([]byte(`{"alg":"HS384","x5c":"`+strings.Repeat("M", 735)+`"}`)) + "." + random(size-1024-len(signature)-2) + "." + signature},
		{"header-longer", members(6140) + "." + random(size-6144-len(signature)-2) + "." + signature},
		{"header-certificates", encode([]byte(`{"alg":"HS384","x5c":"`+strings.Repeat("M", 4580)+`"}`)) + "." + random(size-6144-len(signature)-2) + "." + signature},
		{"header-random", "eyJh" + random(size-11) + ".e30.AA"},
		{"header-members", members(size-100) + ".e30." + signature},
		{"header-nested", nested(size-100) + ".e30." + signature},
		{"payload-not-signed", header + "." + random(size-len(header)-2) + "."},
		{"payload-short-signature", header + "." + random(size-len(header)-4) + ".AA"},
		{"signature-long", header + ".e30." + random(size-len(header)-5)},
		{"payload-bad-signature", header + "." + random(size-len(header)-len(signature)-2) + "." + signature},
		{"payload-nested-bad-signature", header + "." + nested(size-len(header)-len(signature)-2) + "." + signature},
	} {
		if len(g.raw) > size && g.what != "too-long" {
			b.Fatalf("%s has %d bytes", g.what, len(g.raw))
		}
		b.Run("what="+g.what, func(b *testing.B) {
			measure(b, func() error {
				_, err := v.Verify(context.Background(), g.raw)
				if g.what == "good" {
					return err
				}
				if err == nil {
					return errors.New("accepted")
				}
				return nil
			})
		})
	}
}
