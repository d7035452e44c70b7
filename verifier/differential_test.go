package verifier

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// presented is a token as the classes below see it: read leniently, by the
// standard library.
type presented struct {
	raw             string
	alg             Algorithm // that it is signed by
	segments        []string
	header, payload []byte
	members, claims map[string]json.RawMessage // of the header and the payload
}

// class is a kind of tokens that this package and jwx judge differently.
type class struct {
	name string
	is   func(p *presented) bool
}

// listed reports whether a token is in one of the classes.
func listed(classes []class, p *presented) bool {
	return slices.ContainsFunc(classes, func(c class) bool { return c.is(p) })
}

// stricter are the classes of tokens that jwx accepts and this package refuses.
// docs/security.md lists them with the reasons; a token that is refused and in
// none of them is a bug, here or there.
var stricter = []class{
	{"not the compact serialization (RFC 7519 §1)", func(p *presented) bool {
		return len(p.segments) != 3 || strings.ContainsAny(p.raw, " \t\r\n{")
	}},
	{"alg is not that of the key, which jwx takes only from its caller (RFC 7515 §4.1.1)", func(p *presented) bool {
		var alg string
		json.Unmarshal(p.members["alg"], &alg)
		return alg != string(p.alg)
	}},
	{"base64url with padding, another alphabet or bits that stand for nothing (RFC 7515 §2)", func(p *presented) bool {
		for _, s := range p.segments {
			if _, err := base64.RawURLEncoding.Strict().DecodeString(s); err != nil {
				return true
			}
		}
		return false
	}},
	{"not UTF-8 (RFC 7519 §7.2)", func(p *presented) bool { return !utf8.Valid(p.header) || !utf8.Valid(p.payload) }},
	{"not one JSON object, and nothing behind it (RFC 7515 §4, RFC 7519 §7.2)", func(p *presented) bool {
		return !json.Valid(p.header) || !json.Valid(p.payload) || p.members == nil || p.claims == nil
	}},
	{"two members of one name, letter case aside (RFC 7515 §4, RFC 7519 §4)", func(p *presented) bool {
		return ambiguous(p.header) || ambiguous(p.payload)
	}},
	{"nested more than 32 deep, or a header of more than 16 members or 1 KiB", func(p *presented) bool {
		return deep(p.header) > strictjson.MaxDepth || deep(p.payload) > strictjson.MaxDepth || len(p.members) > maxHeaderMembers ||
			len(p.segments[0]) > DefaultMaxTokenLength/16 || len(p.raw) > DefaultMaxTokenLength
	}},
	{"crit or b64, which ask for what is not understood (RFC 7515 §4.1.11)", func(p *presented) bool {
		b64, ok := p.members["b64"]
		return p.members["crit"] != nil || ok && string(b64) != "true"
	}},
	{"alg, kid, typ or cty that is not a string (RFC 7515 §4.1)", func(p *presented) bool {
		return notStrings(p.members, "alg", "kid", "typ", "cty")
	}},
	{"another kind of token by its typ (RFC 8725 §3.11)", func(p *presented) bool {
		var typ string
		json.Unmarshal(p.members["typ"], &typ)
		return strings.HasSuffix(strings.ToLower(typ), "+jwt")
	}},
	{"a date that is not a number (RFC 7519 §2)", func(p *presented) bool {
		for _, name := range []string{"exp", "nbf", "iat"} {
			if text, ok := p.claims[name]; ok && json.Unmarshal(text, new(json.Number)) != nil || len(text) > 0 && text[0] == '"' || string(text) == "null" {
				return true
			}
		}
		return false
	}},
	{"a date after the year 9999, in milliseconds for one", func(p *presented) bool {
		for _, name := range []string{"exp", "nbf", "iat"} {
			if f, err := strconv.ParseFloat(string(p.claims[name]), 64); f > maxDate && (err == nil || errors.Is(err, strconv.ErrRange)) {
				return true
			}
		}
		return false
	}},
	{"a refresh token by its claims", func(p *presented) bool {
		for _, name := range kindClaims {
			if kindOfClaim(name, string(p.claims[name]))&kindRefresh != 0 {
				return true
			}
		}
		return false
	}},
	{"a registered claim of another type (RFC 7519 §4.1)", func(p *presented) bool {
		return notStrings(p.claims, "iss", "sub", "jti") || json.Unmarshal(p.claims["aud"], new([]*string)) != nil && notStrings(p.claims, "aud") ||
			bytes.Contains(p.claims["aud"], []byte("null"))
	}},
	{"expired or not yet valid by less than a second, which jwx cuts off", func(p *presented) bool {
		return bytes.ContainsAny(p.claims["exp"], ".eE") || bytes.ContainsAny(p.claims["nbf"], ".eE")
	}},
	{"expired in the first second of 1970, which jwx takes for no exp (RFC 7519 §4.1.4)", func(p *presented) bool {
		exp, err := strconv.ParseFloat(string(p.claims["exp"]), 64)
		return err == nil && exp > -1 && exp < 1
	}},
	{"half a surrogate pair, which jwx replaces (RFC 8259 §8.2)", func(p *presented) bool {
		return surrogate.Match(p.header) || surrogate.Match(p.payload)
	}},
	{"bound to a key that nobody proves to hold (RFC 7800 §3)", func(p *presented) bool { return p.claims["cnf"] != nil }},
}

