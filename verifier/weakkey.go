package verifier

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// smallPrimes are those that the fingerprint of ROCA is told by.
var smallPrimes = []uint64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
	97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// weakRSA tells the moduli whose factors anybody can find: of two factors close to
// each other (CVE-2022-26320), and those of the library that is known as ROCA
// (CVE-2017-15361). It is cheap, since unauthenticated clients choose the keys of
// DPoP proofs.
func weakRSA(k *rsa.PublicKey) error {
	if isROCA(k.N) {
		return errors.New("verifier: the RSA key was made by a library whose keys can be factored (ROCA, CVE-2017-15361): make a new one")
	}
	if closeFactors(k.N) {
		return errors.New("verifier: the factors of the RSA modulus are too close to each other, so that its private key can be computed by anybody (CVE-2022-26320): make a new one")
	}
	return nil
}

// isROCA reports whether n is a power of 65537 modulo each of the small primes.
func isROCA(n *big.Int) bool {
	var r, prime big.Int
	for _, p := range smallPrimes {
		if !isPower(r.Mod(n, prime.SetUint64(p)).Uint64(), 65537%p, p) {
			return false
		}
	}
	return true
}

// isPower reports whether r is a power of the base modulo p.
func isPower(r, base, p uint64) bool {
	for x, i := uint64(1), uint64(0); i < p; x, i = x*base%p, i+1 {
		if x == r {
			return true
		}
	}
	return false
}

// closeFactors reports whether a hundred rounds of Fermat's method factor n: whether
// a²-n is a square for one of the first a above the root of n.
func closeFactors(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	var square, rest, root, step, quotient big.Int
	one, modulus := big.NewInt(1), big.NewInt(3*5*7*11*13*17)
	if rest.Sub(square.Mul(a, a), n); rest.Sign() == 0 {
		return true
	}
	for range 100 {
		rest.Add(&rest, step.Add(step.Lsh(a, 1), one)) // (a+1)² = a² + 2a + 1
		a.Add(a, one)
		if low := rest.Bits()[0] & 15; low != 0 && low != 1 && low != 4 && low != 9 {
			continue // no square ends so
		}
		_, remainder := quotient.QuoRem(&rest, modulus, &root)
		if !isSquareModulo(remainder.Uint64(), 3, 5, 7, 11, 13, 17) {
			continue // which is cheaper to find out than the root
		}
		if root.Sqrt(&rest); square.Mul(&root, &root).Cmp(&rest) == 0 {
			return true
		}
	}
	return false
}

// isSquareModulo reports whether r is a square modulo each of the primes.
func isSquareModulo(r uint64, primes ...uint64) bool {
	for _, p := range primes {
		x := uint64(0)
		for x < p && x*x%p != r%p {
			x++
		}
		if x == p {
			return false
		}
	}
	return true
}

// edOrder8 is the y-coordinate of two of the points of order 8; that of the other two
// is its negative.
const edOrder8 = "2707385501144840649318225287225658788936804267575313519463743609750303402022"

// fitEd25519 checks that the key is in its one encoding and not of small order: by a
// key of small order anybody can sign.
func fitEd25519(k ed25519.PublicKey) error {
	if len(k) != ed25519.PublicKeySize {
		return fmt.Errorf("verifier: an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(k))
	}
	bytes := slices.Clone(k)
	slices.Reverse(bytes)
	bytes[0] &= 0x7f // without the sign of x
	y := new(big.Int).SetBytes(bytes)
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255) // the field (RFC 8032 §5.1)
	p.Sub(p, big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return errors.New("verifier: the Ed25519 key is not in its canonical encoding (RFC 8032 §5.1.3)")
	}
	order8, _ := new(big.Int).SetString(edOrder8, 10)
	for _, small := range []*big.Int{new(big.Int), one, new(big.Int).Sub(p, one), order8, new(big.Int).Sub(p, order8)} {
		if y.Cmp(small) == 0 {
			return errors.New("verifier: the Ed25519 key is a point of small order: anybody could sign")
		}
	}
	return nil
}
