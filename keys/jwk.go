package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// JWKSet loads a JWK Set, or a single JWK (RFC 7517 §4, §5): RSA, EC, OKP with
// Ed25519, and oct. Each key verifies its alg, or else whatever fits it, and is
// chosen by its kid. A JSON object of PEM by kid, as Google publishes its
// certificates, loads too.
//
// What this package does not know is skipped (RFC 7517 §5): a key of another type,
// curve or alg, or whose use or key_ops is not signing. [Set.Skipped] says which and
// why. Any other bad key fails the whole set, since the set is the server's own and a
// key left out would be missed later: a private key, a damaged or weak one, or two of
// the same kid. Members that are not needed, such as x5c, are not looked at.
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
	if usable := slices.DeleteFunc(slices.Clone(list), func(e entry) bool {
		_, err := e.parse(verifier.KeyOptions{}, true)
		return errors.As(err, new(*unknownError))
	}); o.ID != "" && len(usable) > 1 {
		return nil, fmt.Errorf("keys: %s: ID(%q) names one key, and there are %d", what, o.ID, len(usable))
	}
	var loaded []*verifier.Key
	var skipped []error
	for _, e := range list {
		k, err := e.parse(o, true)
		if err != nil {
			err = fmt.Errorf("keys: %s: %s: %w", what, e.name, err)
			if !errors.As(err, new(*unknownError)) {
				return nil, err
			}
			skipped = append(skipped, err)
			continue
		}
		loaded = append(loaded, k)
	}
	if len(loaded) == 0 && len(skipped) > 0 {
		return nil, errors.Join(skipped...)
	}
	s, err := newSet(what, loaded)
	if err != nil {
		return nil, err
	}
	s.skipped = skipped
	return s, nil
}

// unknownError is the error of a key that others may know how to use.
type unknownError struct{ text string }

func (e *unknownError) Error() string { return e.text }

func unknown(format string, args ...any) error {
	return &unknownError{fmt.Sprintf(format, args...)}
}

// ParseJWKSet reads a JWK Set that somebody else publishes, where a key that
// cannot be used does not affect the others (RFC 7517 §5): such keys are
// skipped, and skipped says which and why. Reasons are those of [JWKSet]; and a
// symmetric key, since a published secret is none. Several keys may have the
// same kid. A JSON object of PEM by kid is read too. err says that data is not
// a JWK Set at all.
func ParseJWKSet(data []byte) (usable []*verifier.Key, skipped []error, err error) {
	list, err := splitJWKSet(data, false)
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	for _, e := range list {
		k, err := e.parse(verifier.KeyOptions{}, false)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("keys: %s: %w", e.name, err))
			continue
		}
		usable = append(usable, k)
	}
	return usable, skipped, nil
}

// entry is a key of a set, before it is parsed.
type entry struct {
	name string          // for errors
	jwk  json.RawMessage // or
	kid  string          // with
	pem  string
}

func (e entry) parse(o verifier.KeyOptions, allowSymmetric bool) (*verifier.Key, error) {
	if e.jwk != nil {
		return parseJWK(e.jwk, o, allowSymmetric)
	}
	if o.ID != "" && o.ID != e.kid {
		return nil, fmt.Errorf("it has a kid, and ID gives it another, %q", o.ID)
	}
	o.ID = e.kid
	block, rest := pem.Decode([]byte(e.pem))
	if block == nil {
		return nil, errNoBlock([]byte(e.pem), 1)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("something follows its PEM block: expected one key")
	}
	return keyOf(block, o)
}

// splitJWKSet returns the keys, unparsed.
func splitJWKSet(data []byte, orSingle bool) ([]entry, error) {
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		if is := describe(data); is != "" {
			return nil, fmt.Errorf("not a JWK Set, which is a JSON object: %s", is)
		}
		return nil, fmt.Errorf("not a JWK Set, which is a JSON object: %w", err)
	}
	text, ok := members["keys"]
	if !ok {
		if _, single := members["kty"]; single && orSingle {
			return []entry{{name: nameJWK(data, 0), jwk: data}}, nil
		}
		if list := splitPEMs(members); list != nil {
			return list, nil
		}
		if is := describeJSON(members); is != "" {
			return nil, fmt.Errorf(`not a JWK Set: it has no member "keys" (RFC 7517 §5): %s`, is)
		}
		return nil, errors.New(`not a JWK Set: it has no member "keys" (RFC 7517 §5)`)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || list == nil {
		return nil, errors.New(`not a JWK Set: "keys" is not an array (RFC 7517 §5.1)`)
	}
	entries := make([]entry, len(list))
	for i, text := range list {
		entries[i] = entry{name: nameJWK(text, i), jwk: text}
	}
	return entries, nil
}

// splitPEMs returns the keys of an object of PEM by kid, nil if it is none.
func splitPEMs(members map[string]json.RawMessage) []entry {
	var list []entry
	for _, kid := range slices.Sorted(maps.Keys(members)) {
		var text string
		if json.Unmarshal(members[kid], &text) != nil || kid == "" || !strings.HasPrefix(strings.TrimSpace(text), pemBegin) {
			return nil
		}
		list = append(list, entry{name: fmt.Sprintf("the PEM of kid %.64q", kid), kid: kid, pem: text})
	}
	return list
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
		if v := members[m.name]; says(v) && json.Unmarshal(v, m.into) != nil {
			return nil, fmt.Errorf("its %s is not a string", m.name)
		}
	}
	names, ok := material[kty]
	switch {
	case kty == "":
		return nil, errors.New(`its kty is "": expected RSA, EC, OKP or oct`)
	case !ok:
		return nil, unknown("its kty is %.32q: expected RSA, EC, OKP or oct", kty)
	case kty == "oct" && !allowSymmetric:
		return nil, errors.New("it is symmetric: a secret that is published is none")
	}
	if kty != "oct" {
		for _, name := range private {
			if says(members[name]) {
				return nil, fmt.Errorf("it is a private key, by its member %q: give the public key alone, a verifier must not hold the private one", name)
			}
		}
	}
	if err := forSigning(use, members["key_ops"]); err != nil {
		return nil, err
	}
	if alg != "" {
		if !supported(verifier.Algorithm(alg)) {
			return nil, unknown("its alg is %.32q: algorithm %.32q is not supported", alg, alg)
		}
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
	m, err := jwkMaterial(members, names)
	if err != nil {
		return nil, err
	}
	return newKey(m, o)
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

// jwkMaterial has jwx decode the members of the key and returns what
// [verifier.NewKey] takes.
func jwkMaterial(members map[string]json.RawMessage, names []string) (any, error) {
	public := map[string]json.RawMessage{"kty": members["kty"]}
	for _, name := range names {
		v := members[name]
		var value string
		if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &value) != nil {
			return nil, fmt.Errorf("its %s is missing, or not a string", name)
		}
		if name != "crv" {
			if _, err := encoding.DecodeString(value); err != nil || strings.ContainsAny(value, "\r\n") {
				return nil, fmt.Errorf("it is damaged: its %s is not base64url without padding (RFC 7515 §2)", name)
			}
		} else if known := curves[string(members["kty"])]; !slices.Contains(known, value) {
			return nil, unknown("its crv is %.32q: expected %s", value, strings.Join(known, ", "))
		}
		public[name] = v
	}
	text, err := json.Marshal(public)
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
		return ed25519.PublicKey(k.X()), nil
	case jwk.SymmetricKey:
		return bytes.Clone(k.Octets()), nil
	}
	return nil, fmt.Errorf("it is damaged: jwx makes %T of it", k)
}
