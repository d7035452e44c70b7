package verifier

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// The references that the fuzz targets compare with are written on encoding/json
// and encoding/base64, strictly and without regard to speed.

// strictObject reads a JSON object in which no name occurs twice, letter case
// aside, and which is UTF-8.
func strictObject(text string) (map[string]string, bool) {
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	members := make(map[string]string)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, false
		}
		for other := range members {
			if strings.EqualFold(name, other) {
				return nil, false
			}
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		members[name] = string(value)
	}
	_, err := d.Token()
	return members, err == nil
}

// depth returns how deeply the JSON text is nested.
func depth(text string) int {
	d := json.NewDecoder(strings.NewReader(text))
	now, most := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			most = max(most, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}

// strictBase64 decodes base64url without padding, white space or spare bits.
func strictBase64(s string) (string, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return string(b), err == nil && !strings.ContainsAny(s, "\r\n")
}

// strictHeader tells whether a header may stand in a token at all.
func strictHeader(text string) (alg string, ok bool) {
	members, ok := strictObject(text)
	if !ok {
		return "", false
	}
	for _, name := range []string{"alg", "kid", "typ", "cty"} {
		value, present := members[name]
		var s *string
		if present && (json.Unmarshal([]byte(value), &s) != nil || s == nil) {
			return "", false
		}
		if name == "alg" && s != nil {
			alg = *s
		}
	}
	_, critical := members["crit"]
	b64, unencoded := members["b64"]
	return alg, alg != "" && !critical && (!unencoded || b64 == "true")
}

var objectSeeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":1,"b":[{},[],"",null,true,false,-0.5e+7]}`, `{"a":{"a":1,"a":2}}`, `{"a":1,"a":2}`, `{"a":1,"A":2}`,
	`{"\u0061":1,"a":2}`, `{"k":1,"` + "\u212a" + `":2}`, `{"s":1,"` + "\u017f" + `":2}`, `{"\ud800":1,"\udfff":2}`, `{"":0,"":1}`,
	`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"` + "\x00" + `"}`, `{"a" 1}`, `{"a":1,}`, `{,}`, `{"a":1}x`,
	`[]`, `null`, `"a"`, `1`, ``, `{`, "{\"\xff\":1}", "\ufeff{}", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	`{"é":1,"É":2}`, `{"ß":1,"ẞ":2}`, `{"i":1,"İ":2,"ı":3}`, `{"0":1,"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"K":1}`,
}

// FuzzObject: the scanner reads what a strict reader on encoding/json reads, and
// nothing else.
func FuzzObject(f *testing.F) {
	for _, s := range objectSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, good := strictObject(text)
		got := make(map[string]string)
		o := strictjson.New(text)
		for o.Next() {
			if _, ok := got[o.Name]; ok {
				t.Fatalf("%q: the name %q twice", text, o.Name)
			}
			got[o.Name] = o.Value
		}
		switch {
		case errors.Is(o.Err, strictjson.ErrDepth):
			if good && depth(text) <= strictjson.MaxDepth {
				t.Fatalf("%q: too deep at a depth of %d", text, depth(text))
			}
		case (o.Err == nil) != good:
			t.Fatalf("%q: error %v, and the reference says %v", text, o.Err, good)
		case good:
			if len(got) != len(want) {
				t.Fatalf("%q: members %q, want %q", text, got, want)
			}
			for name, value := range want {
				var a, b bytes.Buffer
				if json.Compact(&a, []byte(value)) != nil || json.Compact(&b, []byte(got[name])) != nil || a.String() != b.String() {
					t.Fatalf("%q: member %q is %s, want %s", text, name, got[name], value)
				}
			}
		}
	})
}

