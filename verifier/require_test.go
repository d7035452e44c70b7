package verifier

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRequire(t *testing.T) {
	verifyAll := regexp.MustCompile(`^[a-z]+@example\.com$`)
	for _, row := range []struct {
		name    string
		option  Option
		claims  string
		reason  Reason // "" if accepted
		message string
	}{
		{"exp", RequireExpiration(), `{"exp":1700000001}`, "", ""},
		{"no exp", RequireExpiration(), `{}`, ErrClaimInvalid, "claim required: exp"},
		{"exp null", RequireExpiration(), `{"exp":null}`, ErrClaimInvalid, "invalid exp value"},
		{"claims", RequireClaims("a", "b"), `{"a":0,"b":false}`, "", ""},
		{"the second claim", RequireClaims("a", "b"), `{"a":0}`, ErrClaimInvalid, "claim required: b"},
		{"a claim null", RequireClaims("a"), `{"a":null}`, ErrClaimInvalid, "claim required: a"},
		{"a claim empty", RequireClaims("a"), `{"a":""}`, ErrClaimInvalid, "claim required: a"},
		{"a claim in another case", RequireClaims("a"), `{"A":1}`, ErrClaimInvalid, "claim required: a"},

		{"issuer by function", IssuerFunc(func(s string) bool { return s == "i" }), `{"iss":"i"}`, "", ""},
		{"another issuer", IssuerFunc(func(s string) bool { return s == "i" }), `{"iss":"j"}`, ErrIssuerMismatch, "jwt issuer invalid. expected: one that the server knows"},
		{"no issuer", IssuerFunc(func(string) bool { return true }), `{}`, ErrIssuerMismatch, "jwt issuer invalid. expected: one that the server knows"},
		{"audience by function", AudienceFunc(func(s string) bool { return s == "a" }), `{"aud":["b","a"]}`, "", ""},
		{"another audience", AudienceFunc(func(s string) bool { return s == "a" }), `{"aud":"b"}`, ErrAudienceMismatch, "jwt audience invalid. expected: one that the server knows"},
		{"no audience", AudienceFunc(func(string) bool { return true }), `{}`, ErrAudienceMismatch, "jwt audience invalid. expected: one that the server knows"},
		{"no audience in the list", AudienceFunc(func(string) bool { return true }), `{"aud":[]}`, ErrAudienceMismatch, "jwt audience invalid. expected: one that the server knows"},

		{"equals a string", ClaimEquals("c", "x"), `{"c":"x"}`, "", ""},
		{"equals another string", ClaimEquals("c", "x"), `{"c":"X"}`, ErrClaimMismatch, "jwt c invalid"},
		{"equals nothing", ClaimEquals("c", ""), `{}`, ErrClaimMismatch, "jwt c invalid"},
		{"equals null", ClaimEquals("c", ""), `{"c":null}`, ErrClaimMismatch, "jwt c invalid"},
		{"equals an escape", ClaimEquals("c", "x"), `{"c":"\u0078"}`, "", ""},
		{"equals true", ClaimEquals("c", true), `{"c":true}`, "", ""},
		{"true is not a string", ClaimEquals("c", true), `{"c":"true"}`, ErrClaimMismatch, "jwt c invalid"},
		{"true is not 1", ClaimEquals("c", true), `{"c":1}`, ErrClaimMismatch, "jwt c invalid"},
		{"false is not absent", ClaimEquals("c", false), `{}`, ErrClaimMismatch, "jwt c invalid"},
		{"equals a number", ClaimEquals("c", 7), `{"c":7}`, "", ""},
		{"a number is not a string", ClaimEquals("c", 7), `{"c":"7"}`, ErrClaimMismatch, "jwt c invalid"},
		{"a large number", ClaimEquals("c", int64(9007199254740993)), `{"c":9007199254740992}`, ErrClaimMismatch, "jwt c invalid"},
		{"in another case", ClaimEquals("c", "x"), `{"C":"x"}`, ErrClaimMismatch, "jwt c invalid"},

		{"includes one", ClaimIncludes("c", "x"), `{"c":["y","x"]}`, "", ""},
		{"includes the string", ClaimIncludes("c", "x"), `{"c":"x"}`, "", ""},
		{"includes two", ClaimIncludes("c", "x", "y"), `{"c":["y","x"]}`, "", ""},
		{"includes one of two", ClaimIncludes("c", "x", "y"), `{"c":["y"]}`, ErrClaimMismatch, "jwt c invalid"},
		{"includes a part", ClaimIncludes("c", "x"), `{"c":"x y"}`, ErrClaimMismatch, "jwt c invalid"},
		{"includes among numbers", ClaimIncludes("c", "1"), `{"c":[1]}`, ErrClaimMismatch, "jwt c invalid"},
		{"includes in a mixed list", ClaimIncludes("c", "x"), `{"c":["x",1]}`, ErrClaimMismatch, "jwt c invalid"},
		{"includes in an object", ClaimIncludes("c", "x"), `{"c":{"x":1}}`, ErrClaimMismatch, "jwt c invalid"},

		{"matches", ClaimMatches("c", verifyAll), `{"c":"jane@example.com"}`, "", ""},
		{"matches a part", ClaimMatches("c", verifyAll), `{"c":"jane@example.com.evil.test"}`, ErrClaimMismatch, "jwt c invalid"},
		{"matches a number", ClaimMatches("c", regexp.MustCompile(`^.*$`)), `{"c":7}`, ErrClaimMismatch, "jwt c invalid"},
		{"matches nothing", ClaimMatches("c", regexp.MustCompile(`^.*$`)), `{}`, ErrClaimMismatch, "jwt c invalid"},

		{"scope", RequireScope("a", "b"), `{"scope":"b c a"}`, "", ""},
		{"scope as a list", RequireScope("a", "b"), `{"scope":["b","a"]}`, "", ""},
		{"scope lacking", RequireScope("a", "b"), `{"scope":"a ab bb"}`, ErrScopeMismatch, "insufficient scope"},
		{"no scope", RequireScope("a"), `{}`, ErrScopeMismatch, "insufficient scope"},
		{"scope in another case", RequireScope("a"), `{"scope":"A"}`, ErrScopeMismatch, "insufficient scope"},
		{"scope of another type", RequireScope("a"), `{"scope":{"a":true}}`, ErrScopeMismatch, "insufficient scope"},
		{"any scope", RequireAnyScope("a", "b"), `{"scope":"c b"}`, "", ""},
		{"no such scope", RequireAnyScope("a", "b"), `{"scope":"c"}`, ErrScopeMismatch, "insufficient scope"},
		{"scp of Azure", RequireScope("a"), `{"scp":"b a"}`, "", ""},
		{"scp of Okta", RequireScope("a"), `{"scp":["b","a"]}`, "", ""},
		{"scp beside scope", RequireScope("a"), `{"scope":"b","scp":"a"}`, ErrScopeMismatch, "insufficient scope"},
		{"permission", RequirePermission("a", "b"), `{"permissions":["b","a"]}`, "", ""},
		{"permission lacking", RequirePermission("a", "b"), `{"permissions":["a"]}`, ErrScopeMismatch, "insufficient permissions"},
		{"any permission", RequireAnyPermission("a", "b"), `{"permissions":["b"]}`, "", ""},
		{"no such permission", RequireAnyPermission("a", "b"), `{"permissions":["c"]}`, ErrScopeMismatch, "insufficient permissions"},
		{"permission in scope", RequireAnyPermission("a"), `{"scope":"a"}`, ErrScopeMismatch, "insufficient permissions"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := newVerifier(t, keyFor(t, HS256), row.option).Verify(context.Background(), mint(HS256, row.claims))
			wantRefusal(t, err, row.reason, row.message)
		})
	}
}

