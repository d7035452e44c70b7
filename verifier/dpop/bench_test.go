package dpop

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// BenchmarkProof is what a proof costs on top of the token: only the signature,
// by the standard library, stands beside it.
func BenchmarkProof(b *testing.B) {
	forgetful := WithCache(CacheFunc(func(context.Context, string, time.Time) (bool, error) { return true, nil }))
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		c := newClient(alg)
		b.Run(alg, func(b *testing.B) {
			proof, err := New(URL(endpoint), WithClock(clock), forgetful)
			if err != nil {
				b.Fatal(err)
			}
			raw := c.token()
			token, err := newServer(b, forgetful).Authenticate(context.Background(), inPayload(raw, c.proof(raw, nil, nil)))
			if err != nil {
				b.Fatal(err)
			}
			h := inPayload(raw, c.proof(raw, nil, nil))
			b.ReportAllocs()
			for b.Loop() {
				if err := proof.Validate(context.Background(), token, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("ES256 only the signature", func(b *testing.B) {
		c := alice()
		key := c.key.(*ecdsa.PrivateKey)
		digest := sha256.Sum256([]byte("input"))
		signature, err := ecdsa.SignASN1(nil, key, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("the signature does not hold")
			}
		}
	})
}

// BenchmarkReplayCache is one use of a proof, in a cache that is nearly full.
func BenchmarkReplayCache(b *testing.B) {
	at := now
	m := newMemory(DefaultCacheSize, func() time.Time { return at })
	ids := make([]string, DefaultCacheSize)
	for i := range ids {
		ids[i] = fmt.Sprintf("%043d.%043d", i%64, i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		at = at.Add(time.Millisecond)
		if _, err := m.Add(context.Background(), ids[i%len(ids)], at.Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