// FuzzCompact: of tokens that are signed as they are spelled, those are accepted
// that a strict reader accepts, and no others. The parts are texts to be encoded,
// or segments in whatever spelling.
func FuzzCompact(f *testing.F) {
	seedCompact(f)
	v := newVerifier(f, static(newKey(f, secret, KeyOptions{})))
	f.Fuzz(func(t *testing.T, header, payload string, spelled bool) {
		if !spelled {
			header, payload = encode(header), encode(payload)
		}
		raw := signSegments(HS256, secret, header, payload)
		token, err := v.Verify(t.Context(), raw)
		if (token == nil) == (err == nil) {
			t.Fatalf("%q: token %v and error %v", raw, token, err)
		}
		h, ok1 := strictBase64(header)
		p, ok2 := strictBase64(payload)
		if surrogate.MatchString(h) {
			return // TestHalfACharacter has these
		}
		alg, ok3 := strictHeader(h)
		_, ok4 := strictObject(p)
		good := ok1 && ok2 && ok3 && ok4
		if err == nil {
			if !good || alg != "HS256" {
				t.Fatalf("%q: accepted, and is not strict", raw)
			}
			checkAccepted(t, token, raw, p)
			return
		}
		flat := max(depth(h), depth(p)) <= strictjson.MaxDepth
		signed := alg == "HS256" && !strings.Contains(header+payload, ".")
		checkRefused(t, raw, err, good && flat, good && signed)
	})
}

// checkRefused checks the reason of a refusal: a well-formed token is not malformed, and a
// signed one has a valid signature.
func checkRefused(t *testing.T, raw string, err error, wellFormed, signed bool) {
	t.Helper()
	var u *UnauthorizedError
	switch {
	case !errors.As(err, &u) || u.Retryable:
		t.Fatalf("%q: error %v", raw, err)
	case u.Reason == ErrTokenMalformed && wellFormed:
		t.Fatalf("%q: refused as malformed, and is not: %v", raw, err)
	case u.Reason == ErrSignatureInvalid && signed:
		t.Fatalf("%q: its signature is good", raw)
	}
}

func seedCompact(f *testing.F) {
	for _, s := range objectSeeds {
		f.Add(`{"alg":"HS256"}`, s, false)
		f.Add(s, `{}`, false)
	}
	for _, h := range []string{
		`{"alg":"HS256","typ":"JWT","kid":"k"}`, `{"alg":"none"}`, `{"alg":"HS512"}`, `{"alg":"HS256","crit":["b64"],"b64":false}`, `{"alg":"HS256","b64":true}`,
		`{"alg":"HS256","kid":null}`, ` {"alg":"HS256"}`, "\n{\"alg\":\"HS256\"}", `{"ALG":"HS256"}`, `{"alg":""}`, `{"alg":"HS256","typ":"dpop+jwt"}`,
	} {
		f.Add(h, `{"sub":"jane","exp":1e300}`, false)
		f.Add(encode(h)+"=", encode(`{}`)+"\n", true)
	}
	f.Add(".", "", true)
	f.Add("eyJhbGciOiJIUzI1NiJ9", "e30.x", true)
	f.Add("eyJhbGciOiJIUzI1NiJ9", "e31", true)
}

func checkAccepted(t *testing.T, token *Token, raw, payload string) {
	t.Helper()
	if token.Raw() != raw || token.Header.Algorithm != HS256 {
		t.Fatalf("%q: token %+v", raw, token.Header)
	}
	var claims map[string]any
	if token.Claims(&claims) == nil && json.Unmarshal([]byte(payload), new(map[string]any)) != nil {
		t.Fatalf("%q: claims %v", raw, claims)
	}
}

