package verifier

import "math/bits"

// Algorithm is a JWS signature algorithm by its registered name (RFC 7518 §3.1,
// RFC 8037 §3.1, RFC 9864 §2). "none" is not one. Two names of one algorithm are
// the same wherever algorithms are compared: a key for [EdDSA] verifies tokens
// whose alg is [Ed25519].
type Algorithm string

// The algorithms that can be verified.
const (
	HS256 Algorithm = "HS256" // HMAC with SHA-256, a shared secret of at least 32 bytes
	HS384 Algorithm = "HS384" // HMAC with SHA-384, at least 48 bytes
	HS512 Algorithm = "HS512" // HMAC with SHA-512, at least 64 bytes
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256" // RSASSA-PSS with SHA-256
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
	ES512 Algorithm = "ES512" // ECDSA on P-521 with SHA-512
	EdDSA Algorithm = "EdDSA" // on Ed25519

	Ed25519 Algorithm = "Ed25519" // EdDSA by the name that RFC 9864 §2.2 gives it
	ESP256  Algorithm = "ESP256"  // ES256 by the name that RFC 9864 §2.1 gives it
	ESP384  Algorithm = "ESP384"  // ES384
	ESP512  Algorithm = "ESP512"  // ES512
)

// algorithmSet is a set of algorithms, one bit each, so that asking whether a
// key may verify a token's algorithm costs one instruction.
type algorithmSet uint16

const (
	bitHS256 algorithmSet = 1 << iota
	bitHS384
	bitHS512
	bitRS256
	bitRS384
	bitRS512
	bitPS256
	bitPS384
	bitPS512
	bitES256
	bitES384
	bitES512
	bitEdDSA

	rsaAlgorithms = bitRS256 | bitRS384 | bitRS512 | bitPS256 | bitPS384 | bitPS512
	allAlgorithms = bitEdDSA<<1 - 1
)

// bit returns the set with only a, empty for an unknown algorithm.
func (a Algorithm) bit() algorithmSet {
	switch a {
	case HS256:
		return bitHS256
	case HS384:
		return bitHS384
	case HS512:
		return bitHS512
	case RS256:
		return bitRS256
	case RS384:
		return bitRS384
	case RS512:
		return bitRS512
	case PS256:
		return bitPS256
	case PS384:
		return bitPS384
	case PS512:
		return bitPS512
	case ES256, ESP256:
		return bitES256
	case ES384, ESP384:
		return bitES384
	case ES512, ESP512:
		return bitES512
	case EdDSA, Ed25519:
		return bitEdDSA
	}
	return 0
}

// index returns the place of the one member of s in the order of declaration.
func (s algorithmSet) index() int { return bits.TrailingZeros16(uint16(s)) & 15 }

// maxSignatureLength is that of the longest signature, of an RSA key of
// maxRSABits, in base64url.
const maxSignatureLength = (maxRSABits/8*8 + 5) / 6

// minSignatureLength is that of the shortest, of HS256.
const minSignatureLength = (32*8 + 5) / 6

// signatureSize returns how many bytes a signature by the one member of s has
// (RFC 7518 §3.2 to §3.5, RFC 8037 §3.1), which of RSA is up to the key.
func (s algorithmSet) signatureSize() (least, most int) {
	switch {
	case s&rsaAlgorithms != 0:
		return minRSABits / 8, maxRSABits / 8
	case s == bitHS256:
		return 32, 32
	case s == bitHS384:
		return 48, 48
	case s == bitES384:
		return 96, 96
	case s == bitES512:
		return 132, 132
	}
	return 64, 64 // HS512, ES256 and EdDSA
}

// list returns the set's members in the order of their declaration.
func (s algorithmSet) list() []Algorithm {
	var out []Algorithm
	for _, a := range []Algorithm{HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA} {
		if s&a.bit() != 0 {
			out = append(out, a)
		}
	}
	return out
}
