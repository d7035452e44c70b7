package verifier

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"
)

// nilProvider is a provider whose nil pointer answers, as that of package keys.
type nilProvider struct{}

func (*nilProvider) Keys(context.Context, *UnverifiedToken) ([]*Key, error) { return nil, nil }

// TestMisconfigured: an invalid option fails in New, and says what to change.
func TestMisconfigured(t *testing.T) {
	good := keyFor(t, HS256)
	re := regexp.MustCompile
	for _, row := range []struct {
		name   string
		keys   KeyProvider
		option Option
		says   string
	}{
		{"no keys", nil, Subject("s"), "verifier: New: the key provider is nil"},
		{"a nil pointer for keys", (*nilProvider)(nil), Subject("s"), "verifier: New: the key provider is nil"},
		{"a nil function for keys", KeyProviderFunc(nil), Subject("s"), "verifier: New: the key provider is nil"},
		{"a nil option", good, nil, "verifier: New: an option is nil"},

		{"a nil extractor", good, WithExtractor(nil), "verifier: WithExtractor: the extractor is nil"},
		{"a nil function for an extractor", good, WithExtractor(ExtractorFunc(nil)), "verifier: WithExtractor: the extractor is nil"},
		{"query without a name", good, WithExtractor(Query("")), "verifier: Query: the name is empty"},
		{"cookie without a name", good, WithExtractor(Cookie("")), "verifier: Cookie: the name is empty"},
		{"payload without a member", good, WithExtractor(AuthPayload("")), "verifier: AuthPayload: the member is empty"},
		{"one of none", good, WithExtractor(OneOf()), "verifier: OneOf needs at least one extractor"},
		{"one of a nil one", good, WithExtractor(OneOf(BearerHeader(), nil)), "verifier: OneOf: an extractor is nil"},
		{"misuse within one of", good, WithExtractor(OneOf(OneOf(BearerHeader(), Cookie("")))), "verifier: Cookie: the name is empty"},

		{"FaultsF3 a required header and others", good, WithExtractor(OneOf(RequireBearerHeader(), Query("token"))), "verifier: OneOf: RequireBearerHeader refuses whatever the other extractors find"},
		{"FaultsF3 two extractors", good, both(WithExtractor(Query("a")), WithExtractor(Query("b"))), "verifier: WithExtractor is given twice"},
		{"FaultsF3 two tolerances", good, both(ClockTolerance(0), ClockTolerance(time.Second)), "verifier: ClockTolerance is given twice"},
		{"FaultsF3 two lengths", good, both(MaxTokenLength(1), MaxTokenLength(1)), "verifier: MaxTokenLength is given twice"},
		{"FaultsF3 two caches", good, both(CacheVerified(1), CacheVerified(2)), "verifier: CacheVerified is given twice"},
		{"FaultsF3 two lifetimes", good, both(MaxLifetime(1), MaxLifetime(2)), "verifier: MaxLifetime is given twice"},
		{"FaultsF3 a proof that does not count", good, both(IgnoreConfirmation(), Validate(confirms("jkt"))), "verifier: IgnoreConfirmation contradicts a validator"},
		{"FaultsF3 two proofs of one kind", good, Validate(confirms("jkt"), confirms("jkt")), "verifier: two validators confirm the cnf jkt"},
		{"FaultsF3 a lifetime that does not count", good, both(IgnoreExpiration(), MaxLifetime(time.Hour)), "verifier: IgnoreExpiration contradicts MaxLifetime"},
		{"FaultsF3 ID tokens refused and not", good, both(IgnoreTokenUse(), RefuseIDTokens()), "verifier: RefuseIDTokens and IgnoreTokenUse contradict"},
		{"FaultsF3 a secret for RS256", keyList{newKey(t, secret, KeyOptions{})}, Algorithms(RS256, PS512), "verifier: New: Algorithms allows RS256, PS512, but the keys are for HS256, HS384, HS512: no token could be accepted"},
		{"FaultsF3 a key for another algorithm", keyList{newKey(t, public(signer(RS256)), KeyOptions{Algorithms: []Algorithm{RS256}})}, Algorithms(PS256), "verifier: New: Algorithms allows PS256, but the keys are for RS256"},
		{"no lifetime", good, MaxLifetime(0), "verifier: MaxLifetime is 0s: expected a positive duration"},

		{"no algorithm", good, Algorithms(), "verifier: an empty list of algorithms allows none"},
		{"none", good, Algorithms("none"), `verifier: algorithm "none" is not supported: expected one of HS256,`},
		{"an algorithm in another case", good, Algorithms("hs256"), `verifier: algorithm "hs256" is not supported`},
		{"algorithms twice", good, both(Algorithms(HS256), Algorithms(RS256)), "verifier: Algorithms is given twice"},

		{"no audience", good, Audience(), "verifier: Audience needs at least one value"},
		{"an empty audience", good, Audience("a", ""), "verifier: Audience: a value is empty"},
		{"the audience twice", good, both(Audience("a"), Audience("b")), "verifier: the audience is given twice"},
		{"the audience in two ways", good, both(AudienceMatching(re(`^a$`)), AudienceFunc(func(string) bool { return true })), "verifier: the audience is given twice"},
		{"no issuer", good, Issuer(), "verifier: Issuer needs at least one value"},
		{"an empty issuer", good, Issuer(""), "verifier: Issuer: a value is empty"},
		{"the issuer in two ways", good, both(Issuer("i"), IssuerMatching(re(`^i$`))), "verifier: the issuer is given twice"},
		{"an empty subject", good, Subject(""), "verifier: Subject must not be empty"},
		{"the subject twice", good, both(Subject("s"), Subject("s")), "verifier: Subject is given twice"},
		{"an empty jti", good, TokenID(""), "verifier: TokenID must not be empty"},
		{"an empty nonce", good, Nonce(""), "verifier: Nonce must not be empty"},

		{"no maximum of age", good, MaxAge(0), "verifier: MaxAge is 0s: expected a positive duration"},
		{"a negative age", good, MaxAge(-time.Second), "verifier: MaxAge is -1s: expected a positive duration"},
		{"a negative tolerance", good, ClockTolerance(-1), "verifier: ClockTolerance is -1ns: expected zero or more"},
		{"a nil clock", good, WithClock(nil), "verifier: WithClock: the clock is nil"},
		{"no length", good, MaxTokenLength(0), "verifier: MaxTokenLength is 0: expected a positive number of bytes"},
		{"a nil validator", good, Validate(nil), "verifier: Validate: a validator is nil"},
		{"a nil function for a validator", good, Validate(ClaimValidatorFunc(nil)), "verifier: Validate: a validator is nil"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v, err := New(row.keys, row.option)
			if v != nil || err == nil || !strings.HasPrefix(err.Error(), row.says) {
				t.Errorf("got %v, %v\nwant the error %q", v, err, row.says)
			}
		})
	}
}