// TestRequireMisconfigured: an invalid option fails in the constructor, and
// says which option it was.
func TestRequireMisconfigured(t *testing.T) {
	unanchored := regexp.MustCompile(`example\.com`)
	for word, option := range map[string]Option{
		"RequireClaims needs":        RequireClaims(),
		"RequireClaims: a value":     RequireClaims("a", ""),
		"IssuerFunc":                 IssuerFunc(nil),
		"AudienceFunc":               AudienceFunc(nil),
		"ClaimEquals":                ClaimEquals("", 1),
		"ClaimIncludes: the name":    ClaimIncludes("", "x"),
		"ClaimIncludes needs":        ClaimIncludes("c"),
		"ClaimMatches: the name":     ClaimMatches("", regexp.MustCompile(`^a$`)),
		"ClaimMatches: the pattern ": ClaimMatches("c", unanchored),
		"ClaimMatches: the pattern":  ClaimMatches("c", nil),
		"RequireScope needs":         RequireScope(),
		"RequireAnyScope: a value":   RequireAnyScope(""),
		"RequirePermission needs":    RequirePermission(),
		"RequireAnyPermission needs": RequireAnyPermission(),
	} {
		if _, err := New(keyFor(t, HS256), option); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error that names %s", err, word)
		}
	}
}