// FuzzRaw: whatever text is presented without a secret is refused, in one of the
// ways that clients know.
func FuzzRaw(f *testing.F) {
	good := mint(HS256, `{"sub":"jane"}`)
	for _, raw := range []string{
		"", ".", "..", "...", good, good + ".", good[1:], strings.Replace(good, ".", "\n.", 1), "Bearer " + good, `{"token":"` + good + `"}`,
		withSignature(`{"alg":"none"}`, `{}`, nil), withSignature(`{"alg":"ES256"}`, `{}`, make([]byte, 64)), withSignature(`{"alg":"RS256"}`, `null`, []byte("x")),
		withSignature(`{"alg":"PS512"}`, `[]`, make([]byte, 256)), withSignature(`{"alg":"EdDSA"}`, ``, make([]byte, 64)), withSignature(`{"alg":"ES512"}`, `{}`, make([]byte, 132)),
		strings.Repeat("a", DefaultMaxTokenLength+1),
	} {
		f.Add(raw)
	}
	known := map[string]Reason{
		"jwt must be provided": ErrTokenMissing, "jwt malformed": ErrTokenMalformed, "invalid token": ErrTokenMalformed, "jwt signature is required": ErrSignatureInvalid,
		"invalid algorithm": ErrAlgorithmNotAllowed, "invalid signature": ErrSignatureInvalid, "jwt typ invalid": ErrTypeMismatch,
	}
	// A secret that no seed is signed with, and a key of each kind.
	v := newVerifier(f, static(newKey(f, []byte("some other secret, of many bytes, sixty-four of them, at least..."), KeyOptions{}),
		newKey(f, &rsaKey().PublicKey, KeyOptions{}), newKey(f, &p256Key().PublicKey, KeyOptions{}), newKey(f, &p384Key().PublicKey, KeyOptions{}),
		newKey(f, &p521Key().PublicKey, KeyOptions{}), newKey(f, edKey().Public(), KeyOptions{})))
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := v.Verify(t.Context(), raw)
		var u *UnauthorizedError
		if token != nil || !errors.As(err, &u) {
			t.Fatalf("%q: token %v, error %v", raw, token, err)
		}
		reason, ok := known[u.Message]
		if u.Reason == ErrTokenTooLong {
			ok, reason = u.Message == "jwt malformed" && len(raw) > DefaultMaxTokenLength, ErrTokenTooLong
		}
		if !ok || u.Reason != reason || u.Code != CodeInvalidToken || u.Retryable {
			t.Fatalf("%q: %#v", raw, u)
		}
	})
}

// FuzzHandshake: whatever a handshake carries, the token that is found is one
// that it presented, and an error is one that clients know.
func FuzzHandshake(f *testing.F) {
	f.Add("Bearer x.y.z", "a=b; token=x.y.z", "token=x.y.z", `{"token":"x.y.z"}`, false)
	f.Add("bearer  x", `token="x"; token=y`, "token=x&token=y", `{"token":{"token":1}}`, true)
	f.Add("", "", "", `[]`, true)
	f.Add("Basic x", "token", "%zz&token", `{"token":"bearer x"}`, false)
	f.Add("Bearer", "=;;=", ";", `"x"`, true)
	f.Add("\x00 \xff", "token=\x00", "token=%00", `{"token":null,"Token":"x"}`, true)
	e := OneOf(DefaultExtractor(), Cookie("token"))
	f.Fuzz(func(t *testing.T, authorization, cookie, rawQuery, auth string, inBand bool) {
		h := &Handshake{Header: http.Header{"Authorization": {authorization}, "Cookie": {cookie}}, InBand: inBand}
		h.Query, _ = url.ParseQuery(rawQuery)
		if d := json.NewDecoder(strings.NewReader(auth)); d.Decode(&h.Auth) != nil && auth != "" {
			h.Auth = auth
		}
		token, err := e.Extract(t.Context(), h)
		if err != nil {
			u := AsUnauthorized(err)
			if token != "" || u.Code != CodeCredentialsBadFormat && u.Code != CodeInvalidToken || u.Retryable {
				t.Fatalf("token %q and error %#v", token, err)
			}
			return
		}
		if token == "" {
			return
		}
		if !presents(h, token) {
			t.Fatalf("found %q, which nobody presented", token)
		}
		if v := newVerifier(t, static(), WithExtractor(e)); len(token) < 100 {
			if _, err := v.Authenticate(t.Context(), h); err == nil {
				t.Fatal("accepted without a key")
			}
		}
	})
}