// keyList is a provider that can tell all its keys, as that of package keys.
type keyList []*Key

func (l keyList) Keys(context.Context, *UnverifiedToken) ([]*Key, error) { return l, nil }
func (l keyList) All() []*Key                                            { return l }

// both is two options in one.
func both(a, b Option) Option {
	return func(c *config) error {
		if err := a(c); err != nil {
			return err
		}
		return b(c)
	}
}

// TestAnchored: a pattern must say all of what it matches.
func TestAnchored(t *testing.T) {
	for pattern, good := range map[string]bool{
		`^a$`:                   true,
		`\Aa\z`:                 true,
		`^(?:a|b)$`:             true,
		`^https://[^/]+/$`:      true,
		`(?i)^a$`:               true,
		`^$`:                    true,
		`a`:                     false,
		`^a`:                    false,
		`a$`:                    false,
		`^a|b$`:                 false,
		`^a$|^b$`:               false,
		`^|$`:                   false,
		`(?m)^a$`:               false, // ^ and $ of lines
		`(?m)^a\z`:              false,
		`^a$b`:                  false,
		`(^a$)|c`:               false,
		``:                      false,
		`.*`:                    false,
		`^a\$`:                  false,
		`https://good\.example`: false,
	} {
		for name, option := range map[string]func(*regexp.Regexp) Option{"AudienceMatching": AudienceMatching, "IssuerMatching": IssuerMatching} {
			_, err := New(keyFor(t, HS256), option(regexp.MustCompile(pattern)))
			if good && err != nil {
				t.Errorf("%s(%q): %v", name, pattern, err)
			}
			if !good && (err == nil || !strings.HasPrefix(err.Error(), "verifier: "+name) || !strings.Contains(err.Error(), "must be anchored at both ends")) {
				t.Errorf("%s(%q): got %v, want it to be refused", name, pattern, err)
			}
		}
	}
	for name, option := range map[string]Option{"AudienceMatching": AudienceMatching(nil), "IssuerMatching": IssuerMatching(nil)} {
		if _, err := New(keyFor(t, HS256), option); err == nil || err.Error() != "verifier: "+name+": the pattern is nil" {
			t.Errorf("%s(nil): %v", name, err)
		}
	}
}