func TestAccessTokenProfile(t *testing.T) {
	all := map[string]string{
		"iss": `"i"`, "exp": "1700000600", "aud": `"a"`, "sub": `"s"`, "client_id": `"c"`, "iat": "1700000000", "jti": `"j"`,
	}
	claims := func(without string) string {
		var members []string
		for name, value := range all {
			if name != without {
				members = append(members, fmt.Sprintf("%q:%s", name, value))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	v := newVerifier(t, keyFor(t, ES256), AccessTokenProfile(), Issuer("i"), Audience("a"))
	verify := func(typ, claims string) error {
		_, err := v.Verify(context.Background(), mintWith(ES256, p256Key(), `{"alg":"ES256"`+typ+`}`, claims))
		return err
	}
	for _, typ := range []string{"at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"} {
		wantRefusal(t, verify(`,"typ":"`+typ+`"`, claims("")), "", "")
	}
	for _, typ := range []string{"", `,"typ":"JWT"`, `,"typ":"dpop+jwt"`, `,"typ":"id+jwt"`} {
		wantRefusal(t, verify(typ, claims("")), ErrTypeMismatch, "jwt typ invalid")
	}
	for name := range all {
		reason, message := ErrClaimInvalid, "claim required: "+name
		switch name {
		case "iss":
			reason, message = ErrIssuerMismatch, "jwt issuer invalid. expected: i"
		case "aud":
			reason, message = ErrAudienceMismatch, "jwt audience invalid. expected: a"
		}
		wantRefusal(t, verify(`,"typ":"at+jwt"`, claims(name)), reason, message)
	}
	for _, options := range [][]Option{{AccessTokenProfile()}, {AccessTokenProfile(), Issuer("i")}, {Audience("a"), AccessTokenProfile()}} {
		if _, err := New(keyFor(t, ES256), options...); err == nil {
			t.Error("the profile is accepted without issuer and audience")
		}
	}
}

// TestRFC9068 has the example of RFC 9068 §2.2, signed by a key of ours.
func TestRFC9068(t *testing.T) {
	const (
		header = `{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}`
		claims = `{"iss": "https://authorization-server.example.com/","sub": "5ba552d67","aud": "https://rs.example.com/",` +
			`"exp": 1639528912,"iat": 1618354090,"jti" : "dbe39bf3a3ba4238a513f51d6e1691c4","client_id": "s6BhdRkqt3","scope": "openid profile reademail"}`
	)
	v := newVerifier(t, keyFor(t, RS256), AccessTokenProfile(), Issuer("https://authorization-server.example.com/"),
		Audience("https://rs.example.com/"), RequireScope("profile"), WithClock(func() time.Time { return time.Unix(1639528911, 0) }))
	token, err := v.Verify(context.Background(), mintWith(RS256, rsaKey(), header, claims))
	if err != nil || !slices.Equal(token.Scopes(), []string{"openid", "profile", "reademail"}) {
		t.Errorf("got %v, %v", token, err)
	}
}

func TestScopes(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	for claims, want := range map[string][]string{
		`{"scope":"a  b "}`:            {"a", "b"},
		`{"scope":["a","b c"]}`:        {"a", "b c"},
		`{"scope":null,"scp":"a"}`:     {"a"},
		`{"scope":"","scp":"a"}`:       nil,
		`{"scope":7}`:                  nil,
		`{}`:                           nil,
		`{"scope":"\u0061 \u0062"}`:    {"a", "b"},
		`{"scp":["a"],"Scope_":["b"]}`: {"a"},
	} {
		token, err := v.Verify(context.Background(), mint(HS256, claims))
		if err != nil {
			t.Fatal(err)
		}
		if got := token.Scopes(); !slices.Equal(got, want) {
			t.Errorf("the scopes of %s are %q, want %q", claims, got, want)
		}
	}
}

func TestNewOpaque(t *testing.T) {
	known := map[string]string{
		"good":       `{"active":true,"sub":"s","iss":"i","aud":"a","exp":1700000600,"scope":"x"}`,
		"expired":    `{"active":true,"sub":"s","iss":"i","aud":"a","exp":1700000000}`,
		"elsewhere":  `{"active":true,"sub":"s","iss":"i","aud":"b","exp":1700000600}`,
		"bound":      `{"active":true,"iss":"i","aud":"a","cnf":{"jkt":"x"}}`,
		"not claims": `[]`,
		"twice":      `{"active":true,"sub":"s","SUB":"t"}`,
		"rejected":   `{"active":true,"iss":"i","aud":"a","sub":"banned"}`,
	}
	v, err := NewOpaque(IntrospectorFunc(func(_ context.Context, token string) ([]byte, error) {
		switch claims, ok := known[token]; {
		case ok:
			return []byte(claims), nil
		case token == "outage":
			return nil, errors.New("a secret reason")
		}
		return nil, Inactive(nil)
	}), WithClock(clock), Audience("a"), Issuer("i"), MaxTokenLength(20), Validate(ClaimValidatorFunc(
		func(_ context.Context, t *Token, _ *Handshake) error {
			if t.Subject == "banned" {
				return errors.New("banned")
			}
			return nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		token   string
		reason  Reason
		message string
	}{
		{"good", "", ""},
		{"", ErrTokenMissing, "no token provided"},
		{"unknown", ErrTokenInactive, "token inactive"},
		{"expired", ErrTokenExpired, "jwt expired"},
		{"elsewhere", ErrAudienceMismatch, "jwt audience invalid. expected: a"},
		{"bound", ErrTokenBound, "the token is bound to a key"},
		{"not claims", ErrTokenMalformed, "invalid token"},
		{"twice", ErrTokenMalformed, "invalid token"},
		{"rejected", ErrRejected, "rejected by the server"},
		{"outage", ErrKeysUnavailable, "keys unavailable, try again later"},
		{strings.Repeat("x", 21), ErrTokenTooLong, "jwt malformed"},
	} {
		t.Run(row.token, func(t *testing.T) {
			token, err := v.Authenticate(context.Background(), &Handshake{Auth: map[string]any{"token": row.token}})
			wantRefusal(t, err, row.reason, row.message)
			if err == nil && (token.Raw() != "good" || token.Subject != "s" || token.Key() != nil || !slices.Equal(token.Scopes(), []string{"x"})) {
				t.Errorf("got %+v", *token)
			}
		})
	}
	if _, err := v.Verify(context.Background(), ""); !errors.Is(err, ErrTokenMissing) {
		t.Errorf("no token: %v", err)
	}
	for _, none := range []Introspector{nil, IntrospectorFunc(nil)} {
		if _, err := NewOpaque(none); err == nil || err.Error() != "verifier: NewOpaque: the introspector is nil" {
			t.Errorf("no introspector: got %v", err)
		}
	}
	nobody := IntrospectorFunc(func(context.Context, string) ([]byte, error) { return nil, Inactive(nil) })
	for _, o := range []Option{Type("at+jwt"), Algorithms(RS256), AccessTokenProfile(), CacheVerified(1)} {
		if _, err := NewOpaque(nobody, o, Issuer("i"), Audience("a")); err == nil || !strings.Contains(err.Error(), "are about JWTs") {
			t.Errorf("an option about JWTs: got %v", err)
		}
	}
}
