package verifier

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The claim checks: jsonwebtoken's, in its order and with its messages. now is
// 1700000000.

// verdict verifies the claims with the options.
func verdict(t *testing.T, claims string, options ...Option) error {
	t.Helper()
	_, err := newVerifier(t, keyFor(t, HS256), options...).Verify(context.Background(), mint(HS256, claims))
	return err
}

func TestDates(t *testing.T) {
	tolerance, none := ClockTolerance(10*time.Second), ClockTolerance(0)
	for _, row := range []struct {
		name    string
		claims  string
		options []Option
		reason  Reason
		message string
	}{
		// exp is exclusive.
		{"exp a second ahead", `{"exp":1700000001}`, nil, "", ""},
		{"exp now", `{"exp":1700000000}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp a fraction ahead", `{"exp":1700000000.5}`, nil, "", ""},
		{"exp a fraction ago", `{"exp":1699999999.999}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp by the exponent", `{"exp":1.700000001e9}`, nil, "", ""},
		{"exp within the tolerance", `{"exp":1699999991}`, []Option{tolerance}, "", ""},
		{"exp at the tolerance's end", `{"exp":1699999990}`, []Option{tolerance}, ErrTokenExpired, "jwt expired"},
		{"exp ignored", `{"exp":1}`, []Option{IgnoreExpiration()}, "", ""},
		{"exp of any type ignored", `{"exp":"x"}`, []Option{IgnoreExpiration()}, "", ""},
		{"exp zero", `{"exp":0}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp minus zero", `{"exp":-0}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp negative", `{"exp":-1}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp very negative", `{"exp":-1e300}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp tiny", `{"exp":1e-300}`, nil, ErrTokenExpired, "jwt expired"},
		{"exp that would wrap to a date", `{"exp":18446744075409551617}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp huge", `{"exp":1e300}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp beyond a float", `{"exp":1e999}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp beyond an int64", `{"exp":99999999999999999999}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp at the end of an int64", `{"exp":9223372036854775807}`, []Option{ClockTolerance(time.Hour)}, ErrClaimInvalid, "invalid exp value"},
		{"exp a string", `{"exp":"1700000001"}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp null", `{"exp":null}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp true", `{"exp":true}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp a list", `{"exp":[1700000001]}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp an object", `{"exp":{"$date":1}}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"exp in milliseconds", `{"exp":1700000001000}`, nil, ErrClaimInvalid, "invalid exp value"},

		// nbf is inclusive.
		{"nbf now", `{"nbf":1700000000}`, nil, "", ""},
		{"nbf a second ahead", `{"nbf":1700000001}`, []Option{none}, ErrTokenNotActive, "jwt not active"},
		{"nbf a fraction ahead", `{"nbf":1700000000.001}`, []Option{none}, ErrTokenNotActive, "jwt not active"},
		{"FaultsC5 nbf at the default tolerance's end", `{"nbf":1700000005}`, nil, "", ""},
		{"FaultsC5 nbf beyond the default tolerance", `{"nbf":1700000005.001}`, nil, ErrTokenNotActive, "jwt not active"},
		{"FaultsC5 exp has no default tolerance", `{"exp":1699999999.999}`, nil, ErrTokenExpired, "jwt expired"},
		{"FaultsC1 nbf in milliseconds", `{"nbf":1700000001000}`, nil, ErrClaimInvalid, "invalid nbf value"},
		{"nbf at the tolerance's end", `{"nbf":1700000010}`, []Option{tolerance}, "", ""},
		{"nbf beyond the tolerance", `{"nbf":1700000011}`, []Option{tolerance}, ErrTokenNotActive, "jwt not active"},
		{"nbf ignored", `{"nbf":1e300}`, []Option{IgnoreNotBefore()}, "", ""},
		{"nbf of any type ignored", `{"nbf":"x"}`, []Option{IgnoreNotBefore()}, "", ""},
		{"nbf negative", `{"nbf":-1}`, nil, "", ""},
		{"nbf huge", `{"nbf":1e300}`, nil, ErrClaimInvalid, "invalid nbf value"},
		{"nbf a string", `{"nbf":"0"}`, nil, ErrClaimInvalid, "invalid nbf value"},
		{"nbf null", `{"nbf":null}`, nil, ErrClaimInvalid, "invalid nbf value"},

		// A token is as old as its iat says.
		{"age short of the maximum", `{"iat":1699999941}`, []Option{MaxAge(time.Minute)}, "", ""},
		{"age at the maximum", `{"iat":1699999940}`, []Option{MaxAge(time.Minute)}, ErrMaxAgeExceeded, "maxAge exceeded"},
		{"age within the tolerance", `{"iat":1699999931}`, []Option{MaxAge(time.Minute), tolerance}, "", ""},
		{"age at the tolerance's end", `{"iat":1699999930}`, []Option{MaxAge(time.Minute), tolerance}, ErrMaxAgeExceeded, "maxAge exceeded"},
		{"age fractional", `{"iat":1699999940.5}`, []Option{MaxAge(time.Minute)}, "", ""},
		{"age below a second", `{"iat":1699999999.8}`, []Option{MaxAge(100 * time.Millisecond)}, ErrMaxAgeExceeded, "maxAge exceeded"},
		{"FaultsC2 issued ahead", `{"iat":1700009999}`, []Option{MaxAge(time.Minute)}, ErrTokenNotActive, "jwt not active"},
		{"FaultsC2 issued ahead, within the default tolerance", `{"iat":1700000005}`, []Option{MaxAge(time.Minute)}, "", ""},
		{"FaultsC2 issued ahead, beyond the default tolerance", `{"iat":1700000006}`, []Option{MaxAge(time.Minute)}, ErrTokenNotActive, "jwt not active"},
		{"FaultsC2 issued ahead, within the tolerance", `{"iat":1700000010}`, []Option{MaxAge(time.Minute), tolerance}, "", ""},
		{"FaultsC2 issued ahead, beyond the tolerance", `{"iat":1700000011}`, []Option{tolerance, MaxAge(time.Minute)}, ErrTokenNotActive, "jwt not active"},
		{"FaultsC2 issued ahead, no tolerance", `{"iat":1700000001}`, []Option{none, MaxAge(time.Minute)}, ErrTokenNotActive, "jwt not active"},
		{"FaultsC2 in milliseconds, with a maximum", `{"iat":1700000000000}`, []Option{MaxAge(time.Minute)}, ErrClaimInvalid, "invalid iat value"},
		{"FaultsC1 iat in milliseconds", `{"iat":1700000000000}`, nil, ErrClaimInvalid, "invalid iat value"},
		{"FaultsC1 iat in milliseconds, with a fraction", `{"iat":1700000000000.5}`, nil, ErrClaimInvalid, "invalid iat value"},
		{"FaultsC1 iat in nanoseconds", `{"iat":1700000000000000000}`, nil, ErrClaimInvalid, "invalid iat value"},
		{"FaultsC1 the last date", `{"iat":1700000000,"exp":253402300799}`, nil, "", ""},
		{"FaultsC1 the last date by the exponent", `{"exp":2.53402300799e11}`, nil, "", ""},
		{"FaultsC1 behind the last date", `{"exp":253402300800}`, nil, ErrClaimInvalid, "invalid exp value"},
		{"no iat", `{}`, []Option{MaxAge(time.Minute)}, ErrClaimInvalid, "iat required when maxAge is specified"},
		{"iat null", `{"iat":null}`, []Option{MaxAge(time.Minute)}, ErrClaimInvalid, "iat required when maxAge is specified"},
		{"iat a string", `{"iat":"1699999999"}`, []Option{MaxAge(time.Minute)}, ErrClaimInvalid, "iat required when maxAge is specified"},
		{"iat negative", `{"iat":-1}`, []Option{MaxAge(time.Minute)}, ErrMaxAgeExceeded, "maxAge exceeded"},
		{"age of a long life", `{"iat":1}`, []Option{MaxAge(1<<63 - 1)}, "", ""},
		{"iat a string, without a maximum", `{"iat":"1699999999"}`, nil, ErrClaimInvalid, "invalid iat value"},

		{"none at all", `{}`, nil, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantRefusal(t, verdict(t, row.claims, row.options...), row.reason, row.message)
		})
	}
}

func TestAudience(t *testing.T) {
	two := Audience("a", "b")
	pattern := AudienceMatching(regexp.MustCompile(`^https://[a-z]+\.example$`))
	const shown = "jwt audience invalid. expected: a or b"
	const shownPattern = `jwt audience invalid. expected: /^https://[a-z]+\.example$/`
	for _, row := range []struct {
		name    string
		claims  string
		option  Option
		message string // "" if accepted
	}{
		{"the first", `{"aud":"a"}`, two, ""},
		{"the second", `{"aud":"b"}`, two, ""},
		{"in a list", `{"aud":["x","b"]}`, two, ""},
		{"in a list of one", `{"aud":["b"]}`, two, ""},
		{"escaped in a list", `{"aud":["\u0062"]}`, two, ""},
		{"another", `{"aud":"c"}`, two, shown},
		{"others", `{"aud":["c","d"]}`, two, shown},
		{"a part of one", `{"aud":"aa"}`, two, shown},
		{"in another case", `{"aud":"A"}`, two, shown},
		{"both in one string", `{"aud":"a b"}`, two, shown},
		{"none", `{}`, two, shown},
		{"null", `{"aud":null}`, two, shown},
		{"an empty list", `{"aud":[]}`, two, shown},
		{"an empty string", `{"aud":""}`, two, shown},
		{"a number", `{"aud":1}`, two, shown},
		{"an object", `{"aud":{"a":"a"}}`, two, shown},
		{"a list with a number in it", `{"aud":["a",1]}`, two, shown},
		{"a list with null in it", `{"aud":["a",null]}`, two, shown},
		{"a list of lists", `{"aud":[["a"]]}`, two, shown},
		{"only one", `{"aud":"x"}`, Audience("a"), "jwt audience invalid. expected: a"},
		{"by pattern", `{"aud":"https://chat.example"}`, pattern, ""},
		{"by pattern in a list", `{"aud":["x","https://chat.example"]}`, pattern, ""},
		{"pattern and a line more", `{"aud":"https://chat.example\n"}`, pattern, shownPattern},
		{"pattern within", `{"aud":"https://chat.example.evil.test"}`, pattern, shownPattern},
		{"pattern, none", `{}`, AudienceMatching(regexp.MustCompile(`^.*$`)), "jwt audience invalid. expected: /^.*$/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			reason := ErrAudienceMismatch
			if row.message == "" {
				reason = ""
			}
			wantRefusal(t, verdict(t, row.claims, row.option), reason, row.message)
		})
	}
	t.Run("a pattern gives the same answer every time", func(t *testing.T) {
		for range 3 {
			wantRefusal(t, verdict(t, `{"aud":"https://chat.example"}`, pattern), "", "")
		}
	})
}

