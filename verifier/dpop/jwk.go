package dpop

import (
	"bytes"
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

// parseJWK reads a public key as a proof's header has it (RFC 9449 §4.2), and
// makes its thumbprint. The encodings are strict, so that the thumbprint of what
// was read is that of what was written.
func parseJWK(text []byte) (material any, thumbprint string, err error) {
	var members map[string]json.RawMessage // exact names, unlike a struct
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, "", errors.New("the jwk is not a JSON object (RFC 7517 §4)")
	}
	for _, name := range private {
		switch value := string(bytes.TrimSpace(members[name])); value {
		case "", "null", `""`, "[]": // some libraries write out what they do not have
		default:
			return nil, "", fmt.Errorf("the jwk has the member %q: it must be a public key (RFC 9449 §4.3)", name)
		}
	}
	member := func(name string) string {
		var s string
		_ = json.Unmarshal(members[name], &s) // of another type it is as good as absent
		return s
	}
	octets := func(name string, size int) []byte {
		text := member(name)
		b, decodeErr := b64.DecodeString(text)
		if strings.ContainsAny(text, "\r\n") { // encoding/base64 passes over them: one key would have two thumbprints
			decodeErr = errors.New("a line break")
		}
		if err == nil && (decodeErr != nil || len(b) == 0 || size > 0 && len(b) != size) {
			err = fmt.Errorf("the jwk's member %q is not what its kty asks for (RFC 7518 §6)", name)
		}
		return b
	}

	canonical := ""
	switch kty := member("kty"); kty {
	case "EC":
		var curve elliptic.Curve
		switch member("crv") {
		case "P-256":
			curve = elliptic.P256()
		case "P-384":
			curve = elliptic.P384()
		case "P-521":
			curve = elliptic.P521()
		default:
			return nil, "", fmt.Errorf("the jwk is on the curve %.20q: expected P-256, P-384 or P-521", member("crv"))
		}
		size := (curve.Params().BitSize + 7) / 8
		x, y := octets("x", size), octets("y", size)
		if err != nil {
			return nil, "", err
		}
		point := append(append([]byte{4}, x...), y...) // uncompressed (SEC 1 §2.3.3)
		if material, err = ecdsa.ParseUncompressedPublicKey(curve, point); err != nil {
			return nil, "", errors.New("the jwk is not a point on its curve")
		}
		canonical = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, curve.Params().Name, member("x"), member("y"))
	case "OKP":
		if crv := member("crv"); crv != "Ed25519" {
			return nil, "", fmt.Errorf("the jwk is on the curve %.20q: expected Ed25519", crv)
		}
		x := octets("x", ed25519.PublicKeySize)
		material = ed25519.PublicKey(x)
		canonical = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":%q}`, member("x"))
	case "RSA":
		n, e := octets("n", 0), octets("e", 0)
		if err != nil {
			return nil, "", err
		}
		if n[0] == 0 || e[0] == 0 || len(e) > 4 {
			return nil, "", errors.New("the jwk's modulus or exponent is not a minimal number (RFC 7518 §6.3.1)")
		}
		exponent := 0
		for _, b := range e {
			exponent = exponent<<8 | int(b)
		}
		material = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}
		canonical = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, member("e"), member("n"))
	case "oct":
		return nil, "", errors.New("the jwk is symmetric: a proof is signed with a private key (RFC 9449 §4.2)")
	default:
		return nil, "", fmt.Errorf("the jwk has the kty %.20q: expected EC, OKP or RSA", kty)
	}
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(canonical))
	return material, b64.EncodeToString(sum[:]), nil
}
