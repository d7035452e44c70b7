package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// JWKSet loads a JWK Set, or a single JWK (RFC 7517 §4, §5): RSA, EC, OKP with
// Ed25519, and oct. Each key verifies its alg, or else whatever fits it, and is
// chosen by its kid.
//
// One bad key fails the whole set, since the set is the server's own and a key
// left out would be missed later: a private key, one whose use, key_ops or alg
// is not signing, one of an unknown type, a weak one, or two of the same kid.
// Members that are not needed, such as x5c, are not looked at.
func JWKSet(data []byte, options ...Option) (*Set, error) { return loadJWKSet("JWKSet", data, options) }

func loadJWKSet(what string, data []byte, options []Option) (*Set, error) {
	o, err := collect(options)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	list, err := splitJWKSet(data, true)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	if o.ID != "" && len(list) > 1 {
		return nil, fmt.Errorf("keys: %s: ID(%q) names one key, and there are %d", what, o.ID, len(list))
	}
	loaded := make([]*verifier.Key, len(list))
	for i, text := range list {
		if loaded[i], err = parseJWK(text, o, true); err != nil {
			return nil, fmt.Errorf("keys: %s: %s: %w", what, nameJWK(text, i), err)
		}
	}
	return newSet(what, loaded)
}

// ParseJWKSet reads a JWK Set that somebody else publishes, where a key that
// cannot be used is no reason to do without the others (RFC 7517 §5): such keys
// are skipped, and skipped says which and why. Reasons are those of [JWKSet];
// and a symmetric key, since a published secret is none. Several keys may have
// the same kid. err says that data is no JWK Set at all.
func ParseJWKSet(data []byte) (usable []*verifier.Key, skipped []error, err error) {
	list, err := splitJWKSet(data, false)
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	for i, text := range list {
		k, err := parseJWK(text, verifier.KeyOptions{}, false)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("keys: %s: %w", nameJWK(text, i), err))
			continue
		}
		usable = append(usable, k)
	}
	return usable, skipped, nil
}

// splitJWKSet returns the JSON text of each key.
func splitJWKSet(data []byte, orSingle bool) ([]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("not a JWK Set, which is a JSON object: %w", err)
	}
	text, ok := members["keys"]
	if !ok {
		if _, single := members["kty"]; single && orSingle {
			return []json.RawMessage{data}, nil
		}
		return nil, errors.New(`not a JWK Set: it has no member "keys" (RFC 7517 §5)`)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || list == nil {
		return nil, errors.New(`not a JWK Set: "keys" is not an array (RFC 7517 §5.1)`)
	}
	return list, nil
}

// nameJWK names the key at index i of a set in an error.
func nameJWK(text json.RawMessage, i int) string {
	var members map[string]any
	if json.Unmarshal(text, &members) == nil {
		if kid, ok := members["kid"].(string); ok {
			return fmt.Sprintf("JWK %d (kid %.64q)", i+1, kid)
		}
	}
	return fmt.Sprintf("JWK %d", i+1)
}

// material lists the members of each type of key that jwx is to see. It is
// given no others, since it refuses a set for one it cannot read, and since
// nothing else has a say in what the key is.
var material = map[string][]string{
	"RSA": {"n", "e"},
	"EC":  {"crv", "x", "y"},
	"OKP": {"crv", "x"},
	"oct": {"k"},
}

// private lists the members that only a private key has (RFC 7518 §6.2.2,
// §6.3.2, RFC 8037 §2).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth"}

// parseJWK makes a key of one JWK, with what o says where the JWK says nothing.
func parseJWK(text json.RawMessage, o verifier.KeyOptions, allowSymmetric bool) (*verifier.Key, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	var kty, kid, use, alg string
	for _, m := range []struct {
		name string
		into *string
	}{{"kty", &kty}, {"kid", &kid}, {"use", &use}, {"alg", &alg}} {
		if v, ok := members[m.name]; ok && (json.Unmarshal(v, m.into) != nil || v[0] != '"') {
			return nil, fmt.Errorf("its %s is not a string", m.name)
		}
	}
	names, ok := material[kty]
	if !ok {
		return nil, fmt.Errorf("its kty is %.32q: expected RSA, EC, OKP or oct", kty)
	}
	if kty == "oct" && !allowSymmetric {
		return nil, errors.New("it is symmetric: a secret that is published is none")
	}
	if kty != "oct" {
		for _, name := range private {
			if _, ok := members[name]; ok {
				return nil, fmt.Errorf("it is a private key, by its member %q: give the public key alone, a verifier must not hold the private one", name)
			}
		}
	}
	if err := forSigning(use, members["key_ops"]); err != nil {
		return nil, err
	}
	if alg != "" {
		var err error
		if o, err = narrow(o, verifier.Algorithm(alg)); err != nil {
			return nil, err
		}
	}
	if kid != "" {
		if o.ID != "" && o.ID != kid {
			return nil, fmt.Errorf("it has a kid, and ID gives it another, %q", o.ID)
		}
		o.ID = kid
	}
	public := map[string]json.RawMessage{"kty": members["kty"]}
	for _, name := range names {
		v := members[name]
		if len(v) == 0 || v[0] != '"' {
			return nil, fmt.Errorf("its %s is missing, or not a string", name)
		}
		public[name] = v
	}
	m, err := jwkMaterial(public)
	if err != nil {
		return nil, err
	}
	return newKey(m, o)
}

// forSigning honours use and key_ops (RFC 7517 §4.2, §4.3), where present.
func forSigning(use string, operations json.RawMessage) error {
	if use != "" && use != "sig" {
		return fmt.Errorf("its use is %.32q, not sig: the key is for something else, such as encryption", use)
	}
	if operations == nil {
		return nil
	}
	var list []string
	if json.Unmarshal(operations, &list) != nil {
		return errors.New("its key_ops is not an array of strings")
	}
	if !slices.Contains(list, "verify") {
		return fmt.Errorf("its key_ops are %.64q: verify is not among them", list)
	}
	return nil
}

// jwkMaterial has jwx decode the members of the key and returns what
// [verifier.NewKey] takes.
func jwkMaterial(members map[string]json.RawMessage) (any, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	k, err := jwk.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	switch k := k.(type) {
	case jwk.RSAPublicKey:
		// jwx takes what fits an int64 of the exponent and drops the rest.
		e := new(big.Int).SetBytes(k.E())
		if !e.IsInt64() || e.Int64() > math.MaxInt32 {
			return nil, errors.New("its exponent is above 2^31-1, which no implementation takes")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(k.N()), E: int(e.Int64())}, nil
	case jwk.ECDSAPublicKey:
		var m ecdsa.PublicKey
		if err := k.Raw(&m); err != nil {
			return nil, fmt.Errorf("its crv is %.32q: %w", k.Crv(), err)
		}
		return &m, nil
	case jwk.OKPPublicKey:
		if k.Crv() != "Ed25519" {
			return nil, fmt.Errorf("its crv is %.32q: expected Ed25519", k.Crv())
		}
		return ed25519.PublicKey(k.X()), nil
	case jwk.SymmetricKey:
		return bytes.Clone(k.Octets()), nil
	}
	return nil, fmt.Errorf("it is damaged: jwx makes %T of it", k)
}