// TestOptionsAreTheirOwn: a caller may change what it gave.
func TestOptionsAreTheirOwn(t *testing.T) {
	audiences, issuers := []string{"a"}, []string{"i"}
	algorithms := []Algorithm{HS256}
	v := newVerifier(t, keyFor(t, HS256), Audience(audiences...), Issuer(issuers...), Algorithms(algorithms...))
	audiences[0], issuers[0], algorithms[0] = "x", "x", RS256
	if _, err := v.Verify(t.Context(), mint(HS256, `{"aud":"a","iss":"i"}`)); err != nil {
		t.Error(err)
	}
}

func TestMaxTokenLength(t *testing.T) {
	token := mint(HS256, `{}`)
	runAttacks(t, newVerifier(t, keyFor(t, HS256), MaxTokenLength(len(token))), []attack{
		{"as long as allowed", token, "", ""},
		{"a byte longer", token + "A", ErrTokenTooLong, "jwt malformed"},
	})
	// long is a token whose header, with the member last, has the length in its
	// encoding.
	long := func(member string, length int) string {
		header := `{"alg":"HS256","` + member + `":"` + strings.Repeat("A", length) + `"}`
		for base64.RawURLEncoding.EncodedLen(len(header)) > length {
			header = strings.Replace(header, "A\"", "\"", 1)
		}
		return mintWith(HS256, secret, header, `{}`)
	}
	const sixteenth = DefaultMaxTokenLength / 16
	padding := `pad":"` + strings.Repeat("B", 370) + `","x5c`
	runAttacks(t, newVerifier(t, keyFor(t, HS256)), []attack{
		{"a header as long as allowed", long("x", sixteenth), "", ""},
		{"a header that is longer", long("x", sixteenth+2), ErrTokenMalformed, "invalid token"},
		{"certificates", long("x5c", 4<<10), "", ""},
		{"a key", long("jwk", 2<<10), "", ""},
		{"certificates as long as allowed", long("x5c", 6*sixteenth), "", ""},
		{"certificates that are longer", long("x5c", 6*sixteenth+2), ErrTokenMalformed, "invalid token"},
		{"certificates late", long(padding, 4<<10), ErrTokenMalformed, "invalid token"},
		{"certificates late in a short header", long(padding, sixteenth), "", ""},
		{"not base64url", "eyJ" + strings.Repeat("*", 2<<10) + ".e30.AA", ErrTokenMalformed, "invalid token"},
	})
	runAttacks(t, newVerifier(t, keyFor(t, HS256), MaxTokenLength(2*DefaultMaxTokenLength)), []attack{
		{"a longer header in longer tokens", long("x", 2*sixteenth), "", ""},
		{"more certificates in longer tokens", long("x5c", 12*sixteenth), "", ""},
	})
}

// TestClock: the clock is asked anew for every token.
func TestClock(t *testing.T) {
	at := now
	v, err := New(keyFor(t, HS256), WithClock(func() time.Time { return at }))
	if err != nil {
		t.Fatal(err)
	}
	token := mint(HS256, `{"exp":1700000001}`)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	at = at.Add(time.Second)
	refuses(t, v, token, ErrTokenExpired, "jwt expired")

	// The default is the time of the day.
	v, err = New(keyFor(t, HS256))
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, v, token, ErrTokenExpired, "jwt expired")
	refuses(t, v, mint(HS256, `{"nbf":99999999999}`), ErrTokenNotActive, "jwt not active")
}
