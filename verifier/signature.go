package verifier

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"sync"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// signatureCheck tells whether signature is a good one over input. It keeps
// neither.
type signatureCheck func(input, signature []byte) bool

// newSignatureCheck returns the check of one algorithm with the material of a
// key, so that a key has it at hand when a token comes. Signatures are checked
// by jwx, except for those that it is too lax or too slow for.
func newSignatureCheck(a Algorithm, material any) (signatureCheck, error) {
	switch a {
	case HS256:
		return checkHMAC(sha256.New, material.([]byte)), nil
	case HS384:
		return checkHMAC(sha512.New384, material.([]byte)), nil
	case HS512:
		return checkHMAC(sha512.New, material.([]byte)), nil
	case RS256:
		return checkPKCS1v15(crypto.SHA256, material.(*rsa.PublicKey)), nil
	case RS384:
		return checkPKCS1v15(crypto.SHA384, material.(*rsa.PublicKey)), nil
	case RS512:
		return checkPKCS1v15(crypto.SHA512, material.(*rsa.PublicKey)), nil
	case PS256:
		return checkPSS(crypto.SHA256, material.(*rsa.PublicKey)), nil
	case PS384:
		return checkPSS(crypto.SHA384, material.(*rsa.PublicKey)), nil
	case PS512:
		return checkPSS(crypto.SHA512, material.(*rsa.PublicKey)), nil
	}
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(a))
	if err != nil {
		return nil, err
	}
	return func(input, signature []byte) bool { return v.Verify(input, signature, material) == nil }, nil
}

// checkHMAC goes to crypto/hmac: jwx hashes the secret anew for every token,
// which costs as much as a short token does. A state that was used and reset
// has that behind it.
func checkHMAC(newHash func() hash.Hash, secret []byte) signatureCheck {
	type state struct {
		mac hash.Hash
		sum [sha512.Size]byte
	}
	pool := sync.Pool{New: func() any { return &state{mac: hmac.New(newHash, secret)} }}
	return func(input, signature []byte) bool {
		s := pool.Get().(*state)
		s.mac.Reset()
		s.mac.Write(input)
		ok := hmac.Equal(signature, s.mac.Sum(s.sum[:0]))
		pool.Put(s)
		return ok
	}
}

// checkPKCS1v15 goes to crypto/rsa: jwx copies the key by reflection for every
// token, which takes half of the time that is left beside the fastest of the
// asymmetric signatures.
func checkPKCS1v15(hash crypto.Hash, key *rsa.PublicKey) signatureCheck {
	return func(input, signature []byte) bool {
		var sum [sha512.Size]byte
		return rsa.VerifyPKCS1v15(key, hash, digest(hash, input, &sum), signature) == nil
	}
}

// checkPSS goes to crypto/rsa: jwx accepts a salt of any length, where RFC 7518
// §3.5 asks for that of the hash.
func checkPSS(hash crypto.Hash, key *rsa.PublicKey) signatureCheck {
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return func(input, signature []byte) bool {
		var sum [sha512.Size]byte
		return rsa.VerifyPSS(key, hash, digest(hash, input, &sum), signature, options) == nil
	}
}

// digest hashes into a buffer of the caller's, which then is not on the heap.
func digest(hash crypto.Hash, input []byte, out *[sha512.Size]byte) []byte {
	switch hash {
	case crypto.SHA256:
		*(*[sha256.Size]byte)(out[:]) = sha256.Sum256(input)
	case crypto.SHA384:
		*(*[sha512.Size384]byte)(out[:]) = sha512.Sum384(input)
	case crypto.SHA512:
		*out = sha512.Sum512(input)
	}
	return out[:hash.Size()]
}
