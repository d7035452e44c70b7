package dpop

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

var b64 = base64.RawURLEncoding.Strict()

// Thumbprint returns the SHA-256 thumbprint (RFC 7638) of a JWK that may sign
// proofs: what an authorization server puts into cnf.jkt of the tokens it binds
// to the key. It is an error if the JWK is not an RSA, EC or Ed25519 public key.
func Thumbprint(jwk []byte) (string, error) {
	_, thumbprint, err := parseJWK(jwk)
	return thumbprint, err
}

// private are the members of a JWK that no public key has (RFC 7518 §6.2.2,
// §6.3.2, §6.4).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// jwkMembers are the members of a JWK, by their exact names, unlike in a struct.
type jwkMembers map[string]json.RawMessage

// parseJWK reads a public key as a proof's header has it (RFC 9449 §4.2), and
// makes its thumbprint. The encodings are strict, so that the thumbprint of what
// was read is that of what was written.
func parseJWK(text []byte) (material any, thumbprint string, err error) {
	var jwk jwkMembers
	if err := json.Unmarshal(text, &jwk); err != nil {
		return nil, "", errors.New("the jwk is not a JSON object (RFC 7517 §4)")
	}
	for _, name := range private {
		switch value := string(bytes.TrimSpace(jwk[name])); value {
		case "", "null", `""`, "[]": // some libraries write out what they do not have
		default:
			return nil, "", fmt.Errorf("the jwk has the member %q: it must be a public key (RFC 9449 §4.3)", name)
		}
	}
	canonical := "" // RFC 7638 §3.2
	switch kty := jwk.text("kty"); kty {
	case "EC":
		material, canonical, err = jwk.ec()
	case "OKP":
		material, canonical, err = jwk.ed25519()
	case "RSA":
		material, canonical, err = jwk.rsa()
	case "oct":
		err = errors.New("the jwk is symmetric: a proof is signed with a private key (RFC 9449 §4.2)")
	default:
		err = fmt.Errorf("the jwk has the kty %.20q: expected EC, OKP or RSA", kty)
	}
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(canonical))
	return material, b64.EncodeToString(sum[:]), nil
}

// text returns a member that is a string. A member of another type counts as absent.
func (jwk jwkMembers) text(name string) string {
	var s string
	_ = json.Unmarshal(jwk[name], &s)
	return s
}

// octets decodes a member, which has that many bytes, or any if size is 0.
func (jwk jwkMembers) octets(name string, size int) ([]byte, error) {
	text := jwk.text(name)
	b, err := b64.DecodeString(text)
	// encoding/base64 passes over line breaks: one key would have two thumbprints.
	if err != nil || strings.ContainsAny(text, "\r\n") || len(b) == 0 || size > 0 && len(b) != size {
		return nil, fmt.Errorf("the jwk's member %q is not what its kty asks for (RFC 7518 §6)", name)
	}
	return b, nil
}

func (jwk jwkMembers) ec() (material any, canonical string, err error) {
	var curve elliptic.Curve
	switch crv := jwk.text("crv"); crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, "", fmt.Errorf("the jwk is on the curve %.20q: expected P-256, P-384 or P-521", crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, errX := jwk.octets("x", size)
	y, errY := jwk.octets("y", size)
	if err := cmp.Or(errX, errY); err != nil {
		return nil, "", err
	}
	point := append(append([]byte{4}, x...), y...) // uncompressed (SEC 1 §2.3.3)
	if material, err = ecdsa.ParseUncompressedPublicKey(curve, point); err != nil {
		return nil, "", errors.New("the jwk is not a point on its curve")
	}
	return material, fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, curve.Params().Name, jwk.text("x"), jwk.text("y")), nil
}

func (jwk jwkMembers) ed25519() (material any, canonical string, err error) {
	if crv := jwk.text("crv"); crv != "Ed25519" {
		return nil, "", fmt.Errorf("the jwk is on the curve %.20q: expected Ed25519", crv)
	}
	x, err := jwk.octets("x", ed25519.PublicKeySize)
	if err != nil {
		return nil, "", err
	}
	return ed25519.PublicKey(x), fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":%q}`, jwk.text("x")), nil
}

func (jwk jwkMembers) rsa() (material any, canonical string, err error) {
	n, errN := jwk.octets("n", 0)
	e, errE := jwk.octets("e", 0)
	if err := cmp.Or(errN, errE); err != nil {
		return nil, "", err
	}
	if n[0] == 0 || e[0] == 0 || len(e) > 4 {
		return nil, "", errors.New("the jwk's modulus or exponent is not a minimal number (RFC 7518 §6.3.1)")
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}
	return key, fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, jwk.text("e"), jwk.text("n")), nil
}
