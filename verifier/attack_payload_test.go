package verifier

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestAttackForm: one token has one spelling.
func TestAttackForm(t *testing.T) {
	good := mint(HS256, `{"sub":"jane"}`)
	header, rest, _ := strings.Cut(good, ".")
	payload, sig, _ := strings.Cut(rest, ".")
	join := func(h, p, s string) string { return h + "." + p + "." + s }
	malformed := func(name, token string) attack { return attack{name, token, ErrTokenMalformed, "jwt malformed"} }
	invalid := func(name, token string) attack { return attack{name, token, ErrTokenMalformed, "invalid token"} }

	rows := []attack{
		{"good", good, "", ""},
		{"nothing", "", ErrTokenMissing, "jwt must be provided"},
		malformed("one part", header), malformed("two parts", header+"."+payload), malformed("four parts", good+"."),
		malformed("five parts", good+".x.y"), malformed("a dot before", "."+good), malformed("not a token", "null"),
		malformed("a dot", "."), malformed("a scheme before", "Bearer "+header),
		invalid("only dots", ".."), invalid("an empty header", join("", payload, sig)),
		{"an empty payload", join(header, "", sig), ErrSignatureInvalid, "invalid signature"},
		invalid("a scheme", "Bearer "+good),
		invalid("quotes", `"`+good+`"`),
		{"too long", good + strings.Repeat("A", DefaultMaxTokenLength), ErrTokenTooLong, "jwt malformed"},
		{"as long as can be, and wrong", join(header, payload, strings.Repeat("A", DefaultMaxTokenLength-len(header)-len(payload)-2)), ErrSignatureInvalid, "invalid signature"},
		invalid("the header in the standard alphabet", signSegments(HS256, secret, base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"HS256","x":"~~~???"}`)), payload)),
		invalid("the payload in the standard alphabet", signSegments(HS256, secret, header, base64.RawStdEncoding.EncodeToString([]byte(`{"x":"~~~???"}`)))),
	}
	// A spelling of each part, signed as it is spelled where it is signed, so
	// that nothing but the spelling is wrong with it.
	spellings := []struct {
		name  string
		spell func(string) string
	}{
		{"padded", func(s string) string { return s + strings.Repeat("=", (4-len(s)%4)%4) }},
		{"padded too much", func(s string) string { return s + "====" }},
		{"a space before", func(s string) string { return " " + s }},
		{"a space behind", func(s string) string { return s + " " }},
		{"a space inside", func(s string) string { return s[:4] + " " + s[4:] }},
		{"a line break before", func(s string) string { return "\n" + s }},
		{"a line break behind", func(s string) string { return s + "\n" }},
		{"a line break inside", func(s string) string { return s[:4] + "\r\n" + s[4:] }},
		{"a tab", func(s string) string { return s + "\t" }},
		{"a NUL", func(s string) string { return s + "\x00" }},
		{"garbage behind", func(s string) string { return s + "!" }},
		{"beyond ASCII", func(s string) string { return s + "é" }},
		{"percent-encoded", func(s string) string { return "%65" + s[1:] }},
	}
	// Parts whose padding is not empty and whose last character has bits to spare.
	h, p := encode(`{"alg":"HS256", "typ":"JWT"}`), encode(`{"sub":"jane1"}`)
	for len(h)%4 == 0 {
		h = encode(string(must(base64.RawURLEncoding.DecodeString(h))) + " ")
	}
	for len(p)%4 == 0 {
		p = encode(string(must(base64.RawURLEncoding.DecodeString(p))) + " ")
	}
	plain := signSegments(HS256, secret, h, p)
	_, s, _ := strings.Cut(strings.TrimPrefix(plain, h+"."), ".")
	rows = append(rows, attack{"good with bits to spare", plain, "", ""})
	for _, sp := range spellings {
		rows = append(rows,
			invalid("the header, "+sp.name, signSegments(HS256, secret, sp.spell(h), p)),
			invalid("the payload, "+sp.name, signSegments(HS256, secret, h, sp.spell(p))),
			invalid("the signature, "+sp.name, join(h, p, sp.spell(s))),
		)
	}
	rows = append(rows,
		invalid("the header, spare bits set", signSegments(HS256, secret, spare(h), p)),
		invalid("the payload, spare bits set", signSegments(HS256, secret, h, spare(p))),
		invalid("the signature, spare bits set", join(h, p, spare(s))),
		invalid("the header, a character too many", signSegments(HS256, secret, h+strings.Repeat("A", 5-len(h)%4), p)),
		invalid("the payload, a character too many", signSegments(HS256, secret, h, p+strings.Repeat("A", 5-len(p)%4))),
	)
	runAttacks(t, newVerifier(t, keyFor(t, HS256)), rows)
}

// TestAttackPayload: a signature makes no claims set of a payload.
func TestAttackPayload(t *testing.T) {
	invalid := func(name, payload string) attack {
		return attack{name, mint(HS256, payload), ErrTokenMalformed, "invalid token"}
	}
	good := func(name, payload string) attack { return attack{name, mint(HS256, payload), "", ""} }
	runAttacks(t, newVerifier(t, keyFor(t, HS256)), []attack{
		good("an empty object", `{}`), good("white space", " {\n} "), good("nested", `{"a":{"b":[{"b":1}]}}`),
		good("beyond ASCII", `{"name":"Zoë \ud83d\ude00"}`),
		invalid("nothing", ``), invalid("null", `null`), invalid("an array", `[]`), invalid("an array of claims", `[{"sub":"jane"}]`),
		invalid("a string", `"jane"`), invalid("a number", `1`), invalid("true", `true`), invalid("text", `hello`),
		invalid("two objects", `{"sub":"jane"}{"sub":"john"}`), invalid("trailing garbage", `{"sub":"jane"}.`),
		invalid("trailing NUL", "{\"sub\":\"jane\"}\x00"), invalid("cut off", `{"sub":"jane"`),
		invalid("two subs", `{"sub":"jane","sub":"john"}`), invalid("two subs in two cases", `{"sub":"jane","Sub":"john"}`),
		invalid("two subs, one escaped", `{"sub":"jane","s\u0075b":"john"}`), invalid("two claims nobody reads", `{"x":1,"x":1}`),
		invalid("two exps, the later one good", `{"exp":1,"exp":9999999999}`),
		invalid("broken UTF-8", "{\"sub\":\"\xc3\x28\"}"), invalid("a surrogate in UTF-8", "{\"sub\":\"\xed\xa0\x80\"}"),
		invalid("a lone NaN", `{"exp":NaN}`), invalid("hexadecimal", `{"exp":0x10}`), invalid("a leading zero", `{"exp":01}`),
		invalid("a plus", `{"exp":+1}`), invalid("a lone minus", `{"exp":-}`), invalid("infinity", `{"exp":Infinity}`),
		invalid("nested deeply", `{"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000)+`}`),
		invalid("a byte order mark", "\ufeff{}"),
	})
}