func TestExpectations(t *testing.T) {
	pattern := IssuerMatching(regexp.MustCompile(`^https://[a-z]+\.example/$`))
	for _, row := range []struct {
		name    string
		claims  string
		option  Option
		reason  Reason
		message string
	}{
		{"issuer", `{"iss":"i"}`, Issuer("i"), "", ""},
		{"issuer, one of two", `{"iss":"j"}`, Issuer("i", "j"), "", ""},
		{"issuer, neither of two", `{"iss":"k"}`, Issuer("i", "j"), ErrIssuerMismatch, "jwt issuer invalid. expected: i,j"},
		{"issuer, another", `{"iss":"j"}`, Issuer("i"), ErrIssuerMismatch, "jwt issuer invalid. expected: i"},
		{"issuer, a slash more", `{"iss":"https://a.example"}`, Issuer("https://a.example/"), ErrIssuerMismatch, "jwt issuer invalid. expected: https://a.example/"},
		{"issuer, none", `{}`, Issuer("i"), ErrIssuerMismatch, "jwt issuer invalid. expected: i"},
		{"issuer, null", `{"iss":null}`, Issuer("i"), ErrIssuerMismatch, "jwt issuer invalid. expected: i"},
		{"issuer, a list", `{"iss":["i"]}`, Issuer("i"), ErrIssuerMismatch, "jwt issuer invalid. expected: i"},
		{"issuer, a number", `{"iss":1}`, Issuer("1"), ErrIssuerMismatch, "jwt issuer invalid. expected: 1"},
		{"issuer by pattern", `{"iss":"https://a.example/"}`, pattern, "", ""},
		{"issuer by pattern, within", `{"iss":"https://a.example/.evil.test/"}`, pattern, ErrIssuerMismatch, `jwt issuer invalid. expected: /^https://[a-z]+\.example/$/`},
		{"issuer by pattern, none", `{}`, IssuerMatching(regexp.MustCompile(`^.*$`)), ErrIssuerMismatch, "jwt issuer invalid. expected: /^.*$/"},

		{"subject", `{"sub":"s"}`, Subject("s"), "", ""},
		{"subject, a number", `{"sub":17}`, Subject("17"), "", ""},
		{"subject, another", `{"sub":"t"}`, Subject("s"), ErrSubjectMismatch, "jwt subject invalid. expected: s"},
		{"subject, none", `{}`, Subject("s"), ErrSubjectMismatch, "jwt subject invalid. expected: s"},
		{"subject, a list", `{"sub":["s"]}`, Subject("s"), ErrSubjectMismatch, "jwt subject invalid. expected: s"},

		{"jti", `{"jti":"j"}`, TokenID("j"), "", ""},
		{"jti, another", `{"jti":"k"}`, TokenID("j"), ErrTokenIDMismatch, "jwt jwtid invalid. expected: j"},
		{"jti, none", `{}`, TokenID("j"), ErrTokenIDMismatch, "jwt jwtid invalid. expected: j"},

		{"nonce", `{"nonce":"n"}`, Nonce("n"), "", ""},
		{"nonce, another", `{"nonce":"m"}`, Nonce("n"), ErrNonceMismatch, "jwt nonce invalid. expected: n"},
		{"nonce, none", `{}`, Nonce("n"), ErrNonceMismatch, "jwt nonce invalid. expected: n"},
		{"nonce, a number", `{"nonce":1}`, Nonce("1"), ErrNonceMismatch, "jwt nonce invalid. expected: 1"},

		// A registered claim of the wrong type is refused though nobody asks for it.
		{"iss a number", `{"iss":1}`, nil, ErrClaimInvalid, "invalid iss value"},
		{"aud a number", `{"aud":1}`, nil, ErrClaimInvalid, "invalid aud value"},
		{"aud a list with a number", `{"aud":["a",1]}`, nil, ErrClaimInvalid, "invalid aud value"},
		{"sub a list", `{"sub":[]}`, nil, ErrClaimInvalid, "invalid sub value"},
		{"sub true", `{"sub":true}`, nil, ErrClaimInvalid, "invalid sub value"},
		{"jti an object", `{"jti":{}}`, nil, ErrClaimInvalid, "invalid jti value"},
		{"iat a string", `{"iat":"now"}`, nil, ErrClaimInvalid, "invalid iat value"},
		{"the first of two is named", `{"sub":[],"iss":1}`, nil, ErrClaimInvalid, "invalid sub value"},
		{"null is absent", `{"iss":null,"aud":null,"sub":null,"jti":null,"nonce":null}`, nil, "", ""},
		{"numbers", `{"sub":-17.50,"jti":1e3}`, nil, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var options []Option
			if row.option != nil {
				options = append(options, row.option)
			}
			wantRefusal(t, verdict(t, row.claims, options...), row.reason, row.message)
		})
	}
}

