package verifier

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"strings"
)

// KeyProvider finds the keys that may verify a token.
//
// Keys gets the header and claims of the token before anything is verified, and the handshake that
// it came in. It returns the candidates, best first; the verifier tries at most 16 of them and does
// not change the slice. No keys and no error mean that no key is known: the token is refused
// ([ErrKeyNotFound]), or the next provider of a chain is asked. An [*UnauthorizedError] reaches the
// client unchanged. Any other error means that the keys could not be fetched: it becomes
// [ErrKeysUnavailable], which is retryable.
//
// Keys is called from many goroutines at once, for every verification: parse keys when they are
// loaded, not here.
type KeyProvider interface {
	Keys(ctx context.Context, t *UnverifiedToken) ([]*Key, error)
}

// KeyProviderFunc makes a function a [KeyProvider].
type KeyProviderFunc func(ctx context.Context, t *UnverifiedToken) ([]*Key, error)

// Keys calls f.
func (f KeyProviderFunc) Keys(ctx context.Context, t *UnverifiedToken) ([]*Key, error) {
	return f(ctx, t)
}

// Bounds of an RSA modulus, in bits: RFC 7518 §3.3 asks for 2048 at least;
// above 8192 one forged token costs milliseconds.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// Key is verification material together with its id and the algorithms it may
// be used with, which are never inferred from a token. It is immutable.
type Key struct {
	id          string
	allowed     algorithmSet
	checks      [16]signatureCheck // by algorithmSet.index, of those allowed
	fingerprint [sha256.Size]byte
}

// KeyOptions says how a [Key] may be used.
type KeyOptions struct {
	// ID is the key's id, matched against a token's kid by providers.
	ID string

	// Algorithms are those the key may verify; each must fit the material.
	// By default all that do: for a secret the HMACs it is long enough for,
	// for an RSA key RS* and PS*, for the others the one of their curve.
	Algorithms []Algorithm

	// InsecureAllowShortSecret accepts a secret shorter than its hash, against
	// RFC 7518 §3.2. A short secret can be guessed offline from any one token.
	InsecureAllowShortSecret bool
}

// NewKey makes a key of the material, which must be one of
//
//   - []byte, a shared secret at least as long as the output of its hash (RFC 7518 §3.2), which must
//     not look like a key or a certificate;
//   - [*rsa.PublicKey], of 2048 to 8192 bits, with an odd exponent above 1, and whose factors are not
//     easily found;
//   - [*ecdsa.PublicKey] on P-256, P-384 or P-521;
//   - [ed25519.PublicKey], a point of the curve, and not one of small order.
//
// For anything else, such as a private key, the error says why it is refused. NewKey copies the
// material.
func NewKey(material any, o KeyOptions) (*Key, error) {
	k := &Key{id: o.ID}
	var own any // a copy of the material, which the caller may change
	var fits algorithmSet
	var err error
	switch m := material.(type) {
	case []byte:
		fits, err = fitSecret(m, o.InsecureAllowShortSecret)
		own = append([]byte(nil), m...)
		k.fingerprint = sha256.Sum256(append([]byte("secret:"), m...))
	case *rsa.PublicKey:
		fits, err = fitRSA(m)
	case *ecdsa.PublicKey:
		fits, err = fitEC(m)
	case ed25519.PublicKey:
		fits, err = bitEdDSA, fitEd25519(m)
	case string:
		err = errors.New("verifier: a string may be a secret, base64 or PEM: convert it to []byte, or use package keys")
	case crypto.Signer:
		err = fmt.Errorf("verifier: %T is a private key: give the public key, a verifier must not hold the private one", material)
	default:
		err = fmt.Errorf("verifier: key material must be []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey, not %T", material)
	}
	if err != nil {
		return nil, err
	}
	if own == nil {
		der, err := x509.MarshalPKIXPublicKey(material)
		if err == nil {
			own, err = x509.ParsePKIXPublicKey(der)
		}
		if err != nil {
			return nil, fmt.Errorf("verifier: public key: %w", err)
		}
		k.fingerprint = sha256.Sum256(der)
	}
	k.allowed = fits
	if o.Algorithms != nil {
		if k.allowed, err = restrict(fits, o.Algorithms); err != nil {
			return nil, fmt.Errorf("%w (the key, of type %T, fits %s)", err, material, names(fits))
		}
	}
	for _, a := range k.allowed.list() {
		if k.checks[a.bit().index()], err = newSignatureCheck(a, own); err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
	}
	return k, nil
}