var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// looser are the tokens that this package accepts and jwx refuses, though they
// are signed.
var looser = []class{
	{"white space around the header, which jwx drops before it hashes", func(p *presented) bool {
		return len(bytes.TrimSpace(p.header)) != len(p.header)
	}},
}

func notStrings(members map[string]json.RawMessage, names ...string) bool {
	for _, name := range names {
		if text, ok := members[name]; ok && json.Unmarshal(text, new(string)) != nil || string(text) == "null" {
			return true
		}
	}
	return false
}

// ambiguous reports whether an object has two members whose names differ in
// letter case at most.
func ambiguous(text []byte) bool {
	var names []string
	d, depth, key := json.NewDecoder(bytes.NewReader(text)), 0, false
	for {
		token, err := d.Token()
		if err != nil {
			return err != io.EOF
		}
		if delim, ok := token.(json.Delim); ok {
			if delim == '{' || delim == '[' {
				depth++
			} else {
				depth--
			}
			key = depth == 1
			continue
		}
		if depth != 1 {
			continue
		}
		if key {
			for _, n := range names {
				if strings.EqualFold(n, token.(string)) {
					return true
				}
			}
			names = append(names, token.(string))
		}
		key = !key
	}
}

// deep returns how deep a JSON text is nested, at most.
func deep(text []byte) (most int) {
	depth := 0
	for _, c := range text {
		switch c {
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

func present(a Algorithm, raw string) *presented {
	p := &presented{raw: raw, alg: a, segments: strings.Split(raw, ".")}
	if len(p.segments) != 3 {
		return p
	}
	lenient := func(s string) []byte {
		s = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s)
		out, _ := base64.RawURLEncoding.DecodeString(s)
		return out
	}
	p.header, p.payload = lenient(p.segments[0]), lenient(p.segments[1])
	json.Unmarshal(p.header, &p.members)
	json.Unmarshal(p.payload, &p.claims)
	return p
}

// FuzzAgainstJWX holds our verdict against that of jwx. What we accept, jwx says
// is signed, with the same payload; what jwx accepts and we refuse is in one of
// the classes above.
func FuzzAgainstJWX(f *testing.F) {
	algorithms := []Algorithm{HS256, ES256, EdDSA, RS256}
	verifiers := make(map[Algorithm]*Verifier)
	for _, a := range algorithms {
		verifiers[a] = newVerifier(f, keyFor(f, a), WithClock(func() time.Time { return now.Add(time.Second / 2) }))
	}
	const asItIs, spoiled = 1, 2 // kinds: segments are given encoded; the signature is changed
	for i := range algorithms {
		header := `{"alg":"` + string(algorithms[i]) + `","typ":"JWT","kid":"k"}`
		for _, s := range []struct{ header, payload string }{
			{header, benchClaims},
			{header, `{}`},
			{header, `{"sub":"a","sub":"b"}`},
			{header, `{"sub":"a","Sub":"b"}`},
			{header, "{\"sub\":\"\xff\"}"},
			{header, `{"exp":1700000000}`},
			{header, `{"exp":0}`},
			{header, `{"exp":1700000000.75}`},
			{header, `{"exp":"1800000000"}`},
			{header, `{"exp":1e400,"nbf":-1}`},
			{header, `{"nbf":1700000001}`},
			{header, `{"exp":1700000001000}`},
			{header, `{"token_use":"refresh"}`},
			{header, `{"iat":1800000000}`},
			{header, `{"exp":null,"aud":null}`},
			{header, `{"aud":["a",null]}`},
			{header, `{"iss":1}`},
			{header, `{"sub":1}`},
			{header, `{"cnf":{"jkt":"x"}}`},
			{header, ` {"a":[[]]} `},
			{header, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`},
			{header, `null`},
			{header, `[]`},
			{header, `not JSON`},
			{header, `{}0`},
			{strings.Replace(header, "alg", "Alg", 1), `{}`},
			{strings.Replace(header, `"k"`, `"k","crit":["exp"]`, 1), `{}`},
			{strings.Replace(header, `"k"`, `"k","b64":false`, 1), `{}`},
			{strings.Replace(header, `"k"`, `1`, 1), `{}`},
			{strings.Replace(header, `"k"`, `"k","kid":"l"`, 1), `{}`},
			{strings.Replace(header, "JWT", "logout+jwt", 1), `{}`},
			{strings.Replace(header, "JWT", "at+jwt", 1), `{}`},
			{strings.Replace(header, string(algorithms[i]), "none", 1), `{}`},
			{" " + header, `{}`},
		} {
			f.Add(byte(i), byte(0), s.header, s.payload)
		}
		f.Add(byte(i), byte(spoiled), header, benchClaims)
		f.Add(byte(i), byte(asItIs), encode(header), encode(benchClaims)+"=")
		f.Add(byte(i), byte(asItIs), encode(header), encode(`{"a":"~~~???"}`))
		f.Add(byte(i), byte(asItIs), encode(header), base64.StdEncoding.EncodeToString([]byte(`{"a":"~~~???"}`)))
		f.Add(byte(i), byte(asItIs), encode(header), encode(`{}`)+"\n")
		f.Add(byte(i), byte(asItIs), encode(header), encode(`{ }`)+".")
	}
	f.Fuzz(func(t *testing.T, which, kind byte, header, payload string) {
		a := algorithms[int(which)%len(algorithms)]
		if kind&asItIs == 0 {
			header, payload = encode(header), encode(payload)
		}
		raw := signSegments(a, signer(a), header, payload)
		if kind&spoiled != 0 {
			raw = flip(raw, len(raw)-20)
		}
		token, err := verifiers[a].Verify(t.Context(), raw)
		key := jws.WithKey(jwa.SignatureAlgorithm(a), public(signer(a)))
		if err == nil {
			signed, theirs := jws.Verify([]byte(raw), key)
			if theirs != nil {
				if !listed(looser, present(a, raw)) {
					t.Fatalf("accepted, and jwx says %v: %q", theirs, raw)
				}
				return
			}
			if string(signed) != token.payload {
				t.Fatalf("the payload is read as %q, and as %q by jwx", token.payload, signed)
			}
			return
		}
		if _, theirs := jwt.Parse([]byte(raw), jwt.WithKey(jwa.SignatureAlgorithm(a), public(signer(a))),
			jwt.WithClock(jwt.ClockFunc(func() time.Time { return now.Add(time.Second / 2) }))); theirs != nil {
			return
		}
		p := present(a, raw)
		if listed(stricter, p) {
			return
		}
		var cause error
		if u := AsUnauthorized(err); u != nil {
			cause = errors.Unwrap(u)
		}
		t.Fatalf("jwx accepts, and we say %v (%v), for no reason that is listed:\n%q\n%q\n%q", err, cause, raw, p.header, p.payload)
	})
}
