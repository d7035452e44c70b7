package keys

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// JWKSet loads a JWK Set or a single JWK (RFC 7517 §4, §5) of the types RSA, EC, OKP with Ed25519, and
// oct. A JSON object of PEM by kid, as Google publishes its certificates, loads too. Each key verifies
// its alg, or every algorithm that fits it if it has none, and is found by its kid.
//
// A key that this package cannot use is skipped (RFC 7517 §5): one of another type, curve or alg, or
// whose use or key_ops is not for signatures. [Set.Skipped] says which keys those are and why. Any other
// bad key is an error: a private key, a damaged or weak one, or two of the same kid. The set is the
// server's own, and a key left out would be missed later. Members that are not needed, such as x5c, are
// not read.
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

// ParseJWKSet reads a JWK Set that somebody else publishes (RFC 7517 §5), or a JSON object of PEM by
// kid. A key that cannot be used does not affect the others: it is left out, and skipped says which
// keys those are and why. The reasons are those of [JWKSet], and one more: a symmetric key, since a
// secret that is published is not secret. Several keys may have the same kid. It returns an error if
// data is not a JWK Set at all.
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
	o, err := named(o, e.kid)
	if err != nil {
		return nil, err
	}
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

// splitPEMs returns the keys of an object of PEM by kid, nil if it is not one.
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