// restrict returns the set of algorithms, all of which must be in fits.
func restrict(fits algorithmSet, algorithms []Algorithm) (algorithmSet, error) {
	var set algorithmSet
	for _, a := range algorithms {
		bit := a.bit()
		if bit == 0 {
			return 0, fmt.Errorf("verifier: algorithm %q is not supported: expected one of %s", a, names(allAlgorithms))
		}
		if fits&bit == 0 {
			return 0, fmt.Errorf("verifier: algorithm %s does not fit the key", a)
		}
		set |= bit
	}
	if set == 0 {
		return 0, errors.New("verifier: an empty list of algorithms allows none: leave it out for the default")
	}
	return set, nil
}

func names(s algorithmSet) string {
	var words []string
	for _, a := range s.list() {
		words = append(words, string(a))
	}
	return strings.Join(words, ", ")
}

func fitSecret(secret []byte, allowShort bool) (algorithmSet, error) {
	if len(secret) == 0 {
		return 0, errors.New("verifier: the secret is empty")
	}
	if err := notSecret(secret); err != nil {
		return 0, err
	}
	switch {
	case allowShort || len(secret) >= 64:
		return bitHS256 | bitHS384 | bitHS512, nil
	case len(secret) >= 48:
		return bitHS256 | bitHS384, nil
	case len(secret) >= 32:
		return bitHS256, nil
	}
	return 0, fmt.Errorf("verifier: the secret has %d bytes: HS256 needs at least 32, HS384 48, HS512 64 (RFC 7518 §3.2)", len(secret))
}

func fitRSA(k *rsa.PublicKey) (algorithmSet, error) {
	if k == nil || k.N == nil {
		return 0, errors.New("verifier: the RSA key is nil")
	}
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return 0, fmt.Errorf("verifier: the RSA key has %d bits: expected %d to %d (RFC 7518 §3.3)", bits, minRSABits, maxRSABits)
	}
	if k.N.Sign() < 0 {
		return 0, errors.New("verifier: the RSA modulus is negative")
	}
	if k.N.Bit(0) == 0 {
		return 0, errors.New("verifier: the RSA modulus is even")
	}
	if k.E < 3 || k.E&1 == 0 || k.E > math.MaxInt32 {
		return 0, fmt.Errorf("verifier: the RSA exponent is %d: expected an odd number above 1 and below 2^31, such as 65537", k.E)
	}
	return rsaAlgorithms, weakRSA(k)
}

func fitEC(k *ecdsa.PublicKey) (algorithmSet, error) {
	//lint:ignore SA1019 Without coordinates, what would replace them panics.
	if k == nil || k.Curve == nil || k.X == nil || k.Y == nil {
		return 0, errors.New("verifier: the EC key is nil")
	}
	var fits algorithmSet
	switch k.Curve {
	case elliptic.P256():
		fits = bitES256
	case elliptic.P384():
		fits = bitES384
	case elliptic.P521():
		fits = bitES512
	default:
		return 0, fmt.Errorf("verifier: the EC key is on the curve %s: expected P-256, P-384 or P-521", k.Params().Name)
	}
	if _, err := k.ECDH(); err != nil {
		return 0, errors.New("verifier: the EC key is not a point on its curve")
	}
	return fits, nil
}

// ID returns the key's id, "" if it has none.
func (k *Key) ID() string { return k.id }

// Algorithms returns the algorithms the key may verify.
func (k *Key) Algorithms() []Algorithm { return k.allowed.list() }

// Allows reports whether the key may verify the algorithm. A nil key allows
// none.
func (k *Key) Allows(a Algorithm) bool { return k != nil && k.allowed&a.bit() != 0 }

// Equal reports whether both keys have the same material. Their ids and algorithms may differ.
func (k *Key) Equal(other *Key) bool {
	return k == other || k != nil && other != nil && k.fingerprint == other.fingerprint
}

// String names the key by its id and a short fingerprint. It reveals nothing of
// a secret.
func (k *Key) String() string {
	return fmt.Sprintf("key %q (%s, %x)", k.id, names(k.allowed), k.fingerprint[:4])
}
