package verifier

import (
	"crypto"
	"crypto/rsa"

	_ "crypto/sha256" // the hashes of PS256 to PS512
	_ "crypto/sha512"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// signatureCheck tells whether signature is a good one over input.
type signatureCheck func(input, signature []byte, material any) error

// signatureChecks returns the check of each algorithm in the set, so that a key
// has them at hand when a token comes.
func signatureChecks(set algorithmSet) (map[algorithmSet]signatureCheck, error) {
	checks := make(map[algorithmSet]signatureCheck)
	for _, a := range set.list() {
		switch a {
		case PS256:
			checks[a.bit()] = checkPSS(crypto.SHA256)
		case PS384:
			checks[a.bit()] = checkPSS(crypto.SHA384)
		case PS512:
			checks[a.bit()] = checkPSS(crypto.SHA512)
		default:
			v, err := jws.NewVerifier(jwa.SignatureAlgorithm(a))
			if err != nil {
				return nil, err
			}
			checks[a.bit()] = v.Verify
		}
	}
	return checks, nil
}

// checkPSS goes to crypto/rsa: jwx accepts a salt of any length, where RFC 7518
// §3.5 asks for that of the hash.
func checkPSS(hash crypto.Hash) signatureCheck {
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return func(input, signature []byte, material any) error {
		h := hash.New()
		h.Write(input)
		return rsa.VerifyPSS(material.(*rsa.PublicKey), hash, h.Sum(nil), signature, options)
	}
}
