package verifiertest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Claims are the members of a token's payload or header, by name. Where
// defaults are filled in, a nil member leaves its default out.
type Claims map[string]any

// JWK is a JSON Web Key (RFC 7517) by its members.
type JWK map[string]any

// Key is a private or shared key that tokens are signed with, by one algorithm.
type Key struct {
	id        string
	algorithm verifier.Algorithm
	private   any // []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
}

// NewKey generates a key for the algorithm. id is its kid, which may be "".
// RSA keys have 2048 bits, and take a moment.
func NewKey(a verifier.Algorithm, id string) *Key {
	k := &Key{id: id, algorithm: a}
	switch a {
	case verifier.HS256, verifier.HS384, verifier.HS512:
		secret := make([]byte, 64)
		rand.Read(secret)
		k.private = secret
	case verifier.RS256, verifier.RS384, verifier.RS512, verifier.PS256, verifier.PS384, verifier.PS512:
		k.private = must(rsa.GenerateKey(rand.Reader, 2048))
	case verifier.ES256, verifier.ESP256:
		k.private = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case verifier.ES384, verifier.ESP384:
		k.private = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case verifier.ES512, verifier.ESP512:
		k.private = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case verifier.EdDSA, verifier.Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		k.private = must(private, err)
	default:
		panic(fmt.Sprintf("verifiertest: NewKey: unknown algorithm %q", a))
	}
	return k
}

// ID returns the key's kid.
func (k *Key) ID() string { return k.id }

// Material returns what verifies the key's tokens, as [verifier.NewKey] takes
// it: the public key, or the shared secret.
func (k *Key) Material() any {
	if s, ok := k.private.(crypto.Signer); ok {
		return s.Public()
	}
	return k.private
}

// Key returns what verifies the key's tokens, and only by its algorithm.
func (k *Key) Key() *verifier.Key {
	return must(verifier.NewKey(k.Material(), verifier.KeyOptions{ID: k.id, Algorithms: []verifier.Algorithm{k.algorithm}}))
}

// JWK returns the key as it is published, with alg, use and, if it has one,
// kid. Of an HMAC key that is the secret itself: no issuer should publish it,
// and none that is fetched may be used.
func (k *Key) JWK() JWK {
	jwk := JWK{"alg": string(k.algorithm), "use": "sig"}
	if k.id != "" {
		jwk["kid"] = k.id
	}
	switch m := k.Material().(type) {
	case []byte:
		jwk["kty"], jwk["k"] = "oct", b64(m)
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(m.N.Bytes()), b64(big.NewInt(int64(m.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(m.Bytes()) // 4, x, y
		half := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", m.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(m)
	}
	return jwk
}

// AKP returns a JWK of a type that few know yet: a post-quantum ML-DSA key, as
// issuers begin to publish beside their others.
func AKP(id string) JWK {
	pub := make([]byte, 1312)
	rand.Read(pub)
	return JWK{"kty": "AKP", "alg": "ML-DSA-44", "use": "sig", "kid": id, "pub": b64(pub)}
}

// Mint signs a token of the header and the payload. The header's defaults are
// alg, kid and typ; the key signs by its own algorithm, whatever alg says. The
// payload is anything that encodes as JSON and has no defaults; raw JSON is a
// [json.RawMessage].
func (k *Key) Mint(header Claims, payload any) string {
	full := Claims{"alg": string(k.algorithm), "typ": "JWT"}
	if k.id != "" {
		full["kid"] = k.id
	}
	input := b64(must(json.Marshal(full.with(header)))) + "." + b64(must(json.Marshal(payload)))
	return input + "." + b64(k.sign(input))
}

func (k *Key) sign(input string) []byte {
	var hash crypto.Hash
	switch k.algorithm[len(k.algorithm)-3:] {
	case "256":
		hash = crypto.SHA256
	case "384":
		hash = crypto.SHA384
	case "512":
		hash = crypto.SHA512
	}
	digest := []byte(input) // EdDSA signs the message itself
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch key := k.private.(type) {
	case *rsa.PrivateKey:
		if k.algorithm[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, key, hash, digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		size := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		must(r, err).FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	case ed25519.PrivateKey:
		return ed25519.Sign(key, digest)
	}
	m := hmac.New(hash.New, k.private.([]byte))
	m.Write([]byte(input))
	return m.Sum(nil)
}

// with returns the claims with others laid over them.
func (c Claims) with(others Claims) Claims {
	all := Claims{}
	maps.Copy(all, c)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// VerifiedToken returns a token of the claims as a [verifier.Verifier] would, for
// tests of what comes after verification. It has an exp only if the claims do. An
// expired token is not an error, and neither is a cnf without a proof.
func VerifiedToken(claims Claims) *verifier.Token {
	issuer := NewIssuer("https://issuer.test/", NewKey(verifier.HS256, ""))
	// Nothing would end by a token whose exp was ignored: this is verified at a
	// time when none has expired.
	v := must(verifier.New(issuer, verifier.IgnoreNotBefore(), verifier.IgnoreConfirmation(), verifier.WithClock(func() time.Time { return time.Unix(0, 0) })))
	return must(v.Verify(context.Background(), issuer.signing.Mint(nil, Claims{}.with(claims))))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("verifiertest: %v", err))
	}
	return v
}
