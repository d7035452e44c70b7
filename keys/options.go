package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// An Option sets how the keys that a constructor loads may be used.
type Option func(*verifier.KeyOptions)

// ID sets the kid of the key. A token with another kid is then not tried against it. The constructor
// returns an error if it loads more than one key, and for a JWK that has another kid.
func ID(kid string) Option { return func(o *verifier.KeyOptions) { o.ID = kid } }

// Algorithms restricts the keys to these algorithms, which must fit each of the keys. By default a
// secret verifies the HMACs that it is long enough for, an RSA key RS* and PS*, and other keys the
// algorithm of their curve. A JWK with a member alg verifies only that.
func Algorithms(algorithms ...verifier.Algorithm) Option {
	return func(o *verifier.KeyOptions) { o.Algorithms = append([]verifier.Algorithm{}, algorithms...) }
}

// InsecureAllowShortSecret accepts a secret that is shorter than the output of its hash, as
// jsonwebtoken does, against RFC 7518 §3.2. Anyone who sees one token can then try secrets against it
// offline, as many per second as their machines can hash.
func InsecureAllowShortSecret() Option {
	return func(o *verifier.KeyOptions) { o.InsecureAllowShortSecret = true }
}

func collect(options []Option) (verifier.KeyOptions, error) {
	var o verifier.KeyOptions
	for _, option := range options {
		if option == nil {
			return o, errors.New("an option is nil")
		}
		option(&o)
	}
	return o, nil
}

// supported reports whether the package has a use for keys of the alg.
func supported(alg verifier.Algorithm) bool {
	switch alg {
	case verifier.HS256, verifier.HS384, verifier.HS512, verifier.RS256, verifier.RS384, verifier.RS512,
		verifier.PS256, verifier.PS384, verifier.PS512, verifier.ES256, verifier.ES384, verifier.ES512, verifier.EdDSA,
		"Ed25519", "ESP256", "ESP384", "ESP512": // RFC 9864
		return true
	}
	return false
}

// sameAlgorithm reports whether both are names of one algorithm: RFC 9864 gave those
// of elliptic curves a second one.
func sameAlgorithm(a, b verifier.Algorithm) bool { return firstName(a) == firstName(b) }

func firstName(a verifier.Algorithm) verifier.Algorithm {
	switch a {
	case "Ed25519":
		return verifier.EdDSA
	case "ESP256", "ESP384", "ESP512":
		return "ES" + a[3:]
	}
	return a
}

// narrow applies the alg of a JWK to the options for it.
func narrow(o verifier.KeyOptions, alg verifier.Algorithm) (verifier.KeyOptions, error) {
	if o.Algorithms != nil && !slices.ContainsFunc(o.Algorithms, func(a verifier.Algorithm) bool { return sameAlgorithm(a, alg) }) {
		return o, fmt.Errorf("its alg is %s, and Algorithms allows only %v", alg, o.Algorithms)
	}
	o.Algorithms = []verifier.Algorithm{alg}
	return o, nil
}

// newKey is [verifier.NewKey], whose error is about to be told as ours.
func newKey(material any, o verifier.KeyOptions) (*verifier.Key, error) {
	k, err := verifier.NewKey(material, o)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "verifier: "))
	}
	return k, nil
}
