package verifier_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsG9WeakKeys: NewKey refuses Ed25519 keys that anybody can sign with.
func TestFaultsG9WeakKeys(t *testing.T) {
	// All encodings of the eight points of small order, the last ones not canonical.
	for text, says := range map[string]string{
		"0100000000000000000000000000000000000000000000000000000000000000": "small order",
		"0100000000000000000000000000000000000000000000000000000000000080": "small order",
		"0000000000000000000000000000000000000000000000000000000000000000": "small order",
		"0000000000000000000000000000000000000000000000000000000000000080": "small order",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "small order",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "small order",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": "small order",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85": "small order",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": "small order",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa": "small order",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "canonical",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "canonical",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "canonical",
		strings.Repeat("00", 31): "32 bytes, not 31",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		weak(t, text, ed25519.PublicKey(b), says)
	}
	for range 20 { // and those that are not weak load
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.NewKey(public, verifier.KeyOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// weak expects that NewKey refuses the key.
func weak(t *testing.T, what string, material any, says string) {
	t.Helper()
	if _, err := verifier.NewKey(material, verifier.KeyOptions{}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want %q", what, err, says)
	}
}

// TestFaultsG9WeakKeysRSA: keys whose factors are close, and keys of ROCA, are refused.
func TestFaultsG9WeakKeysRSA(t *testing.T) {
	prime := func(bits int) *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	key := func(p, q *big.Int) *rsa.PublicKey { return &rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537} }
	p := prime(1024)
	next := new(big.Int).Add(p, big.NewInt(2))
	for !next.ProbablyPrime(10) {
		next.Add(next, big.NewInt(2))
	}
	weak(t, "factors that are neighbours", key(p, next), "too close")
	weak(t, "a square", key(p, p), "too close")

	// A prime of ROCA is k*M + (65537^a mod M), with M the product of the first primes.
	m := big.NewInt(2)
	for _, small := range []int64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167} {
		m.Mul(m, big.NewInt(small))
	}
	bits := uint(1030 - m.BitLen())
	roca := func() *big.Int {
		for a := int64(1); ; a++ {
			k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits-1)) // any number: a prime would take long to find
			if err != nil {
				t.Fatal(err)
			}
			k.SetBit(k, int(bits-1), 1)
			p := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
			p.Add(p, k.Mul(k, m))
			if p.ProbablyPrime(10) {
				return p
			}
		}
	}
	weak(t, "ROCA", key(roca(), roca()), "ROCA")
	if _, err := verifier.NewKey(key(p, prime(1024)), verifier.KeyOptions{}); err != nil {
		t.Error(err)
	}
}
