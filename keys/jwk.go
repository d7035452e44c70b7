package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// unknownError is the error of a key that others may know how to use.
type unknownError struct{ text string }

func (e *unknownError) Error() string { return e.text }

func unknown(format string, args ...any) error {
	return &unknownError{fmt.Sprintf(format, args...)}
}

// materialMembers lists the members of each type of key that jwx is to see. It is
// given no others, since it refuses a set for one it cannot read, and since
// nothing else has a say in what the key is.
var materialMembers = map[string][]string{
	"RSA": {"n", "e"},
	"EC":  {"crv", "x", "y"},
	"OKP": {"crv", "x"},
	"oct": {"k"},
}

// curves lists the curves of each type of key, which is quoted.
var curves = map[string][]string{`"EC"`: {"P-256", "P-384", "P-521"}, `"OKP"`: {"Ed25519"}}

// private lists the members that only a private key has (RFC 7518 §6.2.2,
// §6.3.2, RFC 8037 §2).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth"}

// says reports whether the member says anything. Some libraries write out members
// that they have no value for, as null, "" or [].
func says(v json.RawMessage) bool {
	switch string(v) {
	case "", "null", `""`, "[]":
		return false
	}
	return true
}

// jsonWebKey is a JWK (RFC 7517 §4), with those of its members as strings that all types
// of key have.
type jsonWebKey struct {
	members            map[string]json.RawMessage
	kty, kid, use, alg string // "" if the JWK does not say
}

func readJWK(text json.RawMessage) (*jsonWebKey, error) {
	j := new(jsonWebKey)
	if err := json.Unmarshal(text, &j.members); err != nil || j.members == nil {
		return nil, errors.New("not a JSON object")
	}
	for _, m := range []struct {
		name string
		into *string
	}{{"kty", &j.kty}, {"kid", &j.kid}, {"use", &j.use}, {"alg", &j.alg}} {
		if v := j.members[m.name]; says(v) && json.Unmarshal(v, m.into) != nil {
			return nil, fmt.Errorf("its %s is not a string", m.name)
		}
	}
	return j, nil
}

// parseJWK makes a key of one JWK, with what o says where the JWK says nothing.
func parseJWK(text json.RawMessage, o verifier.KeyOptions, allowSymmetric bool) (*verifier.Key, error) {
	j, err := readJWK(text)
	if err != nil {
		return nil, err
	}
	if err := j.checkType(allowSymmetric); err != nil {
		return nil, err
	}
	if err := forSigning(j.use, j.members["key_ops"]); err != nil {
		return nil, err
	}
	if o, err = j.options(o); err != nil {
		return nil, err
	}
	m, err := j.material()
	if err != nil {
		return nil, err
	}
	return newKey(m, o)
}

// checkType refuses what is not a key to verify with: one of an unknown type, a symmetric
// one that somebody published, and a private one.
func (j *jsonWebKey) checkType(allowSymmetric bool) error {
	_, known := materialMembers[j.kty]
	switch {
	case j.kty == "":
		return errors.New(`its kty is "": expected RSA, EC, OKP or oct`)
	case !known:
		return unknown("its kty is %.32q: expected RSA, EC, OKP or oct", j.kty)
	case j.kty == "oct" && !allowSymmetric:
		return errors.New("it is symmetric: a published key cannot be a secret")
	case j.kty == "oct":
		return nil
	}
	for _, name := range private {
		if says(j.members[name]) {
			return fmt.Errorf("it is a private key, by its member %q: give only the public key, a verifier must not hold the private one", name)
		}
	}
	return nil
}

// options returns o with the alg and the kid of the JWK.
func (j *jsonWebKey) options(o verifier.KeyOptions) (verifier.KeyOptions, error) {
	if j.alg != "" {
		if !supported(verifier.Algorithm(j.alg)) {
			return o, unknown("its alg is %.32q: algorithm %.32q is not supported", j.alg, j.alg)
		}
		var err error
		if o, err = narrow(o, verifier.Algorithm(j.alg)); err != nil {
			return o, err
		}
	}
	return named(o, j.kid)
}

// named returns o with the kid, if there is one.
func named(o verifier.KeyOptions, kid string) (verifier.KeyOptions, error) {
	if kid == "" {
		return o, nil
	}
	if o.ID != "" && o.ID != kid {
		return o, fmt.Errorf("it has a kid, and ID gives it another, %q", o.ID)
	}
	o.ID = kid
	return o, nil
}

// forSigning honours use and key_ops (RFC 7517 §4.2, §4.3), where present. A SPIFFE
// bundle calls its keys for tokens jwt-svid.
func forSigning(use string, operations json.RawMessage) error {
	if use != "" && use != "sig" && use != "jwt-svid" {
		return unknown("its use is %.32q, not sig: the key is for something else, such as encryption", use)
	}
	if !says(operations) {
		return nil
	}
	var list []string
	if json.Unmarshal(operations, &list) != nil {
		return errors.New("its key_ops is not an array of strings")
	}
	if !slices.Contains(list, "verify") {
		return unknown("its key_ops are %.64q: verify is not among them", list)
	}
	return nil
}

// encoding is that of the members of a JWK, in the one spelling that each value has.
var encoding = base64.RawURLEncoding.Strict()

// material has jwx decode the members of the key and returns what
// [verifier.NewKey] takes.
func (j *jsonWebKey) material() (any, error) {
	public := map[string]json.RawMessage{"kty": j.members["kty"]}
	for _, name := range materialMembers[j.kty] {
		if err := j.checkMember(name); err != nil {
			return nil, err
		}
		public[name] = j.members[name]
	}
	text, err := json.Marshal(public)
	if err != nil {
		return nil, err
	}
	k, err := jwk.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return standard(k)
}

// checkMember checks a member that the key consists of: crv names a curve, and the
// others are base64url (RFC 7518 §6).
func (j *jsonWebKey) checkMember(name string) error {
	v := j.members[name]
	var value string
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &value) != nil {
		return fmt.Errorf("its %s is missing, or not a string", name)
	}
	if name == "crv" {
		if known := curves[string(j.members["kty"])]; !slices.Contains(known, value) {
			return unknown("its crv is %.32q: expected %s", value, strings.Join(known, ", "))
		}
		return nil
	}
	if _, err := encoding.DecodeString(value); err != nil || strings.ContainsAny(value, "\r\n") {
		return fmt.Errorf("it is damaged: its %s is not base64url without padding (RFC 7515 §2)", name)
	}
	return nil
}

// standard returns the key as the standard library has it.
func standard(k jwk.Key) (any, error) {
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
		return ed25519.PublicKey(k.X()), nil
	case jwk.SymmetricKey:
		return bytes.Clone(k.Octets()), nil
	}
	return nil, fmt.Errorf("it is damaged: jwx makes %T of it", k)
}