// presents reports whether the handshake has the token in one of the places.
func presents(h *Handshake, token string) bool {
	object, _ := h.Auth.(map[string]any)
	payload, _ := object["token"].(string)
	if strings.HasSuffix(payload, token) || strings.Contains(h.Header.Get("Cookie"), token) {
		return true
	}
	return !h.InBand && (h.Query.Get("token") == token || strings.HasSuffix(h.Header.Get("Authorization"), " "+token))
}

// FuzzAuthenticate: the argument of an authenticate event is a string under
// token, or is refused.
func FuzzAuthenticate(f *testing.F) {
	for _, s := range []string{
		`{"token":"x.y.z"}`, `{"token":"Bearer x.y.z"}`, `{"token":""}`, `{"token":null}`, `{"token":1}`, `{"token":["x"]}`, `{"token":{"token":"x"}}`,
		`{}`, `[]`, `["token","x"]`, `"x"`, `1`, `true`, `null`, ``, `{"Token":"x"}`, `{"token":"x","token":1}`, `{"token":"\u0000\ud800"}`, `{"token":"bearer "}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := &Handshake{InBand: true}
		if json.Unmarshal([]byte(text), &h.Auth) != nil {
			return
		}
		token, err := AuthPayload("token").Extract(t.Context(), h)
		checkPayload(t, text, h, token, err)
	})
}

// checkPayload compares what the extractor returned with what the payload has.
func checkPayload(t *testing.T, text string, h *Handshake, token string, err error) {
	t.Helper()
	object, isObject := h.Auth.(map[string]any)
	value := object["token"]
	s, isString := value.(string)
	switch {
	case h.Auth == nil || isObject && value == nil:
		if token != "" || err != nil {
			t.Fatalf("%q: %q, %v: there is nothing", text, token, err)
		}
	case isString && s != "":
		if err != nil || !isTokenOf(s, token) {
			t.Fatalf("%q: %q, %v", text, token, err)
		}
	default:
		want := "invalid token datatype"
		if isString {
			want = "jwt must be provided"
		}
		if u := AsUnauthorized(err); token != "" || u == nil || u.Message != want || u.Code != CodeInvalidToken {
			t.Fatalf("%q: %q, %v", text, token, err)
		}
	}
}

// isTokenOf reports whether a value is the token, with or without "Bearer ".
func isTokenOf(value, token string) bool {
	scheme, found := strings.CutSuffix(value, token)
	return token != "" && found && (scheme == "" || strings.EqualFold(scheme, "bearer "))
}

// FuzzDates: a date is what a float64 of the same text is, within the years that
// time holds.
func FuzzDates(f *testing.F) {
	for _, s := range []string{"0", "-0", "1", "-1", "1.5", "1e300", "1e-300", "-1e300", "1e999", "99999999999999999999", "253402300799", "253402300800", "1700000000.999999999", `"1"`, "null", "true", "[]", "{}", "0.1e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		var value any
		d.UseNumber()
		if d.Decode(&value) != nil || strings.TrimSpace(text) != text {
			return
		}
		if _, err := d.Token(); err != io.EOF {
			return
		}
		got, fault := numericDate(text)
		n, isNumber := value.(json.Number)
		if (fault != dateType) != isNumber {
			t.Fatalf("%s: a date is %v", text, fault)
		}
		want, _ := n.Float64() // ±Inf out of range
		if fault == dateFar && want <= maxDate || fault == dateGood && want > maxDate+1 {
			t.Fatalf("%s: a date is %v", text, fault)
		}
		if fault != dateGood {
			return
		}
		want = max(want, 0)
		if diff := float64(got.Unix()) - want; got.IsZero() || diff > 1 || diff < -1 {
			t.Fatalf("%s is %v, want %v seconds", text, got, want)
		}
	})
}