// TestOrder: of several faults the one is reported that jsonwebtoken would.
func TestOrder(t *testing.T) {
	var asked []string
	validator := func(name string) Option {
		return Validate(ClaimValidatorFunc(func(context.Context, *Token, *Handshake) error {
			asked = append(asked, name)
			return refuse("test", name, nil)
		}))
	}
	options := []Option{
		validator("the validator"), MaxAge(time.Minute), Nonce("n"), TokenID("j"), Subject("s"), Issuer("i"), Audience("a"), validator("the second"),
	}
	// Each row mends the fault of the one before.
	faults := []struct{ claim, message string }{
		{`"nbf":"x"`, "invalid nbf value"},
		{`"nbf":1700000060`, "jwt not active"},
		{`"exp":"x"`, "invalid exp value"},
		{`"exp":1`, "jwt expired"},
		{`"aud":"x"`, "jwt audience invalid. expected: a"},
		{`"iss":"x"`, "jwt issuer invalid. expected: i"},
		{`"sub":"x"`, "jwt subject invalid. expected: s"},
		{`"jti":"x"`, "jwt jwtid invalid. expected: j"},
		{`"nonce":"x"`, "jwt nonce invalid. expected: n"},
		{`"iat":"x"`, "iat required when maxAge is specified"},
		{`"iat":1`, "maxAge exceeded"},
		{``, "the validator"},
	}
	good := map[string]string{
		"nbf": "1", "exp": "1700000001", "aud": `"a"`, "iss": `"i"`, "sub": `"s"`, "jti": `"j"`, "nonce": `"n"`, "iat": "1700000000",
	}
	for i, fault := range faults {
		t.Run(fault.message, func(t *testing.T) {
			claims := make(map[string]string)
			for _, f := range faults[i:] {
				if name, _, ok := strings.Cut(f.claim, ":"); ok && claims[name] == "" {
					claims[name] = f.claim
				}
			}
			var list []string
			// The order of the members must not matter: the last fault comes first.
			for _, name := range []string{"iat", "nonce", "jti", "sub", "iss", "aud", "exp", "nbf"} {
				if c := claims[fmt.Sprintf("%q", name)]; c != "" {
					list = append(list, c)
				} else {
					list = append(list, fmt.Sprintf("%q:%s", name, good[name]))
				}
			}
			asked = nil
			err := AsUnauthorized(verdict(t, "{"+strings.Join(list, ",")+"}", options...))
			if err == nil || err.Message != fault.message {
				t.Errorf("got %v, want %s", err, fault.message)
			}
			if last := i == len(faults)-1; last != (len(asked) == 1) {
				t.Errorf("validators asked: %q", asked)
			}
		})
	}

	// Before the claims: form, signature present, algorithm, keys, signature.
	t.Run("before the claims", func(t *testing.T) {
		var asked int
		none := KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { asked++; return nil, nil })
		v := newVerifier(t, none, Algorithms(HS256))
		expired := `{"exp":1}`
		rows := []attack{
			{"form", "x", ErrTokenMalformed, "jwt malformed"},
			{"encoding", "x.y.", ErrTokenMalformed, "invalid token"},
			{"header before signature", encode(`{"alg":"none","crit":[]}`) + "." + encode(expired) + ".", ErrTokenMalformed, "invalid token"},
			{"signature before algorithm", encode(`{"alg":"none"}`) + "." + encode(expired) + ".", ErrSignatureInvalid, "jwt signature is required"},
			{"algorithm before keys", mint(RS256, expired), ErrAlgorithmNotAllowed, "invalid algorithm"},
		}
		runAttacks(t, v, rows)
		if asked != 0 {
			t.Errorf("keys were asked for %d times", asked)
		}
		_, err := v.Verify(t.Context(), mint(HS256, expired))
		wantRefusal(t, err, ErrKeyNotFound, "secret or public key must be provided")
		runAttacks(t, newVerifier(t, static(newKey(t, append([]byte("x"), secret...), KeyOptions{}))), []attack{
			{"signature before claims", mint(HS256, expired), ErrSignatureInvalid, "invalid signature"},
			{"signature before the payload's form", mint(HS256, `null`), ErrSignatureInvalid, "invalid signature"},
		})
	})
}
